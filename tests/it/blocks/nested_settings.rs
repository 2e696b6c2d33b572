//! Settings of nested blocks: they ride with the SAVEPOINT, hold until the block ends in whatever way, and cost no round
//! trip (rule 30).

use nestling::{Database, Error, ErrorKind, params};

use crate::harness::{Backend, insert};

/// A setting that both kinds of servers know, and how it is read.
fn setting(backend: &Backend) -> (&'static str, &'static str) {
    backend.choose(
        ("app.tenant", "select coalesce(current_setting('app.tenant', true), '')"),
        ("lock_wait_timeout", "select cast(@@session.lock_wait_timeout as char)"),
        ("", ""),
    )
}

async fn value(db: &Database, sql: &str) -> Result<String, Error> {
    db.query_one(sql, params![]).await?.get(0)
}

test_on! {
    every_server;

    /// rule 30: released or rolled back, what was set around the block holds again
    async fn a_nested_block_may_have_settings_of_its_own(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let (key, sql) = setting(&backend);
        let with = |value: &'static str| db.build_transaction().set_local(key, value);
        let before = value(db, sql).await.unwrap();
        for fails in [false, true] {
            let outer = with("11").atomic(|| async {
                assert_eq!(value(db, sql).await?, "11");
                let inner = with("22").atomic(|| async {
                    assert_eq!(value(db, sql).await?, "22");
                    let innermost = with("33").atomic(|| async {
                        assert_eq!(value(db, sql).await?, "33");
                        if fails { db.execute("insert into no_such_table values (1)", ()).await.map(drop) } else { Ok(()) }
                    });
                    assert_eq!(innermost.await.is_err(), fails);
                    assert_eq!(value(db, sql).await?, "22");
                    // A block without settings of its own has those around it.
                    db.atomic(|| async { assert_eq!(value(db, sql).await?, "22"); Ok::<_, Error>(()) }).await?;
                    db.set_rollback_only()?;
                    Ok::<_, Error>(())
                });
                inner.await?;
                assert_eq!(value(db, sql).await?, "11");
                // Its sibling, of the same savepoint's name.
                with("44").atomic(|| async { assert_eq!(value(db, sql).await?, "44"); Ok::<_, Error>(()) }).await?;
                assert_eq!(value(db, sql).await?, "11");
                insert(db, i64::from(fails), "kept").await?;
                db.execute("delete from item", ()).await
            });
            outer.await.unwrap_or_else(|error| panic!("fails: {fails}: {error:?}"));
            assert_eq!(value(db, sql).await.unwrap(), before, "gone with the transaction");
        }
        // Where the root has set nothing, what the session had holds again.
        let outer = db.atomic(|| async {
            let around = value(db, sql).await?;
            with("55").atomic(|| async { assert_eq!(value(db, sql).await?, "55"); Ok::<_, Error>(()) }).await?;
            assert_eq!(value(db, sql).await?, around);
            Ok::<_, Error>(())
        });
        outer.await.unwrap();
        // The last block's settings end with the transaction, whose COMMIT drops what is owed.
        db.atomic(|| with("66").atomic(|| insert(db, 7, "kept"))).await.unwrap();
        assert_eq!(value(db, sql).await.unwrap(), before);
        assert_eq!(backend.items().await, ["kept"]);
        backend.settled().await;
    }

    /// rule 30: a transaction that joins has no savepoint to end its settings with; SQLite has no such settings
    async fn a_transaction_that_joins_must_find_what_it_asks_for(backend) {
        let db = &backend.db;
        let (key, sql) = setting(&backend);
        let with = |value: &'static str| db.build_transaction().set_local(key, value);
        let outer = with("11").name("outer").atomic(|| async {
            let own = db.clone();
            with("11").transaction(move || async move { own.query_one(sql, ()).await.map(drop) }).await?;
            let refused = with("22").transaction(|| async { Ok::<_, Error>(()) }).await.expect_err("another value");
            assert_eq!(refused.kind(), ErrorKind::SettingsMismatch);
            let text = refused.to_string();
            assert!(text.contains(key) && text.contains("outer") && !text.contains("22"), "{text}");
            with("22").atomic(|| async {
                let own = db.clone();
                with("22").transaction(move || async move { own.query_one(sql, ()).await.map(drop) }).await
            })
            .await
        });
        outer.await.unwrap();
    }
}

/// rules 30 and 55: nothing is sent on its own
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_a_nested_block_cost_no_round_trip() {
    for (backend, expected) in [(Backend::postgres().await, 4), (Backend::mariadb().await, 7)] {
        let (backend, proxy) = backend.behind_proxy();
        let db = &backend.db;
        let (key, sql) = setting(&backend);
        let run = || {
            db.atomic(|| async {
                value(db, sql).await?;
                db.build_transaction().set_local(key, "22").atomic(|| value(db, sql)).await?;
                value(db, sql).await
            })
        };
        run().await.unwrap();
        proxy.reset();
        run().await.unwrap();
        // BEGIN, SAVEPOINT with SET, and RELEASE with its restoration ride along: three statements and COMMIT, and on
        // MariaDB a message for what is owed ahead of each statement.
        let counts = proxy.counts();
        assert_eq!(counts.flights, expected, "{:?}", counts.sequence());
    }
}
