//! Which hooks run when, and which are dropped: rules 46, 47 and 51.

use std::time::Duration;

use nestling::{Context, Database, Error, ErrorKind, blocks::TransactionOutcome};

use super::Diary;
use crate::harness::{Backend, insert};

/// Registers one hook of each kind, which write what they are with `name`.
async fn register(db: &Database, diary: &Diary, name: &str) -> nestling::Result<()> {
    db.on_commit(diary.entry(format!("{name} commit"))).await?;
    db.on_rollback(diary.entry(format!("{name} rollback")))?;
    let (told, name) = (diary.clone(), name.to_owned());
    db.after_completion(move |outcome| async move { told.add(format!("{name} {outcome:?}")) })
}

fn body_fails<T>() -> nestling::Result<T> {
    Err(refused())
}

/// An error that is not the server's.
fn refused() -> Error {
    Database::open("nowhere:").unwrap_err()
}

test_on! {
    every_backend;

    /// rules 46 and 51: hooks of a rolled back block and of its released children; the others stay
    async fn hooks_go_with_the_block_that_is_rolled_back(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        db.atomic(|| async {
            register(db, &diary, "outer").await?;
            insert(db, 1, "kept").await?;
            let undone = db.atomic(|| async {
                register(db, &diary, "inner").await?;
                insert(db, 2, "undone").await?;
                db.atomic(|| async {
                    insert(db, 3, "released and undone").await?;
                    register(db, &diary, "released").await
                })
                .await?;
                assert!(diary.entries().is_empty(), "a release ends nothing");
                body_fails::<()>()
            });
            undone.await.unwrap_err();
            // At once, and before the root's end.
            let expected = ["inner rollback", "released rollback", "inner RolledBack", "released RolledBack"];
            assert_eq!(diary.take(), expected);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        assert_eq!(diary.take(), ["outer commit", "outer Committed"]);
        assert_eq!(backend.items().await, ["kept"]);
    }

    /// rules 20, 27, 46 and 51: each way in which a root is rolled back
    async fn a_root_that_is_not_committed_runs_the_hooks_on_rollback(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        let expected = ["root rollback", "root RolledBack"];

        let failed = db.atomic(|| async {
            insert(db, 1, "undone").await?;
            register(db, &diary, "root").await?;
            body_fails::<()>()
        });
        failed.await.unwrap_err();
        assert_eq!(diary.take(), expected, "its body failed");

        let marked = db.atomic(|| async {
            insert(db, 1, "undone").await?;
            register(db, &diary, "root").await?;
            db.set_rollback_only()
        });
        marked.await.unwrap();
        assert_eq!(diary.take(), expected, "it was marked");

        let inner = db.clone();
        let joined = db.atomic(|| async {
            insert(db, 1, "undone").await?;
            register(db, &diary, "root").await?;
            db.transaction(|| async move { inner.savepoint(|| async { body_fails::<()>() }).await }).await.unwrap_err();
            Ok::<_, Error>(())
        });
        assert_eq!(joined.await.unwrap_err().kind(), ErrorKind::UnexpectedRollback);
        assert_eq!(diary.take(), expected, "a transaction that joined has failed");

        let empty = db.atomic(|| async {
            register(db, &diary, "root").await?;
            body_fails::<()>()
        });
        empty.await.unwrap_err();
        assert_eq!(diary.take(), expected, "it sent nothing");
        assert!(backend.items().await.is_empty());
    }

    /// rules 46, 51 and 54: at its deadline the block is rolled back, and its hooks run
    async fn a_deadline_runs_the_hooks_on_rollback(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        // The time is not for the making of a connection; and hooks are registered without a word to the server.
        wait_while!(db.ping().await.is_err());
        let late = db.build_transaction().timeout(Duration::from_millis(200)).atomic(|| async {
            register(db, &diary, "root").await?;
            insert(db, 1, "undone").await?;
            std::future::pending::<nestling::Result<()>>().await
        });
        assert_eq!(late.await.unwrap_err().kind(), ErrorKind::Timeout);
        diary.settled().await;
        assert_eq!(diary.take(), ["root rollback", "root RolledBack"]);
        // Hooks behind a COMMIT have as long as they take.
        let told = diary.clone();
        db.build_transaction()
            .timeout(Duration::from_secs(600))
            .atomic(|| async { db.on_commit(told.entry("committed")).await })
            .await
            .unwrap();
        assert_eq!(diary.take(), ["committed"]);
        assert!(backend.items().await.is_empty());
    }

    /// rules 20 and 46: a nested block that is marked is rolled back although its value is returned
    async fn a_marked_nested_block_drops_its_hooks(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        db.atomic(|| async {
            let marked = db.atomic(|| async {
                insert(db, 1, "undone").await?;
                register(db, &diary, "inner").await?;
                db.set_rollback_only()
            });
            marked.await?;
            assert_eq!(diary.take(), ["inner rollback", "inner RolledBack"]);
            insert(db, 2, "kept").await
        })
        .await
        .unwrap();
        assert!(diary.take().is_empty());
        assert_eq!(backend.items().await, ["kept"]);
    }

    /// rule 46: behind a nested block a hook is part of the transaction around it, with one connection in all
    async fn a_hook_behind_a_nested_block_runs_in_the_block_around_it(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let db = &backend.db;
        db.atomic(|| async {
            let hooked = db.clone();
            let undone = db.atomic(|| async {
                insert(db, 1, "undone").await?;
                db.on_rollback(move || async move {
                    assert_eq!(hooked.depth(), 1);
                    insert(&hooked, 1, "in its place").await
                })?;
                body_fails::<()>()
            });
            undone.await.unwrap_err();
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        assert_eq!(backend.items().await, ["in its place"]);
    }

    /// rule 47: a transaction leaves no hook to the next one, whichever way it ended
    async fn no_hook_is_left_for_the_next_transaction(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        db.connection(|| async {
            for fails in [false, true] {
                let block = db.atomic(|| async {
                    register(db, &diary, "first").await?;
                    if fails { body_fails() } else { Ok(()) }
                });
                assert_eq!(block.await.is_err(), fails);
                assert_eq!(diary.take().len(), 2);
                db.atomic(|| async { insert(db, i64::from(fails), if fails { "b" } else { "a" }).await }).await?;
                assert!(diary.take().is_empty());
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    }

    /// rules 6 and 47: in a captured context whose block has ended there is nothing to register with
    async fn a_hook_cannot_be_registered_on_a_block_that_has_ended(backend) {
        let (db, diary) = (&backend.db, Diary::default());
        let captured = db.atomic(|| async { Ok::<_, Error>(Context::current()) }).await.unwrap();
        captured
            .enter(async {
                let kind = |result: nestling::Result<()>| result.unwrap_err().kind();
                assert_eq!(kind(db.on_commit(diary.entry("late")).await), ErrorKind::FrameClosed);
                assert_eq!(kind(db.on_commit_robust(diary.entry("late")).await), ErrorKind::FrameClosed);
                assert_eq!(kind(db.on_rollback(diary.entry("late"))), ErrorKind::FrameClosed);
                assert_eq!(kind(db.before_commit(diary.entry("late"))), ErrorKind::FrameClosed);
                assert_eq!(kind(db.after_completion(|_| async {})), ErrorKind::FrameClosed);
            })
            .await;
        assert!(diary.take().is_empty());
    }

    /// rules 46, 50 and 51: outside a transaction there is no end to wait for
    async fn hooks_on_the_end_of_a_transaction_need_one(backend) {
        let (db, diary) = (&backend.db, Diary::default());
        assert_eq!(db.on_rollback(diary.entry("never")).unwrap_err().kind(), ErrorKind::NoTransaction);
        assert_eq!(db.before_commit(diary.entry("never")).unwrap_err().kind(), ErrorKind::NoTransaction);
        assert_eq!(db.after_completion(|_| async {}).unwrap_err().kind(), ErrorKind::NoTransaction);
        assert!(diary.take().is_empty());
    }
}

test_on! {
    every_server;

    /// rules 33, 46 and 47 ("hooks cleared on reconnect"): the connection is lost in the middle of the transaction
    async fn a_lost_connection_drops_the_hooks_on_commit(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let (db, diary) = (&backend.db, Diary::default());
        let lost = db.atomic(|| async {
            register(db, &diary, "root").await?;
            insert(db, 1, "lost").await?;
            proxy.cut();
            insert(db, 2, "lost, too").await
        });
        lost.await.unwrap_err();
        assert_eq!(diary.take(), ["root rollback", "root RolledBack"]);
        insert(db, 3, "kept").await.unwrap();
        assert!(diary.take().is_empty());
    }

    /// rules 16, 40 and 51: nobody knows how it ended, and only the hook behind any end is told so
    async fn of_an_unknown_outcome_only_the_hook_behind_any_end_is_told(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let (db, diary) = (&backend.db, Diary::default());
        let result = {
            let block = db.atomic(|| async {
                insert(db, 1, "who knows").await?;
                register(db, &diary, "root").await?;
                proxy.stall_at(1);
                Ok::<_, Error>(())
            });
            tokio::pin!(block);
            tokio::select! {
                biased;
                _ = proxy.stalled() => {}
                out = &mut block => panic!("the COMMIT is held: {out:?}"),
            }
            proxy.cut();
            block.await
        };
        assert_eq!(result.unwrap_err().kind(), ErrorKind::CommitUnknown);
        assert_eq!(diary.take(), [format!("root {:?}", TransactionOutcome::Unknown)]);
    }
}

/// rules 16, 46 and 51: a COMMIT that the server refuses rolls back
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_commit_that_is_refused_runs_the_hooks_on_rollback() {
    let backend = Backend::postgres().await;
    let (db, diary) = (&backend.db, Diary::default());
    db.batch("create table item (id integer primary key deferrable initially deferred, name text)").await.unwrap();
    let refused = db.atomic(|| async {
        insert(db, 1, "a").await?;
        insert(db, 1, "b").await?;
        register(db, &diary, "root").await
    });
    assert!(refused.await.unwrap_err().is_unique_violation());
    assert_eq!(diary.take(), ["root rollback", "root RolledBack"]);
}
