//! When hooks run, and in which order: rules 45 and 49.

use nestling::{Database, Error, Manager, blocks::TransactionOutcome, params};

use super::Diary;
use crate::harness::{Backend, insert};

test_on! {
    every_backend;

    /// rule 45: with no transaction a hook runs at once, also on a pinned connection
    async fn without_a_transaction_a_hook_runs_at_once(backend) {
        let (db, diary) = (&backend.db, Diary::default());
        db.on_commit(diary.entry("alone")).await.unwrap();
        assert_eq!(diary.take(), ["alone"]);
        db.connection(|| async {
            db.on_commit_robust(diary.entry("pinned")).await?;
            assert_eq!(diary.take(), ["pinned"]);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    }

    /// rule 45: in the order of registration over all levels, behind the COMMIT
    async fn hooks_run_behind_the_commit_in_the_order_of_registration(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        db.atomic(|| async {
            db.on_commit(diary.entry(1)).await?;
            insert(db, 1, "outer").await?;
            db.atomic(|| async {
                db.on_commit(diary.entry(2)).await?;
                db.savepoint(|| async { db.on_commit(diary.entry(3)).await }).await?;
                insert(db, 2, "inner").await
            })
            .await?;
            db.on_commit_robust(diary.entry(4)).await?;
            let (joined, inside) = (db.clone(), diary.clone());
            db.transaction(|| async move { joined.on_commit(inside.entry(5)).await }).await?;
            db.on_commit(diary.entry(6)).await?;
            assert!(diary.entries().is_empty(), "nothing is committed yet");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        assert_eq!(diary.take(), ["1", "2", "3", "4", "5", "6"]);
        assert_eq!(backend.items().await, ["inner", "outer"]);
    }

    /// rule 49: a hook sees what was committed, from outside, with a pool of one connection; a block without statements
    /// has hooks, too
    async fn hooks_run_outside_the_transaction_with_the_connection_given_back(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        let (hooked, told) = (db.clone(), diary.clone());
        db.atomic(|| async {
            insert(db, 1, "committed").await?;
            db.on_commit(move || async move {
                assert_eq!((hooked.depth(), hooked.stats().transactions), (0, 0), "no transaction is open");
                let count: i64 = hooked.query_one("select count(*) from item", params![]).await?.get(0)?;
                insert(&hooked, 2, "by the hook").await?;
                hooked.atomic(|| insert(&hooked, 3, "by its block")).await?;
                told.add(count);
                Ok::<_, Error>(())
            })
            .await
        })
        .await
        .unwrap();
        assert_eq!(diary.take(), ["1"]);
        assert_eq!(backend.items().await, ["by its block", "by the hook", "committed"]);
        db.atomic(|| async { db.on_commit(diary.entry("empty")).await }).await.unwrap();
        assert_eq!(diary.take(), ["empty"]);
    }

    /// rule 49: Django's order 1, 11, 2, 12 for hooks that open blocks and register hooks in them
    async fn hooks_within_hooks_run_behind_their_own_block(backend) {
        /// Writes a row in a block of its own, which has a hook of its own.
        async fn outer(db: Database, diary: Diary, number: i64) -> nestling::Result<()> {
            db.atomic(|| async {
                let (inner_db, inner) = (db.clone(), diary.clone());
                db.on_commit(move || async move {
                    insert(&inner_db, number + 10, &(number + 10).to_string()).await?;
                    inner.add(number + 10);
                    Ok::<_, Error>(())
                })
                .await?;
                insert(&db, number, &number.to_string()).await?;
                diary.add(number);
                Ok(())
            })
            .await
        }
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        db.atomic(|| async {
            for number in [1, 2] {
                let (hooked, diary) = (db.clone(), diary.clone());
                db.on_commit(move || outer(hooked, diary, number)).await?;
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        assert_eq!(diary.take(), ["1", "11", "2", "12"]);
        assert_eq!(backend.items().await, ["1", "11", "12", "2"]);
    }

    /// rules 45 and 49: a hook of a hook with no block around it runs at once
    async fn a_hook_that_a_hook_registers_outside_a_block_runs_at_once(backend) {
        let (db, diary) = (&backend.db, Diary::default());
        let (hooked, told) = (db.clone(), diary.clone());
        db.atomic(|| async {
            db.on_commit(move || async move {
                told.add("before");
                hooked.on_commit(told.entry("within")).await?;
                told.add("after");
                Ok::<_, Error>(())
            })
            .await?;
            db.on_commit(diary.entry("next")).await
        })
        .await
        .unwrap();
        assert_eq!(diary.take(), ["before", "within", "after", "next"]);
    }

    /// rules 45, 49 and 51: on a pinned connection hooks run on it, outside the transaction
    async fn hooks_of_a_block_on_a_pinned_connection_use_that(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        db.connection(|| async {
            let (hooked, told) = (db.clone(), diary.clone());
            db.atomic(|| async {
                insert(db, 1, "committed").await?;
                db.on_commit(move || async move {
                    assert!(!hooked.in_transaction());
                    insert(&hooked, 2, "by the hook").await?;
                    told.add("hook");
                    Ok::<_, Error>(())
                })
                .await
            })
            .await?;
            assert_eq!(diary.take(), ["hook"]);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        assert_eq!(backend.items().await, ["by the hook", "committed"]);
    }

    /// rules 45, 46, 50 and 51: a manager has the same calls
    async fn a_manager_has_the_same_calls(backend) {
        let (objects, diary) = (Manager::new(backend.db.clone()), Diary::default());
        let told = diary.clone();
        objects
            .atomic(|| async {
                objects.on_commit(diary.entry("commit")).await?;
                objects.on_commit_robust(diary.entry("robust")).await?;
                objects.on_rollback(diary.entry("rollback"))?;
                objects.before_commit(diary.entry("before"))?;
                objects.after_completion(move |outcome| async move {
                    assert_eq!(outcome, TransactionOutcome::Committed);
                    told.add("completion");
                })
            })
            .await
            .unwrap();
        assert_eq!(diary.take(), ["before", "commit", "robust", "completion"]);
    }

    /// rule 45: from the blocking calls, by the one general way
    async fn a_blocking_block_has_hooks(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (backend.db.clone(), Diary::default());
        let told = diary.clone();
        let call = move || {
            db.allow_sync(|sync| {
                sync.atomic(|| {
                    sync.execute("insert into item values (1, 'blocking')", params![])?;
                    sync.blocking(async |db| db.on_commit(told.entry("hook")).await)?;
                    assert!(told.entries().is_empty());
                    Ok::<_, Error>(())
                })
            })
        };
        tokio::task::spawn_blocking(call).await.unwrap().unwrap();
        assert_eq!(diary.take(), ["hook"]);
    }
}

/// rules 1 and 45: the hooks of one database know nothing of a transaction of another, but run inside it
#[tokio::test]
async fn hooks_are_those_of_one_database() {
    let (one, two) = (Backend::sqlite().await.with_items().await, Backend::sqlite().await.with_items().await);
    let diary = Diary::default();
    one.db
        .atomic(|| async {
            one.db.on_commit(diary.entry("one")).await?;
            two.db
                .atomic(|| async {
                    let inside = one.db.clone();
                    let told = diary.clone();
                    two.db
                        .on_commit(move || async move {
                            told.add(format!("two, one is {} deep", inside.depth()));
                            insert(&inside, 1, "in the block around").await
                        })
                        .await
                })
                .await?;
            assert_eq!(diary.entries(), ["two, one is 1 deep"]);
            one.db.set_rollback_only()
        })
        .await
        .unwrap();
    assert_eq!(diary.take().len(), 1, "that of the database that was rolled back is dropped");
    assert!(one.items().await.is_empty());
}
