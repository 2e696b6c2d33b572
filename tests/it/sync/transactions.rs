//! Blocking calls inside asynchronous transactions (rule 63).

use std::time::Duration;

use nestling::{Error, ErrorKind, params};

use crate::harness::insert;

test_on! {
    every_backend;

    /// rule 63
    async fn a_blocking_query_inside_an_asynchronous_transaction_is_refused(backend) {
        let backend = backend.with_items().await;
        let (db, sync) = (&backend.db, backend.db.sync());
        let refused = |what: Result<(), Error>, place: &str| {
            let error = what.expect_err("it is refused");
            assert_eq!(error.kind(), ErrorKind::SyncNotAllowed, "{place}: {error}");
        };
        db.atomic(|| async {
            refused(sync.batch("delete from item"), "before the first statement");
            insert(db, 1, "one").await?;
            refused(sync.batch("delete from item"), "behind it");
            refused(sync.atomic(|| Ok(())), "a block");
            refused(db.allow_sync(|sync| sync.batch("delete from item")), "within allow_sync");
            db.savepoint(|| async {
                refused(sync.batch("delete from item"), "in a savepoint");
                Ok::<_, Error>(())
            })
            .await?;
            // Nothing of it is in another scope, nor in another task.
            let other = sync.clone();
            let seen = nestling::scope(async { other.query("select 1", params![]) }).await?;
            assert_eq!(seen.len(), 1);
            let other = sync.clone();
            nestling::spawn(async move { other.query("select 1", params![]) }).await.expect("no panic")?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        let rows = db.connection(|| async { sync.query("select id from item", params![]) }).await.unwrap();
        assert_eq!(rows.len(), 1, "a pinned connection is no transaction");
        assert_eq!(backend.items().await, ["one"]);
        sync.batch("delete from item").unwrap();
    }
}

test_on! {
    every_backend;

    /// rule 63: unless asked for
    async fn it_is_another_connection_if_it_is_asked_for(backend) {
        let backend = backend.with_items().await.with(|options| options.busy_timeout(Duration::from_millis(50)));
        let (db, sync) = (&backend.db, backend.db.sync().even_in_transaction());
        db.atomic(|| async {
            insert(db, 1, "one").await?;
            let seen = sync.query("select id from item", params![])?;
            assert_eq!(seen.len(), 0, "it does not see what is not committed");
            let seen = sync.atomic(|| {
                assert_eq!((sync.depth(), db.depth()), (1, 1));
                // Within the block that was asked for, nobody needs to ask again.
                db.sync().query("select id from item", params![])
            })?;
            assert_eq!(seen.len(), 0);
            let asked = db.allow_sync(|sync| sync.even_in_transaction().query("select 1", params![]))?;
            assert_eq!(asked.len(), 1);
            if backend.is_postgres() || backend.is_mysql() {
                sync.execute("insert into item values (2, 'two')", params![])?;
            } else {
                let busy = sync.execute("insert into item values (2, 'two')", params![]).unwrap_err();
                assert!(busy.is_retryable(), "one writes at a time: {busy}");
            }
            let undo = sync.savepoint(|| Ok::<(), Error>(())).expect_err("there is no transaction on that connection");
            Err::<(), _>(undo)
        })
        .await
        .expect_err("the body's own");
        let kept: &[&str] = if backend.is_postgres() || backend.is_mysql() { &["two"] } else { &[] };
        assert_eq!(backend.items().await, kept, "what was written on the other connection is not rolled back");
    }
}

test_on! {
    every_backend;

    /// rule 63: an asynchronous transaction within a blocking one is one again
    async fn the_innermost_transaction_decides(backend) {
        let backend = backend.with_items().await;
        let (db, sync) = (backend.db.clone(), backend.db.sync());
        let inside = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            sync.atomic(|| {
                sync.query("select 1", params![])?;
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        runtime.block_on(db.atomic(|| async {
                            assert_eq!(sync.batch("select 1").unwrap_err().kind(), ErrorKind::SyncNotAllowed);
                            Ok::<_, Error>(())
                        }))
                    });
                });
                sync.query("select 1", params![])
            })
        });
        assert_eq!(inside.await.expect("no panic").unwrap().len(), 1);
    }
}
