//! Connections that the server has ended while they were idle: replaced without the caller seeing it (rule 60), and never
//! at the price of sending anything twice.

use std::{collections::HashSet, time::Duration};

use nestling::{Database, Error, ErrorKind, params};
use tokio::{sync::Barrier, time::sleep};

use super::{in_one_go, value};
use crate::{
    drops::{blocks, statements, transactions},
    harness::Backend,
    proxy::Side,
};

/// Longer than a connection is trusted that lies idle.
const LONG: Duration = Duration::from_millis(600);

async fn session(db: &Database) -> u64 {
    value(db, "select connection_id()", params![]).await
}

/// Ends the one session, from outside, and leaves it lying for so long.
async fn kill(backend: &Backend, session: u64, idle: Duration) {
    backend.observer().batch(&format!("kill {session}")).await.expect("the session ends");
    backend.sessions_come_to(0).await;
    sleep(idle).await;
}

test_on! {
    mysql_and_mariadb;

    /// rule 60: each of the calls, on a connection that was killed
    async fn a_connection_that_was_killed_while_idle_is_replaced_unseen(backend) {
        let backend = backend.with_items().await.with_put().await.with(|options| options.max_connections(1));
        // Each has a connection of its own, and all of them lie idle at the same time.
        let one = || backend.builder().max_connections(1).build().expect("valid options");
        let calls: Vec<_> = statements().into_iter().chain(blocks()).chain(transactions()).map(|call| (one(), call)).collect();
        // Once with nothing prepared, and once with all of it.
        for round in 0..2 {
            let mut sessions = Vec::new();
            for (db, _) in &calls {
                sessions.push(session(db).await);
                backend.observer().batch(&format!("kill {}", sessions[sessions.len() - 1])).await.expect("the session ends");
            }
            backend.sessions_come_to(0).await;
            sleep(LONG).await;
            for ((db, (what, call)), before) in calls.iter().zip(sessions) {
                let name = format!("{what} {round}");
                call(db.clone(), name.clone()).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
                assert_eq!(backend.items().await.iter().filter(|item| **item == name).count(), 1, "{name}");
                assert_ne!(session(db).await, before, "{name}");
            }
        }
        let most = calls.len().try_into().expect("a few");
        backend.settled().await;
        backend.sessions_come_to(most).await;
    }

    /// rule 60: a block may always begin anew, so that it needs no sign of life
    async fn a_block_sees_nothing_of_a_connection_that_was_killed_just_now(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        for (what, call) in blocks().into_iter().filter(|(what, _)| *what != "connection").chain(transactions()) {
            let before = session(db).await;
            kill(&backend, before, Duration::ZERO).await;
            call(db.clone(), what.to_owned()).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            assert!(backend.items().await.contains(&what.to_owned()), "{what}");
        }
        backend.settled().await;
    }

    /// rule 60: the server ends what has been idle for too long for it, all at once
    async fn connections_that_were_idle_for_too_long_are_replaced_unseen(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(4));
        let db = &backend.db;
        // In a function, as it must outlive the pin: what a statement sets is undone at its end.
        let impatient = "create function impatient() returns int deterministic begin set session wait_timeout = 1; return 1; end";
        backend.observer().batch(impatient).await.expect("a function");
        for round in 0..2_i64 {
            let all = Barrier::new(4);
            let one = |_| db.connection(|| async {
                let id = session(db).await;
                // All four at a time. Nothing is behind the last statement: its session may be gone before the others are there.
                all.wait().await;
                db.query("select impatient()", params![]).await.map(|_| id)
            });
            let sessions = futures_util::future::try_join_all((0..4).map(one)).await.expect("four sessions");
            assert_eq!(sessions.iter().collect::<HashSet<_>>().len(), 4, "{sessions:?}");
            backend.sessions_come_to(0).await;
            sleep(LONG).await;
            let write = |id: i64| async move {
                let insert = "insert into item values ($1, $2)";
                let values = params![round * 10 + id, format!("{round} {id}")];
                if id % 2 == 0 { db.execute(insert, values).await } else { db.atomic(|| db.execute(insert, values.clone())).await }
            };
            let written = futures_util::future::try_join_all((0..4).map(write)).await;
            assert_eq!(written.expect("nobody sees it"), [1, 1, 1, 1]);
        }
        assert_eq!(backend.items().await.len(), 8);
        backend.settled().await;
    }

    /// rule 60: a sign of life is asked for where a statement must not be sent twice and the connection has long been idle
    async fn what_a_sign_of_life_costs(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        let alone = || async { db.query("select 1 + $1", params![1]).await.map(|_| ()) };
        let block = || async { db.atomic(alone).await };
        alone().await.expect("warm");
        block().await.expect("warm");
        for (idle, flights) in [(Duration::ZERO, [1, 3]), (LONG, [2, 3])] {
            for in_block in [false, true] {
                let measured = async || {
                    alone().await.expect("warm");
                    if !idle.is_zero() {
                        sleep(idle).await;
                    }
                    proxy.reset();
                    if in_block { block().await } else { alone().await }.expect("it runs");
                    proxy.counts()
                };
                let counts = if idle.is_zero() { in_one_go(measured).await } else { measured().await };
                assert_eq!(counts.flights, flights[usize::from(in_block)], "{idle:?}, in a block {in_block}: {:?}", counts.steps);
            }
        }
    }

    /// rule 60: outside a transaction what was sent may have been committed
    async fn a_statement_alone_that_was_sent_is_never_sent_again(backend) {
        let (backend, proxy) = backend.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        backend.observer().batch("create table note (text varchar(20))").await.expect("a table that takes a row twice");
        for (round, pinned) in [(1, false), (2, true)] {
            db.execute("delete from note", params![]).await.expect("a connection");
            let mut asked = false;
            proxy.stall_when(move |message| {
                asked |= message.from == Side::Client && message.tag == 'E' && message.text.starts_with("insert");
                asked && message.from == Side::Server
            });
            let write = || db.execute("insert into note values ($1)", params!["once"]);
            let written = async { if pinned { db.connection(write).await } else { write().await } };
            let (written, ()) = tokio::join!(written, async {
                proxy.stalled().await;
                proxy.cut();
            });
            assert_eq!(written.expect_err("nobody knows").kind(), ErrorKind::ConnectionLost, "{round}");
            assert_eq!(value::<i64>(backend.observer(), "select count(*) from note", params![]).await, 1, "{round}");
        }
        db.query("select 1", params![]).await.expect("the next one works");
    }

    /// rule 60: inside `connection(..)` the session is part of the promise, from its first answer on
    async fn a_pinned_connection_is_replaced_only_before_its_first_answer(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let before = session(db).await;
        kill(&backend, before, LONG).await;
        let pinned = db.connection(|| async {
            let mine = session(db).await;
            kill(&backend, mine, LONG).await;
            let lost = db.execute("insert into item values (1, 'lost')", params![]).await.expect_err("its session has ended");
            assert_eq!(lost.kind(), ErrorKind::ConnectionLost);
            Ok::<_, Error>(mine)
        });
        assert_ne!(pinned.await.expect("the first answer came"), before);
        assert!(backend.items().await.is_empty());
        db.execute("insert into item values (2, 'next')", params![]).await.expect("the next user has another");
        backend.settled().await;
    }
}
