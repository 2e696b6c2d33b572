//! What ends at a time limit is told as failed, with the error that its caller gets, whether the server ends it or this crate; and
//! what is dropped as dropped. Rules 54, 75.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use metrics::LocalRecorderGuard;
use metrics_util::debugging::DebuggingRecorder;
use nestling::{Database, Error, ErrorKind, scope};
use tokio::time::timeout;
use tracing::Level;

use crate::{
    dialects::endless,
    harness::insert,
    metrics::{Seen, recorder},
    proxy::Side,
    recorder::Recorder,
    support::waits::PATIENCE,
};

/// A time that is over soon, and one that no test takes.
const SOON: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(600);

/// Tells what a call has failed with: its kind, and the class that is told of it.
async fn late<T: Debug>(kind: ErrorKind, call: impl Future<Output = Result<T, Error>>) -> String {
    let error = timeout(Duration::from_secs(60), call).await.expect("its time ends it").expect_err("its time is over");
    assert_eq!(error.kind(), kind, "{error:?}");
    error.code().map_or_else(|| format!("{kind:?}"), str::to_owned)
}

/// The one statement that was told of: that it has failed, and the class of its error.
async fn assert_told(recorder: &Recorder, class: &str) {
    let records = recorder.take_ended().await;
    let is_ours = |text: &str| text.starts_with("with") || text.starts_with("insert");
    let told: Vec<_> = records.iter().filter(|record| is_ours(record.get("db.query.text"))).collect();
    let [span, event] = told[..] else { panic!("no span and event of one statement: {records:?}") };
    assert!(span.is_span && span.get("otel.status_code") == "ERROR", "{span:?}");
    assert_eq!((event.what.as_str(), event.level), ("statement failed", Some(Level::WARN)));
    assert_eq!((span.get("error.type"), event.get("error.type")), (class, class));
}

/// How often an operation of that class was measured.
fn measured(recorder: &DebuggingRecorder, db: &Database, class: &str) -> usize {
    Seen::of(recorder, db).times("db.client.operation.duration", &[("error.type", class)]).len()
}

fn both() -> (Recorder, &'static DebuggingRecorder, impl Sized) {
    let (told, told_guard) = Recorder::start();
    let (measures, measures_guard): (_, LocalRecorderGuard<'static>) = recorder();
    (told, measures, (told_guard, measures_guard))
}

/// A call fails at its time while its statement is under way, and that is told. Returns how often an operation of that class was
/// measured.
async fn fails_at_work<T: Debug>(db: &Database, kind: ErrorKind, call: impl AsyncFn() -> Result<T, Error>) -> usize {
    let start = Instant::now();
    loop {
        // Its time is not for the making of a connection.
        wait_while!(db.ping().await.is_err());
        let ((told, measures, _guards), before) = (both(), db.stats().statements);
        let class = late(kind, call()).await;
        // On a busy machine its time may be over before anything is sent.
        if db.stats().statements > before {
            assert_told(&told, &class).await;
            return measured(measures, db, &class);
        }
        assert!(start.elapsed() < PATIENCE, "nothing is sent");
    }
}

test_on! {
    every_backend_on_one_thread;

    /// rules 54, 75, 77
    async fn a_statement_that_is_out_of_time_has_failed(backend) {
        let backend = backend.with_items().await;
        let endless = endless(backend.db.dialect());
        let of = |options: nestling::DatabaseBuilder| options.max_connections(1).acquire_timeout(LONG).build().unwrap();
        let limited = of(backend.builder().statement_timeout(SOON));
        let own = of(backend.builder().statement_timeout(SOON).default_read_only(true));
        let plain = of(backend.builder());
        let late = ErrorKind::StatementTimeout;
        for db in [&limited, &own] {
            assert_eq!(fails_at_work(db, late, async || db.query(endless, ()).await).await, 1);
            fails_at_work(db, late, async || db.batch(endless).await).await;
            fails_at_work(db, late, async || db.connection(|| db.query(endless, ())).await).await;
            fails_at_work(db, late, async || db.atomic(|| db.query(endless, ())).await).await;
            // On MySQL and MariaDB it has begun to answer.
            if !backend.is_mysql() {
                let streamed = async || {
                    let mut rows = db.stream(endless, ()).await?;
                    rows.next().await.transpose()
                };
                fails_at_work(db, late, streamed).await;
            }
            if let Some(key) = backend.choose(Some("app.tenant"), Some("lock_wait_timeout"), None) {
                fails_at_work(db, late, async || scope(db.query(endless, ())).set_local(key, "7").await).await;
            }
        }
        let (db, late, block) = (&plain, ErrorKind::Timeout, || plain.build_transaction().timeout(SOON));
        assert_eq!(fails_at_work(db, late, async || block().atomic(|| db.query(endless, ())).await).await, 1);
        fails_at_work(db, late, async || block().atomic(|| db.atomic(|| db.query(endless, ()))).await).await;
        let (told, measures, _guards) = both();
        // Nobody gets an error of it, as its future is gone.
        let before = plain.stats().statements;
        let begun = async {
            wait_while!(plain.stats().statements == before, by yielding);
        };
        tokio::select! {
            biased;
            ended = plain.query(endless, ()) => panic!("it does not end: {ended:?}"),
            () = begun => {}
        }
        let records = told.take_ended().await;
        let ends: Vec<_> = records.iter().filter(|record| record.what.starts_with("statement ")).collect();
        assert_eq!((ends.len(), ends[0].what.as_str(), ends[0].level), (1, "statement dropped", Some(Level::DEBUG)));
        assert_eq!(measured(measures, &plain, "Cancelled"), 1);
    }
}

test_on! {
    every_server_on_one_thread;

    /// rules 54, 75, 77: the server does not answer, so that it ends nothing by itself
    async fn a_statement_whose_answer_does_not_come_has_failed_at_its_time(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        for (kind, is_own) in [(ErrorKind::Timeout, false), (ErrorKind::StatementTimeout, true)] {
            proxy.reset();
            insert(db, i64::from(is_own), &format!("{kind:?}")).await.unwrap();
            // Not that of a helper of the last round, which may come now.
            let is_insert = |text: &str| text.starts_with("insert");
            let ours = proxy.counts().steps.iter().rfind(|step| is_insert(&step.text)).unwrap().connection;
            let start = Instant::now();
            let (told, measures, _guards) = loop {
                let ((told, measures, guards), before) = (both(), db.stats().statements);
                proxy.stall_when(move |message| message.from == Side::Server && message.connection == ours);
                let block = db.build_transaction();
                let block = if is_own { block.statement_timeout(SOON) } else { block.timeout(SOON) };
                let class = late(kind, block.atomic(|| insert(db, 7, "late"))).await;
                assert_eq!(class, format!("{kind:?}"), "no server told it");
                proxy.release();
                if db.stats().statements > before {
                    break (told, measures, guards);
                }
                assert!(start.elapsed() < PATIENCE, "nothing is sent");
            };
            backend.settled().await;
            let class = format!("{kind:?}");
            let records = told.take_ended().await;
            let event = records.iter().find(|record| record.what.starts_with("statement ")).expect("it is told");
            assert_eq!((event.what.as_str(), event.level), ("statement failed", Some(Level::WARN)));
            assert_eq!(event.get("error.type"), class);
            assert_eq!(measured(measures, db, &class), 1);
        }
    }
}
