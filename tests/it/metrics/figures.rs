//! Every figure against what was done, in the metrics and in `stats()` alike.

use std::time::Duration;

use nestling::{Database, Error, ErrorKind, params, status::Stats};
use tokio::sync::oneshot;

use super::{Seen, recorder};
use crate::{
    harness::{Backend, insert},
    wire::statement,
};

const DURATION: &str = "db.client.operation.duration";
const ENDED: &str = "nestling.transaction.ended";

/// Longer than any of these tests takes if nothing waits in vain.
const LONG: Duration = Duration::from_secs(60);

fn one_connection(backend: Backend) -> Backend {
    backend.with(|options| options.max_connections(1).acquire_timeout(LONG))
}

async fn until(db: &Database, what: &str, holds: impl Fn(Stats) -> bool) {
    let all = async {
        while !holds(db.stats()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, all).await.unwrap_or_else(|_| panic!("in vain: {what}: {:?}", db.stats()));
}

/// Holds a connection in a transaction until it is told to go.
async fn hold(db: Database, gone: oneshot::Receiver<()>) -> nestling::Result<()> {
    let block = db.atomic(|| async {
        statement(&db).await?;
        // Told or not, it ends.
        let _ = gone.await;
        Ok(())
    });
    block.await
}

fn operations(seen: &Seen, name: &str) -> usize {
    seen.times(DURATION, &[("db.operation.name", name)]).len()
}

test_on! {
    every_backend_on_one_thread;

    /// rule 77
    async fn transactions_are_told_by_their_outcome(backend) {
        let backend = one_connection(backend.with_items().await);
        let (db, (recorder, _guard)) = (&backend.db, recorder());
        for (id, name) in ["a", "b", "c"].into_iter().enumerate() {
            db.atomic(|| insert(db, id as i64, name)).await.unwrap();
        }
        let undone = db.atomic(|| async {
            insert(db, 7, "undone").await?;
            db.atomic(|| insert(db, 8, "a savepoint is no transaction")).await?;
            Err::<(), _>(Error::other("it is not wanted"))
        });
        undone.await.unwrap_err();
        let marked = db.atomic(|| async {
            insert(db, 9, "marked").await?;
            db.set_rollback_only()
        });
        marked.await.unwrap();
        // What has sent nothing is none.
        db.atomic(|| async { Ok::<_, Error>(()) }).await.unwrap();
        {
            let mut dropped = Box::pin(db.atomic(|| async {
                insert(db, 10, "dropped").await?;
                std::future::pending::<Result<(), Error>>().await
            }));
            tokio::select! {
                biased;
                _ = &mut dropped => panic!("it does not end"),
                () = until(db, "it has begun", |stats| stats.transactions == 1 && stats.statements == 7) => {}
            }
        }
        until(db, "it is cleaned up", |stats| stats.idle == stats.connections).await;
        let (stats, seen) = (db.stats(), Seen::of(recorder, db));
        assert_eq!((stats.committed, stats.rolled_back, stats.unknown, stats.lost), (3, 3, 0, 0));
        let ended = |outcome: &str| seen.count(ENDED, &[("nestling.transaction.outcome", outcome)]);
        assert_eq!((ended("committed"), ended("rolled_back"), ended("unknown"), ended("lost")), (3, 3, 0, 0));
        assert_eq!((operations(&seen, "INSERT"), operations(&seen, "COMMIT")), (7, 3));
        // Behind a block that is dropped there is one more, which nobody waits for.
        assert_eq!(operations(&seen, "ROLLBACK"), 2);
        assert_eq!((stats.statements, stats.errors), (7, 0));
        assert!(backend.items().await.len() == 3);
    }

    /// rule 77
    async fn operations_are_told_by_their_first_word(backend) {
        let backend = one_connection(backend.with_items().await);
        let (db, (recorder, _guard)) = (&backend.db, recorder());
        db.batch("insert into item values (1, 'a'); insert into item values (2, 'b')").await.unwrap();
        db.execute("\n Update item set name = 'c' where id = $1", params![1]).await.unwrap();
        db.execute("delete from item where id = 2", ()).await.unwrap();
        db.query("(select 1) union all (select 2)", ()).await.err();
        db.query("/* of a report */ select 1", ()).await.unwrap();
        let mut rows = db.stream("select id from item", ()).await.unwrap();
        while rows.next().await.transpose().unwrap().is_some() {}
        drop(rows);
        let seen = Seen::of(recorder, db);
        let named = ["BATCH", "UPDATE", "DELETE", "SELECT"].map(|name| operations(&seen, name));
        assert_eq!(named, [1, 1, 1, 2]);
        assert_eq!(seen.times(DURATION, &[]).len(), 6, "the one with a comment has no name");
        assert!(seen.times(DURATION, &[]).iter().all(|time| (0.0..60.0).contains(time)));
        for (_, key, _) in seen.all() {
            assert!(key.labels().all(|label| !label.value().contains("item")), "no text of a statement: {key:?}");
        }
    }

    /// rule 77: a failing statement has the server's code, one that was not sent is no operation
    async fn errors_are_told_by_kind_and_code(backend) {
        let backend = one_connection(backend.with_items().await);
        let (db, (recorder, _guard)) = (&backend.db, recorder());
        insert(db, 1, "there").await.unwrap();
        let taken = insert(db, 1, "again").await.unwrap_err();
        let code = taken.code().unwrap();
        db.atomic(|| insert(db, 1, "again")).await.unwrap_err();
        let refused = db.atomic(|| async {
            insert(db, 2, "two").await?;
            db.atomic(|| async {
                db.set_rollback_only()?;
                insert(db, 1, "again").await
            })
            .await
            .unwrap_err();
            // Never sent: so many parameters are none of this statement's.
            let wrong = db.execute("update item set id = $1", params![1, 2]).await.unwrap_err();
            assert_eq!(wrong.kind(), ErrorKind::Parameter, "{wrong:?}");
            Ok::<_, Error>(())
        });
        refused.await.unwrap();
        let (stats, seen) = (db.stats(), Seen::of(recorder, db));
        let kind = |kind: &str| seen.count("nestling.errors", &[("nestling.error.kind", kind)]);
        assert_eq!((kind("Server"), kind("Parameter")), (3, 1));
        assert_eq!((stats.errors, seen.count("nestling.errors", &[])), (4, 4));
        let failed = seen.times(DURATION, &[
            ("db.operation.name", "INSERT"), ("error.type", code), ("db.response.status_code", code),
        ]);
        assert_eq!((failed.len(), operations(&seen, "INSERT")), (3, 5));
    }

    /// rule 77
    async fn a_wait_for_a_connection_is_told(backend) {
        let backend = one_connection(backend);
        let (db, (recorder, _guard)) = (&backend.db, recorder());
        statement(db).await.unwrap();
        assert_eq!(db.stats().waits.count, 1, "for the connection that was made");
        let (go, gone) = oneshot::channel::<()>();
        let holder = tokio::spawn(hold(db.clone(), gone));
        until(db, "the transaction is open", |stats| stats.transactions == 1).await;
        // Had it been idle for long, it was looked at, which is a wait too.
        let before = db.stats().waits.count;
        let own = db.clone();
        let served = tokio::spawn(async move { statement(&own).await });
        until(db, "it waits", |stats| stats.waiting == 1).await;
        let seen = Seen::of(recorder, db);
        assert_eq!(seen.gauge("db.client.connection.pending_requests", &[]), 1.0);
        assert_eq!(seen.gauge("db.client.connection.count", &[("db.client.connection.state", "used")]), 1.0);
        assert_eq!(seen.gauge("db.client.connection.count", &[("db.client.connection.state", "idle")]), 0.0);
        assert_eq!(seen.gauge("nestling.transaction.open", &[]), 1.0);
        let (age, stats) = (seen.gauge("nestling.transaction.oldest_age", &[]), db.stats());
        assert!(age > 0.0 && stats.oldest_transaction.unwrap().as_secs_f64() > age, "{age}, {stats:?}");
        go.send(()).unwrap();
        served.await.unwrap().unwrap();
        holder.await.unwrap().unwrap();

        let (stats, seen) = (db.stats(), Seen::of(recorder, db));
        let waits = stats.waits.count - before;
        assert_eq!((waits, stats.uses.count, stats.created.count, stats.timeouts), (1, 3, 1, 0), "for the holder's to come back");
        assert!(stats.waits.largest <= stats.waits.total && stats.uses.largest.as_secs_f64() >= age, "{stats:?}");
        assert_eq!(seen.gauge("db.client.connection.count", &[("db.client.connection.state", "idle")]), 1.0);
        assert_eq!((seen.gauge("nestling.transaction.open", &[]), stats.oldest_transaction), (0.0, None));
        assert_eq!(seen.gauge("nestling.transaction.oldest_age", &[]), 0.0);
    }

    /// rule 77: by the time of the pool, and by that of a block
    async fn a_wait_in_vain_is_told(backend) {
        let short = Duration::from_millis(50);
        let backend = backend.with(|options| options.max_connections(1).acquire_timeout(Duration::from_secs(1)));
        let (db, (recorder, _guard)) = (&backend.db, recorder());
        // A slow machine has a connection all the same.
        while statement(db).await.is_err() {}
        let (go, gone) = oneshot::channel::<()>();
        let holder = tokio::spawn(hold(db.clone(), gone));
        until(db, "the transaction is open", |stats| stats.transactions == 1).await;
        let before = db.stats();
        drop(Seen::of(recorder, db));
        let own = db.clone();
        let late = tokio::spawn(async move { own.query("select 1", ()).await.unwrap_err() });
        assert_eq!(late.await.unwrap().kind(), ErrorKind::PoolTimeout);
        let own = db.clone();
        let late = tokio::spawn(async move {
            own.build_transaction().acquire_timeout(short).atomic(|| statement(&own)).await.unwrap_err()
        });
        assert_eq!(late.await.unwrap().kind(), ErrorKind::PoolTimeout);
        let (stats, seen) = (db.stats(), Seen::of(recorder, db));
        assert_eq!((stats.timeouts - before.timeouts, seen.count("db.client.connection.timeouts", &[])), (2, 2));
        assert_eq!(seen.count("nestling.errors", &[("nestling.error.kind", "PoolTimeout")]), 2);
        assert_eq!((stats.errors - before.errors, stats.waits.count), (2, before.waits.count));
        assert!(seen.times("db.client.connection.wait_time", &[]).is_empty(), "none was had after a wait");
        assert!(seen.times(DURATION, &[("error.type", "PoolTimeout")]).is_empty(), "nothing was sent");
        go.send(()).unwrap();
        holder.await.unwrap().unwrap();
    }

    /// rule 77: the metrics and `stats()` have measured the same
    async fn both_have_measured_the_same_times(backend) {
        let backend = backend.with(|options| options.max_connections(3).acquire_timeout(LONG));
        let (db, (recorder, _guard)) = (&backend.db, recorder());
        for _ in 0..5 {
            statement(db).await.unwrap();
            db.atomic(|| statement(db)).await.unwrap();
        }
        db.connection(|| statement(db)).await.unwrap();
        db.ping().await.unwrap();
        let (stats, seen) = (db.stats(), Seen::of(recorder, db));
        for (name, timings) in [("create_time", stats.created), ("wait_time", stats.waits), ("use_time", stats.uses)] {
            let times = seen.times(&format!("db.client.connection.{name}"), &[]);
            assert_eq!(times.len() as u64, timings.count, "{name}");
            let (total, largest) = (times.iter().sum::<f64>(), times.iter().copied().fold(0.0, f64::max));
            assert!((total - timings.total.as_secs_f64()).abs() < 1e-6, "{name}: {total}, {timings:?}");
            assert!((largest - timings.largest.as_secs_f64()).abs() < 1e-6, "{name}: {largest}, {timings:?}");
        }
        assert_eq!((stats.uses.count, stats.created.count), (12, 1));
        // For the connection that was made; and one that has been idle for long is looked at, which is a wait too.
        assert!((1..6).contains(&stats.waits.count), "{stats:?}");
        assert_eq!((seen.gauge("db.client.connection.max", &[]), stats.max_connections), (3.0, 3));
    }

    /// rule 77: a blocking handle has connections of its own, and is part of its database
    async fn a_blocking_handle_reports_under_the_name_of_its_database(backend) {
        let backend = backend.with(|options| options.max_connections(2).min_connections(1).acquire_timeout(LONG));
        let (db, (recorder, _guard)) = (&backend.db, recorder());
        statement(db).await.unwrap();
        let sync = db.sync();
        let sync = tokio::task::spawn_blocking(move || {
            sync.query("select 1", ()).unwrap();
            sync
        });
        let sync = sync.await.unwrap();
        let of_both = [db.stats(), sync.stats().unwrap()];
        let seen = Seen::of(recorder, db);
        let sum = |figure: fn(&Stats) -> u64| of_both.iter().map(figure).sum::<u64>() as f64;
        assert_eq!((seen.gauge("db.client.connection.max", &[]), sum(|stats| stats.max_connections)), (4.0, 4.0));
        assert_eq!((seen.gauge("db.client.connection.idle.min", &[]), sum(|stats| stats.min_idle)), (1.0, 1.0));
        let idle = seen.gauge("db.client.connection.count", &[("db.client.connection.state", "idle")]);
        assert!(idle >= 2.0 && of_both[1].connections == 1, "{idle}, {of_both:?}");
        drop(sync);
        // It ends with its thread.
        let gone = async {
            while Seen::of(recorder, db).gauge("db.client.connection.max", &[]) > 2.0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, gone).await.expect("it is gone");
    }

    /// rule 77: a pinned connection is no transaction, and its age is none of one's
    async fn the_oldest_transaction_on_a_pinned_connection_is_as_old_as_itself(backend) {
        let backend = one_connection(backend);
        let db = &backend.db;
        let pinned = db.connection(|| async {
            statement(db).await?;
            assert_eq!((db.stats().transactions, db.stats().oldest_transaction), (0, None));
            let pause = Duration::from_millis(300);
            tokio::time::sleep(pause).await;
            let before = std::time::Instant::now();
            db.atomic(|| async {
                statement(db).await?;
                let age = db.stats().oldest_transaction.expect("one is open");
                assert!(age <= before.elapsed(), "{age:?}");
                Ok::<_, Error>(())
            })
            .await
        });
        pinned.await.unwrap();
        assert_eq!((db.stats().committed, db.stats().oldest_transaction), (1, None));
    }
}
