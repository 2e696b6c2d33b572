//! The calls of the Manager.

use std::sync::LazyLock;

use nestling::{
    Database, ErrorKind, Manager, Model, Result, create_tables, model::PrefetchType, params, query::functions, raw,
};

use super::{Award, Director, Movie, User, manager};

static OBJECTS: LazyLock<Manager> = LazyLock::new(|| {
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite::memory:".into());
    Manager::new(Database::open(&url).expect("DATABASE_URL is a valid URL"))
});

trait Objects: Model {
    fn objects() -> &'static Manager {
        &OBJECTS
    }
}

impl<M: Model> Objects for M {}

#[tokio::test]
async fn class_member() -> Result<()> {
    if std::env::var_os("DATABASE_URL").is_none() {
        create_tables(OBJECTS.database(), &[User::TABLE]).await?;
        let user: User = OBJECTS.create([User::USERNAME.set("ada")]).await?;
        assert_eq!(User::objects().get::<User>(User::ID.eq(user.id)).await?, user);
    }
    Ok(())
}

#[tokio::test]
async fn get() -> Result<()> {
    let objects = manager().await?;
    objects.create::<User>([User::USERNAME.set("ada")]).await?;

    let one = objects.get::<User>(User::ID.eq(1)).await?;
    let two: User = objects.get((User::USERNAME.eq("ada"), User::ACTIVE.eq(true))).await?;
    let three = objects.get(User::select().filter(User::USERNAME.ilike("ADA"))).await?;
    assert!(one == two && two == three);

    let nobody = objects.get::<User>(User::ID.eq(99)).await;
    assert_eq!(nobody.unwrap_err().kind(), ErrorKind::NoRow);
    assert_eq!(objects.get_or_none::<User>(User::ID.eq(99)).await?, None);
    Ok(())
}

#[tokio::test]
async fn create() -> Result<()> {
    let objects = manager().await?;

    let user = objects.create([User::USERNAME.set("ada")]).await?;
    assert_eq!(user, User { id: 1, username: "ada".into(), active: true });
    Ok(())
}

#[tokio::test]
async fn update() -> Result<()> {
    let objects = manager().await?;

    let mut user = objects.create([User::USERNAME.set("ada")]).await?;
    (user.username, user.active) = ("Ada".into(), false);
    objects.update_only(&user, User::USERNAME).await?;
    assert!(objects.get::<User>(User::ID.eq(user.id)).await?.active); // was not written
    objects.update(&user).await?;
    assert_eq!(objects.get::<User>(User::ID.eq(user.id)).await?, user);
    Ok(())
}

#[tokio::test]
async fn delete() -> Result<()> {
    let objects = manager().await?;

    let varda: Director = objects.get(Director::NAME.eq("Varda")).await?;
    assert!(objects.delete(&varda).await.unwrap_err().is_foreign_key_violation());
    assert_eq!(objects.delete(&varda).recursive().await?, 1); // the director; and two films, and an award
    assert_eq!(objects.count(Movie::select()).await? + objects.count(Award::select()).await?, 0);
    Ok(())
}

#[tokio::test]
async fn get_or_create() -> Result<()> {
    let objects = manager().await?;

    let (user, created) = objects.get_or_create([User::USERNAME.set("ada")], [User::ACTIVE.set(false)]).await?;
    assert!(created && !user.active);
    let (same, created) = objects.get_or_create([User::USERNAME.set("ada")], [User::ACTIVE.set(true)]).await?;
    assert!(!created && same == user);
    Ok(())
}

#[tokio::test]
async fn create_or_get() -> Result<()> {
    let objects = manager().await?;

    let (user, created) = objects.create_or_get([User::USERNAME.set("ada")]).await?;
    assert!(created);
    let (same, created) = objects.create_or_get([User::USERNAME.set("ada"), User::ACTIVE.set(false)]).await?;
    assert!(!created && same == user);
    Ok(())
}

#[tokio::test]
async fn execute() -> Result<()> {
    let objects = manager().await?;

    let names = ["ada", "bob", "cid"].map(|name| [User::USERNAME.set(name)]);
    let ids = objects.execute(User::insert_many(names)).await?;
    assert_eq!(ids, [1, 2, 3]);

    let users = objects.execute(User::select().order_by(User::USERNAME.desc())).await?;
    assert_eq!(users[0].username, "cid");

    let changed = objects.execute(User::update([User::ACTIVE.set(false)]).filter(User::ID.gt(1))).await?;
    assert_eq!(changed, 2);

    let gone = objects.execute(User::delete().filter(User::ACTIVE.eq(false)).returning()).await?;
    assert_eq!(gone.len(), 2);

    let pairs = raw::<(String, String)>(
        "select title, name from movie join director on director_id = director.id where title like $1",
        params!["V%"],
    );
    assert_eq!(objects.execute(pairs).await?, [("Vagabond".into(), "Varda".into())]);
    Ok(())
}

#[tokio::test]
async fn prefetch() -> Result<()> {
    let objects = manager().await?;

    let awards = Award::MOVIE.children(Award::select());
    let movies = Movie::DIRECTOR.children(Movie::select().order_by(Movie::TITLE.desc())).with(awards);
    let directors = objects.prefetch(Director::select(), movies).by(PrefetchType::Join).await?;

    assert_eq!(directors[0].name, "Varda");
    assert_eq!(directors[0].children[0].title, "Vagabond");
    assert_eq!(directors[0].children[0].children[0].name, "Golden Lion");
    assert!(directors[0].children[1].children.is_empty());
    Ok(())
}

#[tokio::test]
async fn count() -> Result<()> {
    let objects = manager().await?;

    let first = Movie::select().limit(1);
    assert_eq!(objects.count(first.clone()).await?, 1);
    assert_eq!(objects.count(first.clear_limit()).await?, 2);
    assert_eq!(objects.count(Movie::select().limit(0)).await?, 0);
    Ok(())
}

#[tokio::test]
async fn scalar() -> Result<()> {
    let objects = manager().await?;

    let last = Movie::select().columns(Movie::TITLE.max());
    assert_eq!(objects.scalar(last).await?, Some(Some("Vagabond".into())));
    let both = Movie::select().columns((functions::count(), Movie::ID.max()));
    assert_eq!(objects.scalar(both).await?, Some((2, Some(2)))); // as_tuple
    let none = Movie::select().filter(Movie::ID.eq(99)).columns(Movie::TITLE);
    assert_eq!(objects.scalar(none).await?, None);
    Ok(())
}

#[tokio::test]
async fn allow_sync() -> Result<()> {
    let objects = manager().await?;

    let user: User = objects.allow_sync(|sync| sync.create([User::USERNAME.set("ada")]))?;
    assert_eq!(objects.get::<User>(User::ID.eq(user.id)).await?, user);

    let refused = objects.sync().get::<User>(User::ID.eq(1)); // not inside of allow_sync
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::SyncNotAllowed);
    Ok(())
}

#[tokio::test]
async fn connect_and_close() -> Result<()> {
    let objects = manager().await?;

    objects.connect().await?;
    objects.connect().await?; // once more does nothing
    objects.close().await;
    assert_eq!(objects.count(User::select()).await.unwrap_err().kind(), ErrorKind::Closed);
    Ok(())
}
