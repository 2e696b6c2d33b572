//! Where blocking calls are made from: in a task of whatever runtime the test has, in a thread of a current-thread runtime,
//! in a thread without any, in one that is lent by a runtime, and in a task that is bound to its thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nestling::{Database, Error, params, sync::SyncDatabase};
use tokio::{
    runtime::{Builder, Handle, RuntimeFlavor},
    task::LocalSet,
};

use crate::{dialects::sleeps, support::waits::PATIENCE};

fn current_thread() -> tokio::runtime::Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// What is done, given the name of the place.
type Test = Arc<dyn Fn(&'static str) + Send + Sync>;

/// Does something in all surroundings, one after the other.
pub(super) async fn everywhere(test: impl Fn(&'static str) + Send + Sync + 'static) {
    let test = Arc::new(test);
    test("in the future that the runtime waits for");
    let other = Arc::clone(&test);
    tokio::spawn(async move { other("in a task") }).await.expect("it does not panic");
    let other = Arc::clone(&test);
    tokio::task::spawn_blocking(move || other("in a thread of the runtime")).await.expect("it does not panic");
    let other = Arc::clone(&test);
    LocalSet::new().run_until(async move { other("in a local set") }).await;
    let outside: [fn(Test); 3] = [
        |test| test("without a runtime"),
        |test| current_thread().block_on(async { test("in a runtime of one thread") }),
        |test| {
            let local = LocalSet::new();
            let task = local.spawn_local(async move { test("in a local task of a runtime of one thread") });
            current_thread().block_on(local.run_until(task)).expect("it does not panic");
        },
    ];
    for outside in outside {
        let test: Test = Arc::clone(&test) as _;
        let thread = thread::spawn(move || outside(test));
        tokio::task::spawn_blocking(|| thread.join()).await.expect("it waits").expect("it does not panic");
    }
}

/// A name that no other row has.
fn unique() -> i64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed).try_into().expect("a small number")
}

/// A transaction with a savepoint that is rolled back, and a stream.
fn work(db: &SyncDatabase) -> Result<i64, Error> {
    let id = unique();
    db.atomic(|| {
        db.execute("insert into item values ($1, $2)", params![id, format!("{id}")])?;
        let again = db.atomic(|| db.execute("insert into item values ($1, 'twice')", params![id]));
        assert!(again.expect_err("the key is taken").is_unique_violation());
        let rows = db.stream("select id from item where id = $1", params![id])?;
        let ids: Vec<i64> = rows.map(|row| row?.get(0)).collect::<Result<_, _>>()?;
        assert_eq!(ids, [id]);
        Ok::<_, Error>(())
    })?;
    Ok(id)
}

test_on! {
    every_backend;

    /// rules 62 and 63: nothing but the permission depends on where one is
    async fn blocking_calls_work_everywhere(backend) {
        let backend = backend.with_items().await;
        let (db, kept) = (backend.db.clone(), backend.db.sync());
        everywhere(move |place| {
            for db in [&kept, &db.sync()] {
                let id = work(db).unwrap_or_else(|error| panic!("{place}: {error:?}"));
                let found = db.query_one("select count(*) from item where id = $1", params![id]).expect(place);
                assert_eq!(found.get::<i64>(0).expect(place), 1, "{place}");
            }
            let id = db.allow_sync(work).unwrap_or_else(|error| panic!("{place}: {error:?}"));
            assert!(id > 0);
        })
        .await;
        assert_eq!(backend.items().await.len(), 7 * 3);
    }
}

test_on! {
    every_backend;

    /// The budget that tokio gives a task for one poll has no part in how much it does by blocking calls.
    async fn a_task_may_make_any_number_of_calls(backend) {
        let db = backend.db.sync();
        let calls = tokio::spawn(async move {
            for n in 0..500 {
                assert_eq!(db.query_one("select $1 + 0", params![n]).expect("a row").get::<i64>(0).expect("a number"), n);
            }
        });
        calls.await.expect("it does not panic");
    }
}

test_on! {
    every_server;

    /// On a multi-thread runtime the other tasks of the worker go on.
    async fn other_tasks_go_on_meanwhile(backend) {
        let db = backend.db.clone();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (ticks, blocked) = (Arc::new(AtomicU64::new(0)), db.sync());
        let ticking = Arc::clone(&ticks);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                ticking.fetch_add(1, Ordering::Relaxed);
            }
        });
        let sleep = sleeps(db.dialect(), 0.3);
        let task = runtime.spawn(async move {
            assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::MultiThread);
            let start = Instant::now();
            loop {
                let before = ticks.load(Ordering::Relaxed);
                blocked.query(&sleep, params![]).expect("it sleeps");
                let during = ticks.load(Ordering::Relaxed) - before;
                // Once is enough: a busy machine may hold it up.
                if during > 20 || start.elapsed() > PATIENCE {
                    return during;
                }
            }
        });
        let during = task.await.expect("it does not panic");
        assert!(during > 20, "the only worker's other task went on {during} times in 300 ms");
        runtime.shutdown_background();
    }
}

test_on! {
    every_server;

    /// A runtime that ends while one of its tasks blocks does not stop it, nor is it kept from ending for longer.
    async fn a_runtime_that_ends_does_not_hang(backend) {
        for shut in [tokio::runtime::Runtime::shutdown_background, drop] {
            let backend = &backend;
            let db = backend.db.sync();
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
            let (sent, received) = std::sync::mpsc::channel();
            let sleep = sleeps(db.dialect(), 0.2);
            runtime.spawn(async move {
                sent.send(None).expect("the test waits for it");
                let slept = db.query(&sleep, params![]).map(|rows| rows.len());
                sent.send(Some(slept)).expect("the test waits for it");
            });
            let end = tokio::task::spawn_blocking(move || {
                assert!(received.recv().expect("it begins").is_none());
                shut(runtime);
                received.recv_timeout(PATIENCE).expect("it ends")
            });
            let slept = end.await.expect("it does not panic");
            assert!(matches!(slept, Some(Ok(1))), "{slept:?}");
        }
    }
}

test_on! {
    every_backend;

    /// A handle is for any number of threads; each has its own blocks.
    async fn threads_have_blocks_of_their_own(backend) {
        let backend = backend.with_items().await;
        let backend = backend.with(|options| options.max_connections(3).busy_timeout(PATIENCE).acquire_timeout(PATIENCE));
        let sync = backend.db.sync();
        let threads = tokio::task::spawn_blocking(move || {
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        for _ in 0..5 {
                            assert_eq!(sync.depth(), 0);
                            work(&sync).expect("it works");
                        }
                    });
                }
            });
        });
        threads.await.expect("no thread panics");
        assert_eq!(backend.items().await.len(), 40);
    }
}

/// rule 11: what blocks needs no runtime; and none is left behind for the asynchronous calls
#[test]
fn the_body_of_a_block_sees_the_runtime_of_its_caller_and_no_other() {
    let db = Database::open("sqlite::memory:").expect("a valid URL").sync();
    db.atomic(|| {
        assert!(Handle::try_current().is_err(), "outside a runtime");
        db.query("select 1", params![]).map(|_| ())
    })
    .expect("it commits");
    let runtime = current_thread();
    runtime.block_on(async {
        db.atomic(|| {
            assert_eq!(Handle::current().id(), runtime.handle().id(), "inside one");
            db.query("select 1", params![]).map(|_| ())
        })
        .expect("it commits");
        assert_eq!(Handle::current().id(), runtime.handle().id());
    });
}
