//! Blocks, statements and hooks in a sandbox behave as they do outside one: rule 74.

use std::sync::{Arc, Mutex};

use nestling::{
    Database, Error, ErrorKind, Isolation, Manager, Model as _,
    blocks::{Propagation, TransactionOutcome},
    params, scope,
    status::Status,
    types::Json,
};

use crate::{
    films::{self, Director},
    harness::insert,
    wire::Wire,
};

/// A statement that fails at the server and changes nothing.
async fn fails(db: &Database) -> ErrorKind {
    db.query("select nonsense from nowhere", params![]).await.expect_err("there is no such table").kind()
}

async fn count(db: &Database) -> i64 {
    db.query_one("select count(*) from item", params![]).await.unwrap().get(0).unwrap()
}

test_on! {
    every_backend;

    /// rules 2, 13 and 74: what was done is seen inside, and undone in the end
    async fn all_that_is_done_is_undone(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let db = &backend.db;
        let out = db
            .sandbox(|| async {
                assert_eq!((db.depth(), db.in_transaction(), db.status()), (0, false, Status::None));
                insert(db, 1, "alone").await?;
                db.atomic(|| async {
                    assert_eq!((db.depth(), db.current_savepoint(), db.status()), (1, None, Status::Open));
                    insert(db, 2, "in a block").await?;
                    db.savepoint(|| async {
                        assert_eq!(db.depth(), 2);
                        assert!(db.current_savepoint().is_some());
                        insert(db, 3, "below").await
                    })
                    .await
                })
                .await?;
                let inner = db.clone();
                db.transaction(|| async move { insert(&inner, 4, "in a transaction").await }).await?;
                scope(insert(db, 5, "in a scope")).await?;
                db.batch("insert into item values (6, 'in a batch')").await?;
                assert_eq!(count(db).await, 6);
                Ok::<_, Error>("its value")
            })
            .await;
        assert_eq!(out.unwrap(), "its value");
        assert_eq!(count(db).await, 0);
        insert(db, 1, "kept").await.unwrap();
        assert_eq!(backend.items().await, ["kept"]);
    }

    /// rules 14, 31 and 74: errors undo what they undo outside, and poison nothing
    async fn errors_undo_no_more_than_they_do_outside(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.sandbox(|| async {
            insert(db, 1, "first").await?;
            assert_eq!(fails(db).await, ErrorKind::Server, "outside any block");
            insert(db, 2, "second").await?;
            let failed = db.atomic(|| async {
                insert(db, 3, "undone").await?;
                insert(db, 3, "twice").await
            });
            assert!(failed.await.unwrap_err().is_unique_violation());
            let aborted = db.atomic(|| async {
                insert(db, 3, "undone, if an error aborts").await?;
                fails(db).await;
                Ok::<_, Error>(())
            });
            let is_aborted = aborted.await.err().map(|error| error.kind());
            assert_eq!(is_aborted, backend.is_postgres().then_some(ErrorKind::RolledBack));
            db.atomic(|| async {
                insert(db, 4, "kept").await?;
                let inner = db.atomic(|| async {
                    insert(db, 5, "undone").await?;
                    db.set_rollback_only()
                });
                inner.await?;
                insert(db, 6, "kept, too").await
            })
            .await?;
            let expected = if backend.is_postgres() { 4 } else { 5 };
            assert_eq!(count(db).await, expected);
            assert_eq!(db.savepoint(|| async { Ok::<_, Error>(()) }).await.unwrap_err().kind(), ErrorKind::NoTransaction);
            assert_eq!(db.set_rollback_only().unwrap_err().kind(), ErrorKind::NoTransaction);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        assert!(backend.items().await.is_empty());
    }

    /// rules 20, 26, 27 and 74: a `transaction` that joined and failed marks its outermost block, and no other
    async fn a_mark_ends_with_its_outermost_block(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.sandbox(|| async {
            let marked = db.atomic(|| async {
                insert(db, 1, "undone").await?;
                let inner = db.clone();
                let joined = db.transaction(|| async move {
                    insert(&inner, 2, "undone").await?;
                    insert(&inner, 2, "twice").await
                });
                joined.await.unwrap_err();
                let next = insert(db, 3, "refused").await.unwrap_err();
                assert_eq!(next.kind(), ErrorKind::RollbackOnly);
                Ok::<_, Error>(())
            });
            assert_eq!(marked.await.unwrap_err().kind(), ErrorKind::UnexpectedRollback);
            let preview = db.atomic(|| async {
                insert(db, 1, "undone").await?;
                db.set_rollback_only()
            });
            preview.await?;
            db.atomic(|| insert(db, 1, "kept")).await?;
            assert_eq!(count(db).await, 1);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    }

    /// rules 45, 46, 50, 51 and 74: hooks run when the outermost block of the caller ends
    async fn hooks_run_when_the_outermost_block_ends(backend) {
        let backend = backend.with_items().await;
        let (db, told) = (&backend.db, Arc::new(Mutex::new(Vec::new())));
        let tell = |entry: &'static str| {
            let told = Arc::clone(&told);
            move || async move { told.lock().unwrap().push(entry.to_owned()) }
        };
        let take = || std::mem::take(&mut *told.lock().unwrap());
        db.sandbox(|| async {
            db.on_commit(tell("at once")).await?;
            assert_eq!(take(), ["at once"]);
            db.atomic(|| async {
                insert(db, 1, "a").await?;
                db.before_commit(tell("before"))?;
                let outcome = Arc::clone(&told);
                db.after_completion(move |out: TransactionOutcome| async move {
                    outcome.lock().unwrap().push(format!("{out:?}"));
                })?;
                db.atomic(|| async { db.on_commit(tell("inner")).await }).await?;
                let hooked = db.clone();
                db.on_commit(move || async move { insert(&hooked, 2, "by a hook").await }).await?;
                assert!(take().is_empty());
                Ok::<_, Error>(())
            })
            .await?;
            assert_eq!(take(), ["before", "inner", "Committed"]);
            assert_eq!(count(db).await, 2);
            let failed = db.atomic(|| async {
                db.on_commit(tell("never")).await?;
                db.on_rollback(tell("rollback"))?;
                insert(db, 1, "twice").await
            });
            failed.await.unwrap_err();
            assert_eq!(take(), ["rollback"]);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        assert!(take().is_empty(), "the end of the sandbox is no rollback of the caller's");
    }

    /// rules 25, 55 and 74: options of blocks that are outermost ones to their caller
    async fn durable_and_isolated_blocks_are_allowed(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.sandbox(|| async {
            let durable = db.build_transaction().durable().isolation(Isolation::Serializable).eager();
            durable.atomic(|| insert(db, 1, "durable")).await?;
            let inside = db.atomic(|| db.build_transaction().durable().atomic(|| async { Ok::<_, Error>(()) }));
            assert_eq!(inside.await.unwrap_err().kind(), ErrorKind::NotDurable);
            db.read_only(|| async {
                assert_eq!(count(db).await, 1);
                Ok::<_, Error>(())
            })
            .await
        })
        .await
        .unwrap();
    }

    /// rules 3, 8 and 74: streams, pinned connections, joined statements, `ping`, with one connection in all
    async fn everything_goes_over_the_one_connection(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let db = &backend.db;
        db.sandbox(|| async {
            tokio::try_join!(insert(db, 1, "a"), insert(db, 2, "b"), insert(db, 3, "c"))?;
            let (one, two) = tokio::join!(db.atomic(|| insert(db, 4, "d")), db.atomic(|| insert(db, 5, "e")));
            one.and(two)?;
            let mut rows = db.stream("select name from item order by name", params![]).await?;
            let mut names = Vec::new();
            while let Some(row) = rows.next().await {
                names.push(row?.get::<String>(0)?);
            }
            assert_eq!(names, ["a", "b", "c", "d", "e"]);
            let mut half = db.stream("select name from item order by name", params![]).await?;
            half.next().await.unwrap()?;
            drop(half);
            db.connection(|| async {
                insert(db, 6, "pinned").await?;
                db.atomic(|| insert(db, 7, "in it")).await
            })
            .await?;
            db.ping().await?;
            assert_eq!(count(db).await, 7);
            assert_eq!(db.stats().connections, 1);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        backend.settled().await;
        assert!(backend.items().await.is_empty());
    }

    /// rules 7 and 74: a scope inside a block has the turn that the block of its task has
    async fn a_scope_in_a_block_of_the_same_task_does_not_wait_for_it(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.sandbox(|| async {
            db.atomic(|| async {
                insert(db, 1, "around").await?;
                scope(async {
                    assert_eq!(db.status(), Status::None);
                    insert(db, 2, "in a scope").await?;
                    db.atomic(|| insert(db, 3, "in its block")).await
                })
                .await
            })
            .await?;
            assert_eq!(count(db).await, 3);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    }

    /// rules 28 and 74: what asks for another transaction, or for none, stays in the sandbox, and does not wait for its own task
    async fn suspended_blocks_stay_in_the_sandbox(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let db = &backend.db;
        let by = |propagation| db.build_transaction().propagation(propagation);
        db.sandbox(|| async {
            db.atomic(|| async {
                insert(db, 1, "around").await?;
                by(Propagation::RequiresNew).atomic(|| insert(db, 2, "of its own")).await?;
                let undone = by(Propagation::RequiresNew).atomic(|| async {
                    insert(db, 3, "undone").await?;
                    insert(db, 3, "twice").await
                });
                assert!(undone.await.unwrap_err().is_unique_violation());
                by(Propagation::NotSupported).atomic(|| insert(db, 3, "in none")).await?;
                insert(db, 4, "around again").await
            })
            .await?;
            assert_eq!(count(db).await, 4);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        assert!(backend.items().await.is_empty());
    }

    /// rules 62, 63 and 74: a blocking call would be outside
    async fn blocking_calls_are_refused(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let sandbox = db.begin_sandbox().await.unwrap();
        let inside = sandbox.database().clone();
        let refused = tokio::task::spawn_blocking(move || inside.sync().execute("delete from item", params![])).await;
        assert_eq!(refused.unwrap().unwrap_err().kind(), ErrorKind::Unsupported);
        sandbox.end().await;
        db.sandbox(|| async {
            let refused = db.allow_sync(|sync| sync.execute("delete from item", params![]));
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
        })
        .await;
    }

    /// rules 68 and 74: a manager
    async fn a_manager_works_in_a_sandbox(backend) {
        films::create(&backend).await;
        let sandbox = backend.db.begin_sandbox().await.unwrap();
        let objects = Manager::new(sandbox.database().clone());
        let notes = [Director::NOTES.set(Json(serde_json::Value::Null))];
        let (ada, created) = objects.get_or_create([Director::NAME.set("Ada")], notes).await.unwrap();
        assert!(created);
        assert_eq!(objects.get::<Director>(Director::ID.eq(ada.id)).await.unwrap().name, "Ada");
        assert_eq!(objects.count(Director::select()).await.unwrap(), 1);
        sandbox.end().await;
        assert_eq!(Manager::new(backend.db.clone()).count(Director::select()).await.unwrap(), 0);
    }
}

/// rules 56 and 74: what goes over the wire
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_sandbox_is_one_transaction_of_savepoints() {
    let wire = Wire::open().await;
    let db = wire.db.clone();
    let work = async || {
        db.sandbox(|| async {
            db.atomic(|| async { Ok::<_, Error>(()) }).await?;
            crate::wire::statement(&db).await?;
            db.atomic(|| async { db.atomic(|| crate::wire::statement(&db)).await }).await
        })
        .await
        .unwrap();
    };
    let (counts, _) = wire.warm(work).await;
    assert_eq!(counts.flights, 3, "two statements and ROLLBACK: {:?}", counts.sequence());
    let empty = async || db.sandbox(|| db.atomic(|| async { Ok::<_, Error>(()) })).await.unwrap();
    assert_eq!(wire.cold(empty).await.0.flights, 0);
}

/// rule 74: a sandbox of SQLite's database in memory, which has one connection
#[tokio::test]
async fn a_database_in_memory_has_sandboxes() {
    let db = Database::open("sqlite::memory:").unwrap();
    db.batch("create table item (id integer primary key, name text)").await.unwrap();
    for _ in 0..3 {
        let sandbox = db.begin_sandbox().await.unwrap();
        insert(&sandbox, 1, "a").await.unwrap();
        assert_eq!(count(&sandbox).await, 1);
        sandbox.end().await;
        assert_eq!(count(&db).await, 0);
    }
}
