//! A database in memory has one connection: the blocking handle shares it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use nestling::{Database, Error, ErrorKind, params};

async fn item_count(db: &Database) -> i64 {
    db.query_one("select count(*) from item", params![]).await.unwrap().get(0).unwrap()
}

async fn both_sides_see_the_same() {
    let db = Database::open("sqlite::memory:").unwrap();
    let sync = db.sync();
    sync.batch("create table item (id integer)").unwrap();
    db.execute("insert into item values (1)", params![]).await.unwrap();
    sync.atomic(|| sync.execute("insert into item values (2)", params![])).unwrap();
    assert_eq!(item_count(&db).await, 2);
    db.allow_sync(|sync| sync.execute("insert into item values (3)", params![])).unwrap();
    sync.close();
    drop(sync);
    assert_eq!(item_count(&db).await, 3, "closing the blocking side does not end the database");
    let undone = catch_unwind(AssertUnwindSafe(|| {
        db.sync().atomic(|| -> Result<(), Error> {
            db.sync().execute("delete from item", params![])?;
            panic!("undone");
        })
    }));
    assert!(undone.is_err());
    assert_eq!(item_count(&db).await, 3);
    assert_eq!(db.sync().query("select id from item", params![]).unwrap().len(), 3);
}

#[tokio::test]
async fn both_sides_see_the_same_database_on_one_thread() {
    both_sides_see_the_same().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_see_the_same_database_on_several() {
    both_sides_see_the_same().await;
    tokio::spawn(both_sides_see_the_same()).await.unwrap();
}

#[test]
fn it_is_there_without_a_runtime_and_within_several() {
    let db = Database::open("sqlite::memory:").unwrap();
    let sync = db.sync();
    sync.batch("create table item (id integer)").unwrap();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            db.execute("insert into item values (1)", params![]).await.unwrap();
            sync.execute("insert into item values (1)", params![]).unwrap();
        });
    }
    assert_eq!(sync.query("select * from item", params![]).unwrap().len(), 6);
}

/// rules 61 and 63: the wait for its one connection would be for ever
#[tokio::test]
async fn in_a_transaction_of_the_same_task_it_is_refused_at_once() {
    let db = Database::builder("sqlite::memory:").acquire_timeout(Duration::from_secs(60)).build().unwrap();
    let sync = db.sync();
    sync.batch("create table item (id integer)").unwrap();
    db.atomic(|| async {
        db.execute("insert into item values (1)", params![]).await?;
        assert_eq!(sync.query("select 1", params![]).unwrap_err().kind(), ErrorKind::SyncNotAllowed);
        let asked = sync.even_in_transaction();
        assert_eq!(asked.query("select 1", params![]).unwrap_err().kind(), ErrorKind::PoolTimeout);
        let hidden = nestling::scope(async { sync.query("select 1", params![]) }).await;
        assert_eq!(hidden.unwrap_err().kind(), ErrorKind::PoolTimeout);
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
    let pinned = db.connection(|| async {
        db.query("select 1", params![]).await?;
        sync.query("select 1", params![])
    });
    assert_eq!(pinned.await.unwrap_err().kind(), ErrorKind::PoolTimeout);
    assert_eq!(sync.query("select * from item", params![]).unwrap().len(), 1);
}

/// rule 29, the other way round: what another task holds is waited for as long as was said
#[tokio::test]
async fn what_another_task_holds_is_not_waited_for_for_ever() {
    let db = Database::builder("sqlite::memory:").acquire_timeout(Duration::from_millis(100)).build().unwrap();
    let (held, release) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let holder = db.atomic(|| async {
        // The time is for the opening, too.
        wait_while!(db.query("select 1", params![]).await.is_err());
        held.notify_one();
        release.notified().await;
        Ok::<_, Error>(())
    });
    let other = async {
        held.notified().await;
        let late = db.sync().query("select 1", params![]).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::PoolTimeout);
        release.notify_one();
        Ok::<_, Error>(())
    };
    tokio::try_join!(holder, other).unwrap();
    wait_while!(db.sync().query("select 1", params![]).is_err());
}
