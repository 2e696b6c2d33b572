//! Blocks, and the tasks that they belong to.

use nestling::{Context, Error, ErrorKind, Model as _, Result, params};

use super::{User, manager};

#[tokio::test]
async fn atomic() -> Result<()> {
    let objects = manager().await?;

    objects
        .atomic(|| async {
            objects.create::<User>([User::USERNAME.set("ada")]).await?;
            let twice = objects.atomic(|| objects.create::<User>([User::USERNAME.set("ada")])).await;
            assert!(twice.is_err_and(|error| error.is_unique_violation())); // a savepoint, rolled back on its own
            objects.create::<User>([User::USERNAME.set("bob")]).await
        })
        .await?;
    assert_eq!(objects.count(User::select()).await?, 2);
    Ok(())
}

#[tokio::test]
async fn transaction() -> Result<()> {
    let objects = manager().await?;

    let inner = objects.clone();
    let user = objects
        .transaction(|| async move {
            let user = inner.create::<User>([User::USERNAME.set("ada")]).await?;
            inner.database().execute("update movie set title = upper(title)", params![]).await?;
            Ok::<_, Error>(user)
        })
        .await?;
    assert_eq!(user.id, 1);
    Ok(())
}

#[tokio::test]
async fn joined() -> Result<()> {
    let objects = manager().await?;
    let inner = objects.clone();

    let outcome = objects
        .atomic(|| async {
            objects.create::<User>([User::USERNAME.set("ada")]).await?;
            let failed = objects.transaction(|| async move { inner.get::<User>(User::ID.eq(99)).await }).await;
            assert!(failed.is_err()); // it had joined: the whole transaction is lost
            Ok::<_, Error>(())
        })
        .await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::UnexpectedRollback);
    assert_eq!(objects.count(User::select()).await?, 0);
    Ok(())
}

#[tokio::test]
async fn savepoint() -> Result<()> {
    let objects = manager().await?;

    objects
        .atomic(|| async {
            objects.savepoint(|| objects.create::<User>([User::USERNAME.set("ada")])).await?;
            let undone = objects.savepoint_named("sid", || async {
                objects.create::<User>([User::USERNAME.set("bob")]).await?;
                Err::<(), _>(Undo)
            });
            assert_eq!(undone.await, Err(Undo));
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(objects.count(User::select()).await?, 1);
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Undo;

impl From<Error> for Undo {
    fn from(error: Error) -> Self {
        panic!("the database is not to blame: {error}")
    }
}

#[tokio::test]
async fn same_task() -> Result<()> {
    let objects = manager().await?;

    let late = objects
        .atomic(|| async {
            tokio::try_join!(
                objects.create::<User>([User::USERNAME.set("ada")]), // both in this transaction
                objects.create::<User>([User::USERNAME.set("bob")]),
            )?;
            let child = objects.clone(); // a spawned task takes part if it is let in
            let child = async move { child.create::<User>([User::USERNAME.set("cid")]).await };
            tokio::spawn(Context::current().enter(child)).await.expect("the child does not panic")?;

            let late = objects.clone(); // it will outlive the transaction
            Ok::<_, Error>(Context::current().enter(async move { late.count(User::select()).await }))
        })
        .await?;
    assert_eq!(late.await.unwrap_err().kind(), ErrorKind::FrameClosed);
    assert_eq!(objects.count(User::select()).await?, 3);
    Ok(())
}
