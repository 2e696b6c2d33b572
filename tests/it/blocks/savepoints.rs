//! Savepoints that are asked for by that name, and what they may be called: rule 21 of the specification.

use nestling::{Database, Error, ErrorKind, params};

use crate::harness::insert;

async fn fails(db: &Database) -> Result<(), Error> {
    nestling::scope(db.savepoint(|| async { Ok::<_, Error>(()) })).await
}

/// What a body does that is not to run.
fn must_not_run() -> Result<(), Error> {
    panic!("the body must not run");
}

test_on! {
    every_backend;

    /// rule 21
    async fn a_savepoint_outside_a_transaction_is_an_error_before_anything_is_sent(backend) {
        let db = &backend.db;
        let never = || async { must_not_run() };
        assert_eq!(db.savepoint(never).await.expect_err("none is open").kind(), ErrorKind::NoTransaction);
        let named = db.savepoint_named("mine", never).await;
        assert_eq!(named.expect_err("none is open").kind(), ErrorKind::NoTransaction);
        let stats = db.stats();
        assert_eq!((stats.connections, stats.flights, stats.steps_owed), (0, 0, 0), "nothing was sent");
        let pinned = db.connection(|| async { db.savepoint(|| async { Ok::<_, Error>(()) }).await });
        assert_eq!(pinned.await.expect_err("a connection is no transaction").kind(), ErrorKind::NoTransaction);
    }
}

test_on! {
    every_backend;

    /// rule 21
    async fn a_named_savepoint_may_have_any_name_that_the_server_can_keep(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let longest = "x".repeat(63);
        let names = [
            "plain", "with space", "a\"b", "\"", "a'b", "'; drop table item; --", "\"; drop table item; --", "naïve", "点",
            "Case", "case", "s1", "s2", "S2", "_n1", "_N2", "select", "$1", "a\\b", "new\nline", &longest,
        ];
        // MySQL would let go of the outer of two savepoints that it takes to have one name: there such names are refused,
        // and those that are kept for the library.
        let is_mysql = backend.is_mysql();
        let names: Vec<&str> =
            names.into_iter().filter(|name| !is_mysql || !["_n1", "_N2"].contains(name)).collect();
        let work = db.atomic(|| async {
            for (id, name) in (1..).zip(names.iter().copied()) {
                // Kept and undone, with blocks around and inside that have names of their own.
                db.atomic(|| async {
                    db.savepoint_named(name, || async {
                        assert_eq!(db.current_savepoint().as_deref(), Some(name));
                        insert(db, 2 * id, name).await?;
                        let inner = if is_mysql { "another name" } else { name };
                        let undone = db.savepoint_named(inner, || async {
                            insert(db, 2 * id + 1, "undone").await?;
                            db.atomic(|| insert(db, 2 * id + 1001, "undone")).await?;
                            fails(db).await
                        });
                        undone.await.expect_err("its own");
                        db.query("select 1", params![]).await
                    })
                    .await
                })
                .await?;
            }
            Ok::<_, Error>(())
        });
        work.await.expect("it commits");
        let mut expected = names.clone();
        expected.sort_unstable();
        let mut items = backend.items().await;
        items.sort_unstable();
        assert_eq!(items, expected);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 21: an error, not a silent cut
    async fn a_name_that_the_server_cannot_keep_is_an_error_and_the_block_around_goes_on(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let mut bad = vec![String::new(), "a\0b".into()];
        if backend.is_postgres() {
            bad.extend(["x".repeat(64), "ü".repeat(32)]);
        }
        let work = db.atomic(|| async {
            insert(db, 1, "kept").await?;
            for name in &bad {
                let before = db.stats();
                let result = db.savepoint_named(name, || async { must_not_run() });
                assert_eq!(result.await.expect_err("not a name").kind(), ErrorKind::Config);
                assert_eq!(db.stats().steps_owed, before.steps_owed);
            }
            insert(db, 2, "kept too").await
        });
        work.await.expect("it commits");
        assert_eq!(backend.items().await, ["kept", "kept too"]);
    }
}
