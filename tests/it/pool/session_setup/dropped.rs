//! Futures that are dropped while a session is set up or checked: the next user gets a session that is whole. Rules 37 to 40.

use std::sync::Arc;

use nestling::{Database, DatabaseBuilder, connect::PoolConnection, params};
use tokio::sync::Notify;

use super::{Count, is_marked, mark, no_session_is_left, set};
use crate::drops::{drop_at_every_await, drop_at_every_message};

/// Two statements on each new connection, and one on each that is lent again.
fn with_callbacks(options: DatabaseBuilder) -> DatabaseBuilder {
    options
        .max_connections(1)
        .after_connect(|connection: PoolConnection| async move {
            connection.query("select 1", params![]).await?;
            set(connection).await
        })
        .before_acquire(|connection, _info| async move { connection.query("select 2", params![]).await.map(|_| true) })
}

async fn next_user_is_well(db: &Database, what: &str) {
    assert!(is_marked(db).await.unwrap_or_else(|error| panic!("{what}: {error:?}")), "{what}");
}

test_on! {
    every_backend;

    /// rules 39 and 40: on a new connection
    async fn a_connection_that_is_set_up_can_be_dropped_at_every_await(backend) {
        drop_at_every_await(
            |_| {
                let db = with_callbacks(backend.builder()).build().expect("valid options");
                async move { is_marked(&db).await }
            },
            async |point, out| {
                if let Some(out) = out {
                    assert!(out.expect("it runs to its end"), "point {point}");
                }
                no_session_is_left(&backend).await;
            },
        )
        .await;
    }

    /// rules 37, 38 and 40: on one that is idle, and on one that was changed and is set up again
    async fn a_connection_that_is_checked_can_be_dropped_at_every_await(backend) {
        let backend = backend.with(with_callbacks);
        let db = &backend.db;
        for changes in [false, true] {
            drop_at_every_await(
                |_| async move {
                    if changes {
                        db.execute(mark(db.dialect()).unset, params![]).await?;
                    }
                    is_marked(db).await
                },
                async |point, out| {
                    backend.settled().await;
                    if let Some(out) = out {
                        assert!(out.expect("it runs to its end"));
                    }
                    next_user_is_well(db, &format!("point {point}, {changes}")).await;
                },
            )
            .await;
        }
        backend.settled().await;
    }
}

test_on! {
    every_server;

    /// rules 37 to 40: message by message, of a new connection and of one that is set up again
    async fn a_connection_that_is_set_up_can_be_dropped_at_every_message(backend) {
        let (backend, proxy) = backend.behind_proxy_with(with_callbacks);
        let db = &backend.db;
        next_user_is_well(db, "warm").await;
        for changes in [false, true] {
            drop_at_every_message(
                &proxy,
                |_| async move {
                    if changes {
                        db.execute(mark(db.dialect()).unset, params![]).await?;
                    }
                    is_marked(db).await
                },
                async |message, out| {
                    backend.settled().await;
                    if let Some(out) = out {
                        assert!(out.expect("it runs to its end"));
                    }
                    next_user_is_well(db, &format!("message {message}, {changes}")).await;
                    backend.settled().await;
                },
            )
            .await;
        }
    }

    /// rules 39 and 40: a fresh database each time
    async fn the_first_connection_can_be_dropped_at_every_message(backend) {
        let (backend, proxy) = backend.behind_proxy_with(with_callbacks);
        for message in 1..crate::drops::TOO_MANY {
            let db = with_callbacks(backend.builder()).build().expect("valid options");
            proxy.left_with(0).await;
            proxy.stall_at(message);
            let out = {
                let mut future = Box::pin(db.query("select 3", params![]));
                tokio::select! {
                    biased;
                    _ = proxy.stalled() => None,
                    out = &mut future => Some(out),
                }
            };
            proxy.release();
            let ended = out.is_some();
            if let Some(out) = out {
                out.expect("it runs to its end");
            }
            drop(db);
            backend.sessions_come_to(0).await;
            if ended {
                return;
            }
        }
        panic!("a future with too many messages");
    }
}

test_on! {
    every_server;

    /// rules 36 and 44: a runtime that ends between a reset and what a new session runs costs the connection
    async fn a_runtime_that_ends_in_the_middle_of_a_reset_costs_the_connection(backend) {
        let (count, again) = (Count::default(), Arc::new(Notify::new()));
        let (counted, tell) = (count.clone(), Arc::clone(&again));
        let backend = backend.with(|options| {
            options.max_connections(1).after_connect(move |connection| {
                let (number, tell) = (counted.more(), Arc::clone(&tell));
                async move {
                    if number == 2 {
                        tell.notify_one();
                        std::future::pending::<()>().await;
                    }
                    set(connection).await
                }
            })
        });
        let db = &backend.db;
        next_user_is_well(db, "made on this runtime").await;
        std::thread::scope(|threads| {
            let other = threads.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    tokio::select! {
                        out = db.execute(mark(db.dialect()).unset, params![]) => panic!("it is not given back yet: {out:?}"),
                        () = again.notified() => {}
                    }
                });
            });
            tokio::task::block_in_place(|| other.join()).expect("no panic");
        });
        next_user_is_well(db, "after the end of the other runtime").await;
        assert_eq!(count.get(), 3);
        backend.settled().await;
    }
}
