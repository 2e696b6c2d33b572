//! The native connection of SQLite: functions, backup, and what it may not do.

use std::time::Duration;

use nestling::{
    Database, Error, ErrorKind,
    native::rusqlite::{self, Connection, backup::Backup, functions::FunctionFlags},
    params,
};

use crate::harness::Backend;

#[derive(Debug)]
enum Mine {
    Db(Error),
    Native(rusqlite::Error),
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Db(error)
    }
}

impl From<rusqlite::Error> for Mine {
    fn from(error: rusqlite::Error) -> Self {
        Self::Native(error)
    }
}

fn add_shout(sqlite: &mut Connection) -> Result<(), Mine> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    Ok(sqlite.create_scalar_function("shout", 1, flags, |given| Ok(given.get::<String>(0)?.to_uppercase()))?)
}

async fn with_one(options: impl FnOnce(nestling::DatabaseBuilder) -> nestling::DatabaseBuilder) -> Backend {
    Backend::sqlite().await.with_items().await.with(options)
}

async fn functions() {
    let backend = with_one(|options| options.max_connections(1)).await;
    let db = &backend.db;
    let block = db.atomic(|| async {
        db.execute("insert into item values (1, 'quiet')", ()).await?;
        db.with_sqlite(add_shout).await?;
        db.execute("update item set name = shout(name)", ()).await?;
        let seen = db.with_sqlite(|sqlite| {
            let name: String = sqlite.query_row("select name from item", [], |row| row.get(0))?;
            Ok::<_, Mine>(name)
        });
        assert_eq!(seen.await?, "QUIET", "it sees what the block has done");
        Ok::<_, Mine>(())
    });
    block.await.unwrap();
    assert_eq!(backend.items().await, ["QUIET"]);
    backend.settled().await;
}

/// rule 3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_of_ones_own_takes_part() {
    functions().await;
}

/// rule 3
#[tokio::test]
async fn a_function_of_ones_own_takes_part_on_one_thread() {
    functions().await;
}

/// rule 2: a backup of the committed state, taken while others go on
#[tokio::test]
async fn a_backup_is_a_whole_database() {
    let backend = with_one(|options| options).await;
    let db = &backend.db;
    db.execute("insert into item values (1, 'one'), (2, 'two')", ()).await.unwrap();
    let copy = std::env::temp_dir().join(format!("nestling_backup_{}.db", std::process::id()));
    let path = copy.clone();
    let backup = db.with_sqlite(move |sqlite| {
        let mut target = Connection::open(path)?;
        Backup::new(sqlite, &mut target)?.run_to_completion(100, Duration::ZERO, None)?;
        Ok::<_, Mine>(())
    });
    backup.await.unwrap();
    let restored = Database::open(&format!("sqlite://{}", copy.display())).unwrap();
    let rows = restored.query("select name from item order by id", ()).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<String>(0).unwrap()).collect::<Vec<_>>(), ["one", "two"]);
    restored.close().await;
    for end in ["", "-wal", "-shm"] {
        // Not all of them need to be there.
        let _ = std::fs::remove_file(format!("{}{end}", copy.display()));
    }
    backend.settled().await;
}

/// rules 15, 32 and 36
#[tokio::test]
async fn a_closure_that_ends_the_transaction_is_found_out() {
    let backend = with_one(|options| options.max_connections(1)).await;
    let db = &backend.db;
    for ending in ["rollback", "commit", "commit; begin", "rollback; begin"] {
        let block = db.atomic(|| async {
            db.execute("insert or ignore into item values (1, 'one')", ()).await?;
            let lent = db.with_sqlite(move |sqlite| Ok::<_, Mine>(sqlite.execute_batch(ending)?)).await;
            assert!(matches!(lent, Err(Mine::Db(error)) if error.kind() == ErrorKind::Aborted), "{ending}");
            assert!(db.execute("insert into item values (2, 'behind')", ()).await.is_err(), "{ending}");
            Ok::<_, Mine>(())
        });
        assert!(matches!(block.await, Err(Mine::Db(error)) if error.kind() == ErrorKind::RolledBack), "{ending}");
        assert!(!backend.items().await.contains(&"behind".into()), "{ending}");
        backend.settled().await;
    }
    let left = db.with_sqlite(|sqlite| Ok::<_, Mine>(sqlite.execute_batch("begin immediate; delete from item")?));
    left.await.unwrap();
    backend.settled().await;
    assert_eq!(backend.items().await, ["one"], "what it began outside a block is rolled back");
}

/// rule 32: an error of the closure is the caller's own, and the block goes on
#[tokio::test]
async fn an_error_of_the_closure_aborts_nothing() {
    let backend = with_one(|options| options).await;
    let db = &backend.db;
    let block = db.atomic(|| async {
        db.execute("insert into item values (1, 'one')", ()).await?;
        let failed =
            db.with_sqlite(|sqlite| Ok::<_, Mine>(sqlite.execute_batch("insert into item values (1, 'again')")?));
        let taken = Some(rusqlite::ErrorCode::ConstraintViolation);
        assert!(matches!(failed.await, Err(Mine::Native(error)) if error.sqlite_error_code() == taken));
        db.execute("insert into item values ($1, $2)", params![2, "two"]).await?;
        Ok::<_, Mine>(())
    });
    block.await.unwrap();
    assert_eq!(backend.items().await, ["one", "two"]);
    backend.settled().await;
}

/// rule 41: a panic of the closure reaches the caller, or is an error; nobody gets the connection as it was left
#[tokio::test]
async fn a_closure_that_panics_leaves_nothing() {
    let backend = with_one(|options| options.max_connections(1)).await;
    let db = backend.db.clone();
    let panics = tokio::spawn(async move {
        db.atomic(|| async {
            db.execute("insert into item values (1, 'lost')", ()).await?;
            db.with_sqlite(|sqlite| -> Result<(), Error> {
                sqlite.execute_batch("insert into item values (2, 'lost too')").expect("a free id");
                panic!("the closure's own")
            })
            .await
        })
        .await
    });
    assert!(panics.await.map_or(true, |result| result.is_err()));
    backend.settled().await;
    assert!(backend.items().await.is_empty());
    backend.db.execute("insert into item values (1, 'next')", ()).await.unwrap();
    let wrong = backend.db.with_postgres(|_| async { Ok::<_, Error>(()) }).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Unsupported);
}
