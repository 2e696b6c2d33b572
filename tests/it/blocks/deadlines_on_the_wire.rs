//! The time of a transaction at its server: what goes over the wire for it, and what is held there. Rule 54.

use std::{
    task::Poll,
    time::{Duration, Instant},
};

use nestling::{Database, Error, TransactionBuilder, params};

use super::deadlines::{LONG, SOON, is_late, soon};
use crate::{
    dialects::sleeps,
    drops::{all_is_well, insert},
    harness::{Backend, poll_once},
    proxy::Side,
    support::waits::PATIENCE,
    wire::{Wire, statement},
};

test_on! {
    every_server;

    /// rule 54: BEGIN counts, and an answer that does not come holds nobody up
    async fn the_wait_for_begin_counts(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|b| b.max_connections(1));
        let db = &backend.db;
        insert(db, "warm").await.expect("an item");
        backend.settled().await;
        for is_eager in [true, false] {
            proxy.stall_when(|message| message.from == Side::Server);
            let block = db.build_transaction().timeout(SOON);
            let block = if is_eager { block.eager() } else { block };
            is_late(soon("BEGIN", block.atomic(|| insert(db, "late"))).await);
            proxy.release();
            all_is_well(&backend, "after BEGIN").await;
        }
        assert_eq!(backend.items().await, ["warm"]);
    }

    /// rules 16, 40, 54: what is committed is never told as late
    async fn a_commit_under_way_at_the_deadline_runs_to_its_end(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|b| b.max_connections(1));
        let db = &backend.db;
        insert(db, "warm").await.expect("an item");
        for (name, from) in [("sent", Side::Client), ("answered", Side::Server)] {
            let mut time = SOON * 20;
            let (block, over) = loop {
                let mut commits = false;
                proxy.stall_when(move |message| {
                    commits |= message.text.contains("COMMIT");
                    commits && message.from == from
                });
                let over = Instant::now() + time;
                let mut block = Box::pin(db.build_transaction().timeout(time).atomic(|| insert(db, name)));
                tokio::select! {
                    _ = proxy.stalled() => break (block, over),
                    // On a busy machine its time may be over before it has come to its COMMIT.
                    late = block.as_mut() => is_late(late),
                }
                proxy.release();
                backend.settled().await;
                time *= 2;
                assert!(time < PATIENCE, "no COMMIT comes");
            };
            let release = async {
                tokio::time::sleep_until((over + SOON).into()).await;
                proxy.release();
            };
            let (committed, ()) = tokio::join!(block, release);
            committed.expect("its COMMIT was on its way");
        }
        assert_eq!(backend.items().await, ["answered", "sent", "warm"]);
        all_is_well(&backend, "after all").await;
    }

    /// rules 38, 54: whoever has asked is gone, or does not look, and no cancel request comes
    async fn the_server_ends_a_statement_whose_client_is_gone(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|b| b.max_connections(1));
        let db = &backend.db;
        insert(db, "warm").await.expect("an item");
        let slow = sleeps(db.dialect(), 60.0);
        let begun = |time| Box::pin(db.build_transaction().timeout(time).atomic(|| db.execute(&slow, params![])));
        let mut time = SOON * 20;
        let mut block = begun(time);
        wait_while!(backend.count_running("%sleep(60)%").await == 0, {
            if let Poll::Ready(late) = poll_once(block.as_mut()).await {
                // On a busy machine its time may be over before the statement is seen.
                is_late(late);
                backend.none_running("%sleep(60)%").await;
                time *= 2;
                block = begun(time);
            }
        });
        proxy.refuse(true);
        backend.none_running("%sleep(60)%").await;
        proxy.refuse(false);
        is_late(block.await);
        all_is_well(&backend, "after all").await;
    }
}

/// rules 54, 55: the rest of the time goes along with each flight, and costs no round trip
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn the_rest_of_the_time_costs_no_round_trip() {
    let wire = Wire::open().await;
    let db = &wire.db;
    let body = || async {
        statement(db).await?;
        db.build_transaction().timeout(LONG).atomic(|| statement(db)).await?;
        statement(db).await
    };
    let (plain, _) = wire.warm(async || db.atomic(body).await.expect("in time")).await;
    let (bounded, _) =
        wire.warm(async || db.build_transaction().timeout(LONG * 2).atomic(body).await.expect("in time")).await;
    assert_eq!(bounded.flights, plain.flights);
    assert_eq!(bounded.connections + bounded.cancels, 0);
    let limits = |sequence: Vec<&str>| {
        let times = sequence.into_iter().filter_map(|text| text.strip_prefix("SET LOCAL statement_timeout = "));
        times.map(|time| time.parse::<u64>().expect("milliseconds")).collect::<Vec<_>>()
    };
    assert_eq!(limits(plain.sequence()).len(), 1, "that of the nested block");
    let limits = limits(bounded.sequence());
    assert_eq!(limits.len(), 3, "one with each statement: {limits:?}");
    assert!(limits[0] <= 1_200_000 && limits[0] > 600_000 && limits[1] <= 600_000, "{limits:?}");
}

/// rule 54: what is set for a nested block is gone behind it, on every way out
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn the_servers_time_is_set_back_behind_a_nested_block() {
    let backend = Backend::postgres().await.with(|b| b.max_connections(1));
    let db = &backend.db;
    let now = async |db: &Database| db.query_one("show statement_timeout", params![]).await?.get::<String>(0);
    let unbounded = now(db).await.expect("a setting");
    let root = db.atomic(|| async {
        assert_eq!(now(db).await?, unbounded);
        let inner = || db.build_transaction().timeout(LONG).statement_timeout(Duration::from_secs(7));
        assert_eq!(inner().atomic(|| now(db)).await?, "7s");
        assert_eq!(now(db).await?, unbounded, "behind a release");
        let undone = inner().atomic(|| async {
            assert_eq!(now(db).await?, "7s");
            db.execute("select 1 / 0", params![]).await
        });
        undone.await.expect_err("it fails");
        assert_eq!(now(db).await?, unbounded, "behind a rollback");
        Ok::<_, Error>(())
    });
    root.await.expect("in time");
    db.build_transaction().timeout(LONG).atomic(|| now(db)).await.expect("in time");
    assert_eq!(now(db).await.expect("a setting"), unbounded, "for the next user");
}

/// rule 54: a statement that the server stops is told as what it is, and its connection stays of use
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_statement_that_the_server_stops_costs_no_connection() {
    let wire = Wire::open().await;
    let db = &wire.db;
    let late = async |slow: &str| {
        let block = db.build_transaction().timeout(SOON).atomic(|| db.execute(slow, params![]));
        is_late(soon("a statement", block).await);
    };
    // On a busy machine the answer may come later than it is waited for, though not each time.
    let mut times = 0;
    loop {
        // One that was asked to stop has cost its connection.
        statement(db).await.expect("a connection");
        wire.backend.settled().await;
        wire.proxy.reset();
        late("select pg_sleep(60)").await;
        wire.backend.settled().await;
        if wire.proxy.counts().cancels == 0 {
            break;
        }
        times += 1;
        assert!(times < 20, "the server's own answer never comes first");
    }
    assert_eq!(wire.proxy.counts().connections, 0);
}

test_on! {
    mysql_and_mariadb;

    /// rules 54, 55: all limits ride with BEGIN, and are set back with COMMIT
    async fn limits_cost_no_round_trip_and_are_gone_for_the_next_user(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|b| b.max_connections(1));
        let db = &backend.db;
        let flights = async |block: TransactionBuilder<'_>| {
            backend.settled().await;
            proxy.reset();
            let body = || async {
                insert(db, "item").await?;
                statement(db).await
            };
            block.atomic(body).await.expect("in time");
            let counts = proxy.counts();
            backend.observer().execute("delete from item", params![]).await.expect("an empty table");
            (counts.flights, counts.queries().join("; "))
        };
        flights(db.build_transaction()).await;
        let (plain, _) = flights(db.build_transaction()).await;
        let limited = db.build_transaction().timeout(LONG).lock_timeout(SOON).idle_in_transaction_timeout(LONG);
        let (bounded, sent) = flights(limited).await;
        assert_eq!(bounded, plain, "{sent}");
        let time = if backend.is_mariadb().await { "max_statement_time" } else { "max_execution_time" };
        for key in [time, "innodb_lock_wait_timeout"] {
            assert!(sent.contains(&format!("SET SESSION {key} = ")), "{sent}");
            assert!(sent.contains(&format!("SET SESSION {key} = DEFAULT")), "{sent}");
        }
        assert!(sent.contains("innodb_lock_wait_timeout = 1;"), "whole seconds, and at least one: {sent}");
    }
}
