//! `connection()`: one session for all that its body does, without a transaction around it.

use nestling::{Database, Error, ErrorKind, params};
use tokio::sync::Notify;

use crate::{harness::Backend, proxy::Proxy, test_servers};

async fn pid(db: &Database) -> Result<i32, Error> {
    db.query_one("select pg_backend_pid()", ()).await?.get(0)
}

/// rule 3: the server's own word that it is one session
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn all_statements_are_of_one_session() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    // Two idle connections to choose from.
    let both = db.connection(|| async { Ok::<_, Error>((pid(db).await?, nestling::scope(pid(db)).await?)) });
    let (one, two) = both.await.unwrap();
    assert_ne!(one, two);
    let pinned = db.connection(|| async {
        let own = pid(db).await?;
        for _ in 0..5 {
            assert_eq!(pid(db).await?, own);
            assert_eq!(db.atomic(|| pid(db)).await?, own);
            assert_eq!(db.connection(|| pid(db)).await?, own, "a pin in a pin is the same one");
            let other = db.clone();
            let elsewhere = nestling::spawn(async move { pid(&other).await });
            assert_ne!(elsewhere.await.expect("no panic")?, own, "another task has another session");
        }
        let joined = tokio::try_join!(pid(db), pid(db), pid(db))?;
        assert_eq!(joined, (own, own, own));
        db.execute("select pg_advisory_lock(7)", ()).await?;
        assert!(!backend.observer().query_one("select pg_try_advisory_lock(7)", ()).await?.get::<bool>(0)?);
        assert!(db.query_one("select pg_advisory_unlock(7)", ()).await?.get::<bool>(0)?);
        Ok::<_, Error>(())
    });
    pinned.await.unwrap();
    backend.settled().await;
}

test_on! {
    every_backend;

    /// rules 3, 4 and 12
    async fn temporary_tables_stay_and_nothing_is_a_transaction(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let pinned = db.connection(|| async {
            assert!(!db.in_transaction() && db.depth() == 0);
            db.batch("create temporary table mine (x integer)").await?;
            db.execute("insert into mine values ($1), ($2)", params![1, 2]).await?;
            db.execute("insert into item values (1, 'at once')", ()).await?;
            assert_eq!(backend.items().await, ["at once"], "committed on its own");
            assert_eq!(db.query("select * from mine", ()).await?.len(), 2);
            assert_eq!(db.savepoint(|| async { Ok::<_, Error>(()) }).await.unwrap_err().kind(), ErrorKind::NoTransaction);
            assert_eq!(db.execute("insert into item values (1, 'again')", ()).await.unwrap_err().kind(), ErrorKind::Server);
            db.execute("insert into item values (2, 'behind an error')", ()).await?;
            db.batch("drop table mine").await
        });
        pinned.await.unwrap();
        assert_eq!(backend.items().await, ["at once", "behind an error"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 12, 13 and 14: blocks on a pinned connection are transactions of their own
    async fn blocks_inside_are_transactions_of_their_own(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let add = |id: i64, name: &'static str| async move { db.execute("insert into item values ($1, $2)", params![id, name]).await };
        let pinned = db.connection(|| async {
            db.atomic(|| async {
                assert_eq!(db.depth(), 1);
                add(1, "committed").await?;
                assert!(backend.items().await.is_empty());
                db.atomic(|| add(2, "nested")).await
            })
            .await?;
            assert_eq!(backend.items().await, ["committed", "nested"]);
            let undone = db.atomic(|| async {
                add(3, "rolled back").await?;
                Err::<(), _>(add(1, "taken").await.unwrap_err())
            });
            assert!(undone.await.unwrap_err().is_unique_violation());
            assert_eq!(backend.open_at_server().await, 0);
            let swallowed = db.atomic(|| async {
                add(4, "four").await?;
                add(1, "taken").await.unwrap_err();
                Ok::<_, Error>(())
            });
            assert_eq!(swallowed.await.is_err(), backend.is_postgres());
            assert_eq!(db.depth(), 0);
            add(5, "afterwards").await
        });
        pinned.await.unwrap();
        let four = if backend.is_postgres() { None } else { Some("four") };
        let expected: Vec<_> = ["afterwards", "committed"].into_iter().chain(four).chain(["nested"]).collect();
        assert_eq!(backend.items().await, expected);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 37 and 43: a block dropped on a pinned connection is rolled back ahead of the connection's next statement
    async fn after_a_dropped_block_the_next_statement_pays_the_rollback(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let pinned = db.connection(|| async {
            for round in 0..3 {
                let begun = Notify::new();
                let dropped = db.atomic(|| async {
                    db.execute("insert into item values (1, 'lost')", ()).await?;
                    db.atomic(|| async {
                        db.execute("insert into item values (2, 'lost too')", ()).await?;
                        begun.notify_one();
                        std::future::pending::<Result<(), Error>>().await
                    })
                    .await
                });
                tokio::select! {
                    _ = dropped => unreachable!("it never ends"),
                    () = begun.notified() => {}
                }
                assert!(!db.in_transaction());
                if round == 0 {
                    assert_eq!(db.query("select * from item", ()).await?.len(), 0);
                } else {
                    // Or the next block's BEGIN rides behind it.
                    db.atomic(|| db.execute("insert into item values ($1, $2)", params![10 + round, format!("kept {round}")])).await?;
                }
            }
            assert_eq!(backend.open_at_server().await, 0);
            db.execute("insert into item values (1, 'at last')", ()).await
        });
        pinned.await.unwrap();
        assert_eq!(backend.items().await, ["at last", "kept 1", "kept 2"]);
        backend.settled().await;
        assert_eq!(db.stats().connections, 1);
    }
}

/// rule 43: seen on the wire, the rollback costs no flight of its own
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn the_rollback_of_a_dropped_block_rides_with_the_next_statement() {
    let backend = Backend::postgres().await.with_items().await;
    let proxy = Proxy::before(&test_servers::postgres_url());
    let db = &Database::open(&proxy.url_for(backend.url())).unwrap();
    let pinned = db.connection(|| async {
        db.query("select 1", ()).await?;
        db.query("select * from item", ()).await?;
        let begun = Notify::new();
        let dropped = db.atomic(|| async {
            db.query("select 1", ()).await?;
            begun.notify_one();
            std::future::pending::<Result<(), Error>>().await
        });
        tokio::select! {
            _ = dropped => unreachable!("it never ends"),
            () = begun.notified() => {}
        }
        proxy.reset();
        assert!(db.query("select * from item", ()).await?.is_empty());
        assert_eq!(proxy.counts().sequence(), ["ROLLBACK", "select * from item"]);
        assert_eq!(proxy.counts().flights, 1);
        Ok::<_, Error>(())
    });
    pinned.await.unwrap();
}

test_on! {
    every_backend;

    /// rules 6, 37 and 39: a pin that is dropped gives its connection back, and takes none before its first statement
    async fn a_pin_gives_its_connection_back_in_whatever_way_it_ends(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        db.connection(|| async { Ok::<_, Error>(()) }).await.unwrap();
        assert_eq!(db.stats().connections, 0, "nothing was asked of it");
        let error = db.connection(|| async { db.query("select * from nowhere", ()).await.map(|_| ()) }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server);
        let begun = Notify::new();
        let pin = db.connection(|| async {
            db.query("select 1", ()).await?;
            begun.notify_one();
            std::future::pending::<Result<(), Error>>().await
        });
        tokio::select! {
            _ = pin => unreachable!("it never ends"),
            () = begun.notified() => {}
        }
        db.execute("insert into item values (1, 'next')", ()).await.unwrap();
        let own = db.clone();
        let panics = nestling::spawn(async move {
            let body = || async {
                own.query("select 1", ()).await?;
                if own.depth() == 0 {
                    panic!("the body's own");
                }
                Ok::<_, Error>(())
            };
            own.connection(body).await
        });
        assert!(panics.await.unwrap_err().is_panic());
        backend.settled().await;
        assert_eq!(backend.items().await, ["next"]);
        assert_eq!(db.stats().connections, 1);
    }
}
