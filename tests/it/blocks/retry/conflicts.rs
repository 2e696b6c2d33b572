//! Transactions that really meet each other: write skew, deadlocks, a busy database, and a COMMIT that is refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nestling::{
    Database, Error, ErrorKind, Isolation, TransactionBuilder, blocks::Retry, native::rusqlite::Connection, params,
};
use tokio::sync::Barrier;

use super::{Runs, at_once};
use crate::harness::{Backend, insert};

/// How many tasks withdraw at once.
const TASKS: usize = 16;

/// Withdraws 100 from one of two accounts, if both together have as much. All have read before the first one writes.
async fn withdraw(db: &Database, id: i64, all_have_read: Option<&Barrier>) -> Result<bool, Error> {
    let sum: i64 = db.query_one("select sum(balance) from account", params![]).await?.get(0)?;
    if let Some(all_have_read) = all_have_read {
        all_have_read.wait().await;
    }
    if sum < 100 {
        return Ok(false);
    }
    db.execute("update account set balance = balance - 100 where id = $1", params![id]).await?;
    Ok(true)
}

/// Two accounts with 200 together, where only sixteen at once are enough connections.
async fn accounts() -> Backend {
    let backend = Backend::postgres().await.with(|options| options.max_connections(TASKS as u32));
    let sql =
        "create table account (id integer primary key, balance bigint); insert into account values (0, 100), (1, 100)";
    backend.observer().batch(sql).await.expect("the accounts");
    backend
}

async fn sum(backend: &Backend) -> i64 {
    let row = backend.observer().query_one("select sum(balance)::bigint from account", params![]).await;
    row.expect("the sum").get(0).expect("a number")
}

fn serializable(db: &Database) -> TransactionBuilder<'_> {
    db.build_transaction().isolation(Isolation::Serializable)
}

/// rules 52 and 53: without retry some fail, with errors that tell why
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_skew_without_retry_is_a_typed_error() {
    let backend = accounts().await;
    let barrier = Arc::new(Barrier::new(TASKS));
    let tasks = (0..TASKS as i64).map(|task| {
        let (db, barrier) = (backend.db.clone(), Arc::clone(&barrier));
        tokio::spawn(async move { serializable(&db).atomic(|| withdraw(&db, task % 2, Some(&barrier))).await })
    });
    let (mut withdrawn, mut failed) = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        match task.await.expect("no panic") {
            Ok(did) => withdrawn += i64::from(did),
            Err(error) => {
                assert!(error.is_serialization_failure() && error.is_retryable(), "{error:?}");
                assert_eq!(error.code(), Some("40001"));
                failed += 1;
            }
        }
    }
    assert!(failed > 0, "all have read 200 before any has written");
    assert_eq!(sum(&backend).await, 200 - 100 * withdrawn);
    backend.settled().await;
}

/// rules 46, 47 and 52: with retry all finish, and what each has read stays true; hooks run once a commit, and those of an attempt
/// that failed go with it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_skew_with_retry_finishes_and_keeps_the_invariant() {
    let backend = accounts().await;
    let barrier = Arc::new(Barrier::new(TASKS));
    let retry = Retry::serialization().attempts(1000).backoff(Duration::from_millis(1), Duration::from_millis(50));
    let hooks = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let tasks = (0..TASKS as i64).map(|task| {
        let (db, barrier, retry) = (backend.db.clone(), Arc::clone(&barrier), retry.clone());
        let hooks = Arc::clone(&hooks);
        tokio::spawn(async move {
            let runs = Runs::default();
            let work = serializable(&db).retry(retry).atomic(async || {
                let first = (runs.next() == 1).then_some(&*barrier);
                let [committed, undone] = [0, 1].map(|at| {
                    let hooks = Arc::clone(&hooks);
                    move || async move {
                        hooks[at].fetch_add(1, Ordering::Relaxed);
                    }
                });
                db.on_commit(committed).await?;
                db.on_rollback(undone)?;
                withdraw(&db, task % 2, first).await
            });
            (work.await, runs.count())
        })
    });
    let (mut withdrawn, mut runs) = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        let (did, ran) = task.await.expect("no panic");
        withdrawn += i64::from(did.expect("it finishes"));
        runs += ran;
    }
    assert!(runs > TASKS as u32, "some have met");
    assert_eq!((withdrawn, sum(&backend).await), (2, 0));
    let [committed, undone] = [0, 1].map(|at| hooks[at].load(Ordering::Relaxed));
    assert_eq!((committed, undone), (TASKS, runs as usize - TASKS));
    backend.settled().await;
}

test_on! {
    every_server;

    /// rule 52: two crossing blocks, one of which the server makes the loser
    async fn with_retry_both_of_two_crossing_blocks_commit(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.batch("insert into item values (1, 'one'), (2, 'two')").await.expect("two rows");
        let (met, runs) = (Arc::new(Barrier::new(2)), Arc::new(Runs::default()));
        let cross = |who: &'static str, ids: [i64; 2]| {
            let (db, met, runs) = (db.clone(), Arc::clone(&met), Arc::clone(&runs));
            tokio::spawn(async move {
                let own = Runs::default();
                let work = db.build_transaction().retry(Retry::serialization().attempts(100)).atomic(|| async {
                    runs.next();
                    insert(&db, ids[0] + 10, who).await?;
                    db.execute("update item set name = $1 where id = $2", params![format!("{who} 1"), ids[0]]).await?;
                    if own.next() == 1 {
                        met.wait().await;
                    }
                    // The deadlock may be that of a block inside: the whole transaction runs again all the same.
                    db.atomic(|| async {
                        db.execute("update item set name = $1 where id = $2", params![format!("{who} 2"), ids[1]]).await
                    })
                    .await
                });
                work.await
            })
        };
        let (ada, bob) = (cross("ada", [1, 2]), cross("bob", [2, 1]));
        ada.await.expect("no panic").expect("ada commits");
        bob.await.expect("no panic").expect("bob commits");
        assert!(runs.count() > 2, "one of them has lost at least once");
        let items = backend.items().await;
        // The last to run has written both.
        let of = |who: &str| vec![format!("{who} 1"), format!("{who} 2")];
        assert!([of("ada"), of("bob")].iter().any(|rows| rows.iter().all(|row| items.contains(row))), "{items:?}");
        assert!(["ada", "bob"].iter().all(|who| items.contains(&(*who).to_owned())), "{items:?}");
        backend.settled().await;
    }
}

test_on! {
    sqlite_on_every_thread;

    /// rule 52: another process has the lock for longer than a statement waits for it
    async fn a_busy_database_is_tried_again(backend) {
        let backend = backend.with_items().await.with(|options| options.busy_timeout(Duration::ZERO));
        let path = backend.url().strip_prefix("sqlite://").expect("a file");
        let other = std::sync::Mutex::new(Connection::open(path).expect("it opens"));
        let run = |sql: &str| other.lock().expect("nobody has panicked").execute_batch(sql).expect("it may");
        let db = &backend.db;
        let work = async |retry: Retry| {
            let runs = Runs::default();
            run("begin immediate");
            let work = db.build_transaction().retry(retry).atomic(|| async {
                if runs.next() == 3 {
                    run("rollback");
                }
                insert(db, 1, "kept").await
            });
            (work.await, runs.count())
        };
        let (refused, runs) = work(at_once().attempts(2)).await;
        let refused = refused.expect_err("the lock is not given back");
        assert_eq!((refused.kind(), refused.code(), runs), (ErrorKind::RetriesExhausted, Some("5"), 2));
        run("rollback");
        let (kept, runs) = work(at_once()).await;
        kept.expect("the third attempt has the lock");
        assert_eq!(runs, 3);
        assert_eq!(backend.items().await, ["kept"]);
        backend.settled().await;
    }
}

/// rules 16 and 52: the server refuses the COMMIT
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_is_retried() {
    let backend = Backend::postgres().await.with_items().await.with(|options| options.max_connections(1));
    let refuse = "create function refuse() returns trigger language plpgsql as
            $$ begin raise exception 'a late conflict' using errcode = '40001'; end $$;
        create constraint trigger late after insert on item deferrable initially deferred
            for each row when (new.name = 'refused') execute function refuse()";
    backend.observer().batch(refuse).await.expect("the trigger of the test");
    let db = &backend.db;
    let runs = Runs::default();
    let work = db.build_transaction().retry(at_once()).atomic(|| async {
        let run = runs.next();
        insert(db, 1, if run < 3 { "refused" } else { "kept" }).await?;
        Ok::<_, Error>(run)
    });
    assert_eq!(work.await.expect("the third COMMIT succeeds"), 3);
    assert_eq!(backend.items().await, ["kept"]);
    let never = db.build_transaction().retry(at_once().attempts(2)).atomic(|| insert(db, 2, "refused"));
    let error = never.await.expect_err("no COMMIT succeeds");
    assert_eq!((error.kind(), error.attempts(), error.code()), (ErrorKind::RetriesExhausted, Some(2), Some("40001")));
    // A statement that has failed, and was swallowed.
    let runs = Runs::default();
    let swallowed = db.build_transaction().retry(at_once()).atomic(|| async {
        if runs.next() == 1 {
            let raise = "do $$ begin raise exception 'a conflict' using errcode = '40001'; end $$";
            db.batch(raise).await.expect_err("it conflicts");
        }
        Ok::<_, Error>(())
    });
    swallowed.await.expect("the second attempt commits");
    assert_eq!(runs.count(), 2);
    backend.settled().await;
}

test_on! {
    mysql_and_mariadb;

    /// rule 52: a lock that did not come in time, only if asked
    async fn a_lock_timeout_is_retried_where_it_is_asked_for(backend) {
        let backend = backend.with_items().await;
        let (db, holder) = (&backend.db, backend.observer());
        insert(db, 1, "held").await.expect("a row");
        for asked in [false, true] {
            let runs = Runs::default();
            let (held, is_held) = tokio::sync::oneshot::channel();
            let (go, gone) = tokio::sync::oneshot::channel::<()>();
            let (ends, has_ended) = tokio::sync::oneshot::channel();
            let holding = async {
                let work = holder.atomic(|| async {
                    holder.execute("update item set name = 'holder' where id = 1", params![]).await?;
                    held.send(()).expect("it is waited for");
                    let _ = gone.await;
                    Ok::<_, Error>(())
                });
                let held = work.await;
                let _ = ends.send(());
                held
            };
            let waiting = async {
                is_held.await.expect("the holder has it");
                let mut frees = Some((go, has_ended));
                let options = db.build_transaction().set_local("innodb_lock_wait_timeout", "1");
                let work = options.retry(at_once().lock_timeouts(asked)).atomic(|| {
                    let frees = if runs.next() == 2 { frees.take() } else { None };
                    async move {
                        if let Some((go, has_ended)) = frees {
                            drop(go);
                            has_ended.await.expect("the holder has committed");
                        }
                        db.execute("update item set name = 'mine' where id = 1", params![]).await
                    }
                });
                work.await
            };
            let (held, mine) = tokio::join!(holding, waiting);
            held.expect("the holder commits");
            assert_eq!((mine.is_ok(), runs.count()), if asked { (true, 2) } else { (false, 1) }, "{mine:?}");
        }
        assert_eq!(backend.items().await, ["mine"]);
        backend.settled().await;
    }
}
