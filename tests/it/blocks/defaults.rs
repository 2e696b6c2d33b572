//! What transactions of a database are that do not ask for anything else: rules 30 and 55.

use nestling::{Database, DatabaseBuilder, Error, ErrorKind, Isolation, params};

use crate::{
    harness::insert,
    wire::{Wire, statement},
};

/// The level of the transaction, as PostgreSQL tells it.
async fn level(db: &Database) -> Result<String, Error> {
    db.query_one("show transaction_isolation", params![]).await?.get(0)
}

fn serializable(options: DatabaseBuilder) -> DatabaseBuilder {
    options.default_isolation(Isolation::Serializable)
}

test_on! {
    [postgres postgres_without_names];

    /// rule 55: every root has it, and none that asks for another
    async fn a_root_has_the_default_level_unless_it_asks(backend) {
        let backend = backend.with(serializable);
        let db = &backend.db;
        let own = || db.build_transaction().isolation(Isolation::RepeatableRead);
        assert_eq!(db.atomic(|| level(db)).await.unwrap(), "serializable");
        assert_eq!(nestling::scope(db.atomic(|| level(db))).await.unwrap(), "serializable");
        assert_eq!(db.connection(|| db.atomic(|| level(db))).await.unwrap(), "serializable");
        assert_eq!(db.read_only(|| level(db)).await.unwrap(), "serializable");
        assert_eq!(own().atomic(|| level(db)).await.unwrap(), "repeatable read");
        assert_eq!(level(db).await.unwrap(), "read committed", "a statement on its own has the server's level");
        let sync = db.sync();
        let seen = sync.atomic(|| sync.query_one("show transaction_isolation", params![])?.get::<String>(0));
        assert_eq!(seen.unwrap(), "serializable", "blocking blocks too");
        backend.settled().await;
    }
}

test_on! {
    mysql_and_mariadb;

    /// rule 55: two writers at SERIALIZABLE cannot both read a row and then write it
    async fn a_root_has_the_default_level(backend) {
        let backend = backend.with_items().await.with(serializable);
        let db = &backend.db;
        insert(db, 1, "read").await.unwrap();
        // At SERIALIZABLE a read locks, at any other level it does not.
        let waits = db.atomic(|| async {
            db.query("select * from item", params![]).await?;
            let other = backend.observer().build_transaction().set_local("innodb_lock_wait_timeout", "1");
            let error = other.atomic(|| insert(backend.observer(), 2, "late")).await.expect_err("the reader has a lock");
            assert!(error.is_timeout(), "{error:?}");
            Ok::<_, Error>(())
        });
        waits.await.unwrap();
        let other = db.build_transaction().isolation(Isolation::ReadCommitted).atomic(|| async {
            db.query("select * from item", params![]).await?;
            insert(backend.observer(), 3, "at once").await
        });
        other.await.expect("another level was asked for");
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 30: a nested block that asks for the default agrees with it, another one does not
    async fn a_nested_block_agrees_with_the_default_or_not(backend) {
        let backend = backend.with_items().await.with(serializable);
        let db = &backend.db;
        let asking = |isolation| db.build_transaction().isolation(isolation);
        let outer = db.atomic(|| async {
            asking(Isolation::Serializable).atomic(|| insert(db, 1, "nested")).await?;
            let own = db.clone();
            asking(Isolation::Serializable).transaction(move || async move { insert(&own, 2, "joined").await }).await?;
            let never = || async { panic!("the body must not run") as nestling::Result<()> };
            let other = asking(Isolation::ReadCommitted).atomic(never).await.expect_err("another level");
            assert_eq!(other.kind(), ErrorKind::SettingsMismatch);
            Ok::<_, Error>(())
        });
        outer.await.unwrap();
        assert_eq!(backend.items().await, ["joined", "nested"]);
        backend.settled().await;
    }

    /// rule 55: nothing is written that did not ask for it, in a block or on its own
    async fn a_database_may_be_read_only_unless_asked(backend) {
        let backend = backend.with_items().await.with_put().await.with(|options| options.default_read_only(true));
        let db = &backend.db;
        db.atomic(|| insert(db, 1, "refused")).await.expect_err("a block");
        insert(db, 2, "refused").await.expect_err("a statement on its own");
        db.batch("insert into item values (3, 'refused')").await.expect_err("a batch on its own");
        db.connection(|| insert(db, 4, "refused")).await.expect_err("on a pinned connection");
        let returning = backend.choose("insert into item values (5, 'x') returning id", "select put(5, 'x')", "insert into item values (5, 'x') returning id");
        let streamed = async {
            let mut rows = db.stream(returning, params![]).await?;
            while let Some(row) = rows.next().await {
                row?;
            }
            Ok::<_, Error>(())
        };
        streamed.await.expect_err("a stream on its own");
        assert!(db.query("select * from item", params![]).await.unwrap().is_empty());
        let writes = || db.build_transaction().read_write();
        writes().atomic(|| insert(db, 6, "asked for")).await.expect("it asked");
        let nested = db.atomic(|| async {
            assert!(db.query("select * from item", params![]).await?.len() == 1);
            let never = || async { panic!("the body must not run") as nestling::Result<()> };
            assert_eq!(writes().atomic(never).await.expect_err("the root is read-only").kind(), ErrorKind::SettingsMismatch);
            db.read_only(|| db.query("select * from item", params![])).await
        });
        assert_eq!(nested.await.unwrap().len(), 1);
        assert_eq!(backend.items().await, ["asked for"]);
        backend.settled().await;
    }
}

/// rule 55
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_default_adds_no_round_trip() {
    let wire = Wire::with(|options| serializable(options.max_connections(1))).await;
    let block = async || wire.db.atomic(|| statement(&wire.db)).await.expect("it commits");
    let (counts, cost) = wire.warm(block).await;
    assert_eq!((counts.flights, cost.sent), (2, 2), "BEGIN with the statement; COMMIT");
    assert!(counts.sequence()[0].starts_with("BEGIN ISOLATION LEVEL SERIALIZABLE"), "{:?}", counts.sequence());
    let (counts, _) = wire.warm(async || statement(&wire.db).await.expect("it runs")).await;
    assert_eq!(counts.flights, 1, "a statement on its own stays alone");
}
