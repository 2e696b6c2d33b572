//! `before_acquire`: an idle connection is checked before it is lent, and a bad one is replaced without its user seeing it.

use std::time::Duration;

use futures_util::future::try_join_all;
use nestling::{
    Database, Dialect, Error,
    connect::{ConnectionInfo, PoolConnection},
    params,
};
use tokio::sync::{Barrier, mpsc};

use super::{Count, is_marked, mark, no_session_is_left, session, set};
use crate::{
    dialects::sleeps,
    harness::Backend,
    wire::{Wire, statement},
};

/// Runs two statements, each on a connection that is borrowed for it, and returns the session of the last.
async fn used(db: &Database) -> i64 {
    for _ in 0..2 {
        db.query("select 1", params![]).await.expect("a statement");
    }
    session(db).await.expect("a session")
}

/// A database with one connection, and what its checks have seen.
fn watched(backend: Backend, passes: bool) -> (Backend, mpsc::UnboundedReceiver<ConnectionInfo>) {
    let (tell, told) = mpsc::unbounded_channel();
    let backend = backend.with(|options| {
        options.max_connections(1).before_acquire(move |_connection, info| {
            tell.send(info).expect("the test listens");
            async move { Ok::<_, Error>(passes) }
        })
    });
    (backend, told)
}

test_on! {
    every_backend;

    /// rule 60: idle ones are checked each time, new ones are not
    async fn an_idle_connection_is_checked_each_time_and_a_new_one_is_not(backend) {
        let (backend, mut told) = watched(backend, true);
        let db = &backend.db;
        db.query("select 1", params![]).await.expect("a statement");
        assert!(told.try_recv().is_err(), "it was new");
        db.query("select 1", params![]).await.expect("a statement");
        let first = told.try_recv().expect("it was idle");
        assert!(first.age >= first.idle);
        db.atomic(|| async { db.query("select 1", params![]).await?; db.query("select 1", params![]).await }).await.expect("a block");
        let second = told.try_recv().expect("it was idle");
        assert!(second.age >= first.age);
        assert!(told.try_recv().is_err(), "once for a block");
        db.ping().await.expect("it answers");
        told.try_recv().expect("for a ping as well");
        backend.settled().await;
    }

    /// rule 60: the user gets another one
    async fn one_that_does_not_pass_is_replaced(backend) {
        let (backend, mut told) = watched(backend, false);
        let is_server = backend.db.dialect() != Dialect::Sqlite;
        let mut before = used(&backend.db).await;
        told.try_recv().expect("the second statement of `used` has met a connection");
        for _ in 0..3 {
            let now = used(&backend.db).await;
            assert!(!is_server || now != before, "another session");
            before = now;
        }
        backend.settled().await;
        assert_eq!(backend.db.stats().connections, 1);
        if is_server {
            backend.sessions_come_to(1).await;
        }
    }

    /// rule 60: an error of the check, a statement that fails in it, and a check that does not end
    async fn a_check_that_fails_costs_the_connection_and_not_its_user(backend) {
        let count = Count::default();
        let counted = count.clone();
        let backend = backend.with(|options| {
            let options = options.max_connections(1).connect_timeout(Duration::from_secs(10));
            options.before_acquire(move |connection, _info| {
                let number = counted.more();
                async move {
                    match number {
                        1 => Err("own".into()),
                        2 => connection.batch("select no_such_column").await.map(|()| true).map_err(Into::into),
                        3 => std::future::pending().await,
                        _ => Ok::<_, Box<dyn std::error::Error + Send + Sync>>(true),
                    }
                }
            })
        });
        let db = &backend.db;
        for _ in 0..6 {
            db.query("select 1", params![]).await.expect("its user does not see it");
        }
        assert!(count.get() >= 5);
        backend.settled().await;
        assert_eq!(db.stats().connections, 1);
    }

    /// rules 36 and 60: what a check sets holds for the one user that gets the connection
    async fn what_a_check_sets_is_seen_by_its_user_and_undone_behind_it(backend) {
        let count = Count::default();
        let counted = count.clone();
        let backend = backend.with(|options| {
            options.max_connections(1).before_acquire(move |connection: PoolConnection, _info| {
                let sets = counted.more() % 2 == 1;
                async move {
                    if sets {
                        set(connection).await?;
                    }
                    Ok::<_, Error>(true)
                }
            })
        });
        let db = &backend.db;
        db.query("select 1", params![]).await.expect("a connection");
        assert!(is_marked(db).await.expect("a mark"), "the check has set it");
        if db.dialect() == Dialect::Sqlite {
            // It is closed instead of being reset, and a new connection is not checked.
            assert!(!is_marked(db).await.expect("a mark"));
        }
        assert!(!is_marked(db).await.expect("a mark"), "that one has not, and the session was reset");
        db.connection(|| async { assert!(is_marked(db).await?); Ok::<_, Error>(()) }).await.expect("a pin");
        backend.settled().await;
    }

    /// rules 59 and 60
    async fn many_users_of_a_few_connections_are_all_served(backend) {
        let count = Count::default();
        let counted = count.clone();
        let backend = backend.with(|options| {
            options.max_connections(4).before_acquire(move |connection, _info| {
                let number = counted.more();
                async move {
                    connection.query("select 1", params![]).await?;
                    Ok::<_, Error>(number % 5 != 0)
                }
            })
        });
        let db = &backend.db;
        let start = Barrier::new(32);
        let users = (0..32).map(|_| async {
            start.wait().await;
            for _ in 0..8 {
                db.query("select 1", params![]).await?;
            }
            Ok::<_, Error>(())
        });
        try_join_all(users).await.expect("all are served");
        assert!(count.get() > 5);
        backend.settled().await;
        assert!(db.stats().connections <= 4);
    }
}

test_on! {
    every_server;

    /// rules 38 and 60
    async fn a_statement_of_a_check_that_is_given_up_is_stopped(backend) {
        let slow = sleeps(backend.db.dialect(), 300.0);
        let count = Count::default();
        let backend = backend.with(|options| {
            let options = options.max_connections(1).connect_timeout(Duration::from_secs(10));
            options.before_acquire(move |connection, _info| {
                let (slow, is_first) = (slow.clone(), count.more() == 1);
                async move {
                    if is_first {
                        connection.query(&slow, params![]).await?;
                    }
                    Ok::<_, Error>(true)
                }
            })
        });
        used(&backend.db).await;
        backend.none_running("%sleep(300)%").await;
        backend.settled().await;
        backend.sessions_come_to(1).await;
        backend.db.close().await;
        no_session_is_left(&backend).await;
    }
}

/// rule 60: without a check nothing is sent, and with one what it sends
#[tokio::test]
async fn a_check_costs_what_its_statements_cost() {
    let wire = Wire::open().await;
    let (counts, _) = wire.warm(async || statement(&wire.db).await.expect("it runs")).await;
    assert_eq!(counts.flights, 1);
    let wire = Wire::with(|options| {
        options.max_connections(1).before_acquire(|connection, _info| async move {
            connection.query(mark(Dialect::Postgres).read, params![]).await.map(|_| true)
        })
    })
    .await;
    // On a new connection there is no check; the next one prepares its statement.
    statement(&wire.db).await.expect("it runs");
    let (counts, _) = wire.warm(async || statement(&wire.db).await.expect("it runs")).await;
    assert_eq!(counts.flights, 2);
}
