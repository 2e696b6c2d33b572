//! What the README shows.

use nestling::{Database, Error, ForeignKey, Manager, Model, create_tables};

/// Three accounts, and a list of who was refused.
async fn bank() -> Result<Database, Error> {
    let db = Database::open("sqlite::memory:")?;
    db.batch("create table account (name text primary key, balance integer check (balance >= 0))").await?;
    db.batch("insert into account values ('ada', 100), ('grace', 0), ('linus', 0)").await?;
    db.batch("create table refused (name text)").await?;
    Ok(db)
}

#[tokio::test]
async fn nested_transfers() -> Result<(), Error> {
    let db = bank().await?;

    use nestling::{Database, Error, params};

    async fn transfer(db: &Database, from: &str, to: &str, amount: i64) -> Result<(), Error> {
        db.atomic(|| async {
            db.execute("update account set balance = balance - $1 where name = $2", params![amount, from]).await?;
            db.execute("update account set balance = balance + $1 where name = $2", params![amount, to]).await?;
            Ok(())
        })
        .await
    }

    db.atomic(|| async {
        transfer(&db, "ada", "grace", 70).await?; // takes part: a savepoint in this transaction
        if transfer(&db, "ada", "linus", 70).await.is_err() {
            // only this one was rolled back
            db.execute("insert into refused values ('linus')", params![]).await?;
        }
        Ok::<_, Error>(())
    })
    .await?;

    let balances = "select group_concat(balance) from (select balance from account order by name)";
    assert_eq!(db.query_one(balances, params![]).await?.get::<String>(0)?, "30,70,0");
    assert_eq!(db.query("select name from refused", params![]).await?.len(), 1);
    Ok(())
}

#[derive(Model)]
struct Director {
    id: i64,
    #[model(unique, max_length = 100)]
    name: String,
}

#[tokio::test]
async fn models() -> Result<(), Error> {
    let objects = Manager::new(Database::open("sqlite::memory:")?);

    #[derive(Model)]
    struct Film {
        id: i64,
        title: String,
        year: i32,
        director: ForeignKey<Director>,
    }

    create_tables(objects.database(), &[Director::TABLE, Film::TABLE]).await?;
    let (varda, _) = objects.get_or_create([Director::NAME.set("Agnès Varda")], []).await?;
    objects.create([Film::TITLE.set("Vagabond"), Film::YEAR.set(1985), Film::DIRECTOR.set(&varda)]).await?;

    let films = Film::DIRECTOR.children(Film::select().filter(Film::YEAR.ge(1980)).order_by(Film::YEAR.desc()));
    for director in objects.prefetch(Director::select(), films).await? {
        println!("{} made {} films since 1980", director.name, director.children.len());
    }

    let film: Film = objects.get(Film::YEAR.eq(1985)).await?;
    assert_eq!((film.id, &*film.title, film.director.key()), (1, "Vagabond", &varda.id));
    Ok(())
}
