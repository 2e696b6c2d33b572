//! A pool that several runtimes use: it must not depend on any one of them. And what the end of a runtime costs.

use std::{fs, sync::mpsc, thread, time::Duration};

use nestling::{Database, Error, params};
use tokio::runtime::{Builder, Runtime};

use crate::{
    dialects::sleeps,
    harness::{Backend, insert},
    wire::statement,
};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// A backend, made on a runtime that stays.
fn with(make: impl AsyncFn() -> Backend, test: impl Fn(&Runtime, Backend)) {
    let outer = runtime();
    let backend = outer.block_on(async { make().await.with_items().await });
    test(&outer, backend);
}

/// Runs a test outside of all runtimes, on all back ends.
macro_rules! on_no_runtime {
    ($($(#[$attribute:meta])* fn $name:ident($outer:ident, $backend:ident) $body:block)+) => {$(
        mod $name {
            use super::*;

            $(#[$attribute])*
            fn test($outer: &Runtime, $backend: Backend) $body

            #[test]
            #[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
            fn postgres() {
                with(Backend::postgres, test);
            }

            #[test]
            #[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
            fn mariadb() {
                with(Backend::mariadb, test);
            }

            #[test]
            #[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
            fn mysql9() {
                with(Backend::mysql, test);
            }

            #[test]
            fn sqlite() {
                with(Backend::sqlite, test);
            }
        }
    )+};
}

async fn all_gone(db: &Database) {
    wait_while!(db.stats().connections > 0);
}

on_no_runtime! {
    /// rule 59: idle connections go in time, though the runtime has ended that the pool was opened on
    fn idle_connections_go_when_the_runtime_that_opened_the_pool_has_ended(outer, backend) {
        let build = || {
            let options = backend.builder().max_connections(2).idle_timeout(Some(Duration::from_millis(400)));
            options.build().expect("valid options")
        };
        // Used on another runtime afterwards.
        let db = build();
        runtime().block_on(statement(&db)).expect("a connection");
        outer.block_on(async {
            statement(&db).await.expect("a connection");
            all_gone(&db).await;
        });
        // Idle there already, when the first one ends.
        let (db, first) = (build(), runtime());
        let (leave, stays) = tokio::sync::oneshot::channel::<()>();
        let own = db.clone();
        let held = first.spawn(async move {
            own.connection(|| async {
                statement(&own).await?;
                let _ = stays.await;
                statement(&own).await
            })
            .await
        });
        outer.block_on(async {
            wait_while!(db.stats().connections == 0, by yielding);
            statement(&db).await.expect("a second connection");
            leave.send(()).expect("it is held");
            held.await.expect("no panic").expect("the first connection");
        });
        drop(first);
        outer.block_on(all_gone(&db));
        // In use there, when the first one ends.
        let (db, first) = (build(), runtime());
        first.block_on(statement(&db)).expect("a connection");
        outer.block_on(async {
            db.connection(|| async {
                statement(&db).await?;
                tokio::task::spawn_blocking(move || drop(first)).await.expect("no panic");
                statement(&db).await
            })
            .await
            .or_else(|error| if error.is_connection_lost() { Ok(()) } else { Err(error) })
            .expect("in use");
            all_gone(&db).await;
        });
    }

    /// rule 60: a connection whose runtime has ended is nobody's
    fn a_connection_of_a_runtime_that_has_ended_is_replaced_unseen(outer, backend) {
        let db = backend.builder().max_connections(2).build().expect("valid options");
        for round in 0..4 {
            runtime().block_on(insert(&db, 2 * round, &format!("{round} first"))).expect("an insert");
            outer.block_on(async {
                let name = format!("{round} second");
                if round % 2 == 0 {
                    insert(&db, 2 * round + 1, &name).await.expect("nobody sees it");
                } else {
                    db.atomic(|| insert(&db, 2 * round + 1, &name)).await.expect("nobody sees it");
                }
            });
        }
        assert_eq!(outer.block_on(backend.items()).len(), 8);
    }

    /// Connections are made ahead of their use, though the runtime has ended that did so first.
    fn connections_are_held_ready_when_the_runtime_that_opened_the_pool_has_ended(outer, backend) {
        let db = backend.builder().min_connections(2).max_connections(4).build().expect("valid options");
        runtime().block_on(async {
            statement(&db).await.expect("a connection");
            wait_while!(db.stats().idle < 2, by yielding);
        });
        outer.block_on(async {
            db.connection(|| async {
                statement(&db).await?;
                wait_while!(db.stats().idle < 2, by yielding);
                Ok::<_, Error>(())
            })
            .await
            .expect("a connection");
        });
    }
}

/// How many threads of the process end statements of dropped connections.
fn cancelling_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("the threads of this process");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "nestling-cancel").count()
}

/// Ends a runtime with a full pool of busy connections, and counts the threads that this takes.
fn end_with_a_full_pool(make: impl AsyncFn() -> Backend) {
    const BUSY: u64 = 24;
    let outer = runtime();
    let backend = outer.block_on(async { make().await });
    let inner = runtime();
    let db = backend.builder().max_connections(BUSY as u32).build().expect("valid options");
    for _ in 0..BUSY {
        let db = db.clone();
        inner.spawn(async move { db.query(&sleeps(db.dialect(), 300.0), params![]).await.map(drop) });
    }
    outer.block_on(async {
        let pattern = if backend.is_postgres() { "%pg_sleep%" } else { "%sleep%" };
        wait_while!(backend.count_running(pattern).await < BUSY as i64);
    });
    let (stop, stopped) = mpsc::channel::<()>();
    let counting = thread::spawn(move || {
        let mut most = 0;
        while let Err(mpsc::TryRecvError::Empty) = stopped.try_recv() {
            most = most.max(cancelling_threads());
            thread::sleep(Duration::from_millis(1));
        }
        most
    });
    drop(inner);
    drop(db);
    outer.block_on(backend.sessions_come_to(0));
    stop.send(()).expect("it counts");
    let most = counting.join().expect("no panic");
    assert!(most <= 2, "{most} threads for {BUSY} connections");
}

/// rule 44: their statements are ended by one thread
#[test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
fn a_full_pool_that_is_dropped_starts_one_thread_on_postgres() {
    end_with_a_full_pool(Backend::postgres);
}

/// rule 44
#[test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
fn a_full_pool_that_is_dropped_starts_one_thread_on_mariadb() {
    end_with_a_full_pool(Backend::mariadb);
}

/// rule 44
#[test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
fn a_full_pool_that_is_dropped_starts_one_thread_on_mysql9() {
    end_with_a_full_pool(Backend::mysql);
}
