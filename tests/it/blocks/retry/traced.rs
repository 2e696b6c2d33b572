//! What `tracing` sees of a retry: rule 75.

use super::{Conflicts as _, Runs, at_once, conflict};
use crate::{
    harness::insert,
    recorder::{Record, Recorder},
};

/// The events of attempts, of which the others need not be known.
fn attempts(records: Vec<Record>) -> Vec<Record> {
    records.into_iter().filter(|record| record.what == "attempt failed").collect()
}

// A recorder listens on one thread.
test_on! {
    every_backend_on_one_thread;

    /// rules 52 and 75
    async fn each_attempt_that_failed_is_told(backend) {
        let backend = backend.with_items().await.with_conflicts().await;
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        let runs = Runs::default();
        let work = db.build_transaction().name("checkout").retry(at_once().attempts(3)).atomic(|| async {
            insert(db, 1, "kept").await?;
            if runs.next() < 3 { conflict(db).await } else { Ok(()) }
        });
        work.await.expect("the third attempt commits");
        let code = backend.choose("40001", "1213", "517");
        let told = attempts(recorder.take_ended().await);
        assert_eq!(told.len(), 2, "{told:?}");
        for (number, record) in (1..).zip(told) {
            assert_eq!(record.summary(), format!("event attempt failed 1 [checkout] {code}"));
            let attempts = (record.get("nestling.attempt"), record.get("nestling.attempts"));
            assert_eq!(attempts, (number.to_string().as_str(), "3"));
            assert_eq!((record.get("db.response.status_code"), record.get("nestling.pause_ms")), (code, "0.0"));
            assert!(record.get("nestling.duration_ms").parse::<f64>().is_ok());
            assert!(!record.get("nestling.database").is_empty());
        }

        let work = db.build_transaction().retry(at_once().attempts(2)).atomic(|| conflict(db));
        work.await.expect_err("it never commits");
        let told = attempts(recorder.take_ended().await);
        let pauses: Vec<_> = told.iter().map(|record| (record.get("nestling.attempt"), record.get("nestling.pause_ms"))).collect();
        assert_eq!(pauses, [("1", "0.0"), ("2", "")], "nothing is ahead of the last one");

        // What is not retried is no attempt to be told of.
        let work = db.build_transaction().retry(at_once()).atomic(|| insert(db, 1, "the key is taken"));
        work.await.expect_err("the key is taken");
        assert!(attempts(recorder.take_ended().await).is_empty());
    }
}
