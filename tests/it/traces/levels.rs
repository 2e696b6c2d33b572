//! At which level an event is told, and what it tells: statements that fail, that are slow, that come as streams, in batches and by
//! blocking calls; the ends of transactions; values of parameters. Rule 75.

use std::time::Duration;

use nestling::{Dialect, ErrorKind, params};
use tracing::Level;

use crate::{
    dialects::{numbers, sleeps},
    harness::insert,
    proxy::Side,
    recorder::{Record, Recorder},
    wire::statement,
};

/// The events of statements.
fn statements(recorder: &Recorder) -> Vec<Record> {
    let is_one = |record: &Record| !record.is_span && record.what.starts_with("statement");
    recorder.take().into_iter().filter(is_one).collect()
}

/// The one that was told of.
fn one(mut records: Vec<Record>) -> Record {
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

test_on! {
    every_backend_on_one_thread;

    /// rule 75: one event for each statement, wherever it runs
    async fn every_finished_statement_is_an_event_of_its_own(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let sql = numbers(db.dialect());
        let (recorder, _guard) = Recorder::start();
        insert(db, 1, "one").await.expect("an insert");
        let told = one(statements(&recorder));
        assert_eq!((told.what.as_str(), told.level), ("statement", Some(Level::DEBUG)));
        assert_eq!((told.get("nestling.affected_rows"), told.get("db.query.summary")), ("1", "insert item"));

        assert_eq!(db.query("select * from item where id = $1", params![1]).await.expect("a query").len(), 1);
        assert_eq!(one(statements(&recorder)).get("db.response.returned_rows"), "1");

        let mut rows = db.stream(sql, params![5]).await.expect("a stream");
        while let Some(row) = rows.next().await {
            row.expect("a row");
        }
        let told = one(statements(&recorder));
        assert_eq!((told.what.as_str(), told.get("db.response.returned_rows")), ("statement", "5"));
        drop(rows);

        let mut rows = db.stream(sql, params![5]).await.expect("a stream");
        rows.next().await.expect("a row").expect("a row");
        drop(rows);
        let told = one(statements(&recorder));
        assert_eq!((told.what.as_str(), told.level), ("statement dropped", Some(Level::DEBUG)));
        assert_eq!((told.get("db.response.returned_rows"), told.get("error.type")), ("1", "Dropped"));

        db.batch("delete from item; delete from item").await.expect("a batch");
        let told = one(statements(&recorder));
        assert_eq!((told.what.as_str(), told.get("db.query.summary")), ("statement", "BATCH"));

        let sync = db.sync();
        sync.atomic(|| sync.execute("insert into item values ($1, $2)", params![2, "two"])).expect("a blocking block");
        let records = recorder.take_ended().await;
        let told: Vec<_> = records.iter().filter(|record| !record.is_span && record.what != "begin").collect();
        let told: Vec<_> = told.iter().map(|record| record.what.as_str()).collect();
        assert_eq!(told, ["statement", "transaction ended"]);
        assert!(records.iter().any(|record| record.is_span && record.what == "transaction"));
    }

    /// rules 53, 75
    async fn a_statement_that_fails_is_a_warning_with_its_code(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        insert(db, 1, "one").await.expect("an insert");
        let (recorder, _guard) = Recorder::start();
        let error = insert(db, 1, "two").await.expect_err("the key is taken");
        let told = one(statements(&recorder));
        assert_eq!((told.what.as_str(), told.level), ("statement failed", Some(Level::WARN)));
        let code = error.code().expect("the server's code");
        assert_eq!((told.get("db.response.status_code"), told.get("error.type")), (code, code));
        assert_eq!(told.get("exception.message"), error.to_string());

        // Its words may repeat a literal of the text.
        db.execute("insert into item values (1, 'hunter2')", params![]).await.expect_err("the key is taken");
        let told = one(statements(&recorder));
        assert_eq!((told.get("error.type"), told.get("exception.message")), (code, ""));
        assert_eq!(told.get("db.query.text"), "insert into item values (?, ?)");

        // What is refused before it is sent has no code.
        db.execute("insert into item values ($1, $2)", params![1]).await.expect_err("a parameter is missing");
        let told = one(statements(&recorder));
        assert_eq!((told.level, told.get("error.type")), (Some(Level::WARN), "Parameter"));
        assert_eq!(told.get("db.response.status_code"), "");
    }

    /// rule 75
    async fn a_slow_statement_is_a_warning(backend) {
        let sleep = backend.choose(sleeps(Dialect::Postgres, 0.2), sleeps(Dialect::Mysql, 0.2), "select 1".into());
        let at = |time| backend.builder().slow_statement_threshold(time).build().expect("valid options");
        let [slow, quick] = [Duration::from_millis(100), Duration::from_secs(3_600)].map(at);
        let (recorder, _guard) = Recorder::start();
        if backend.is_postgres() || backend.is_mysql() {
            slow.query(&sleep, params![]).await.expect("it ends");
            let told = one(statements(&recorder));
            assert_eq!((told.what.as_str(), told.level), ("statement was slow", Some(Level::WARN)));
            let taken: f64 = told.get("nestling.duration_ms").parse().expect("a number");
            assert!(taken >= 100.0, "{taken}");
        }
        quick.query(&sleep, params![]).await.expect("it ends");
        assert_eq!(one(statements(&recorder)).level, Some(Level::DEBUG));
        let every = at(Duration::ZERO);
        statement(&every).await.expect("a query");
        assert_eq!(one(statements(&recorder)).level, Some(Level::WARN));
    }

    /// rules 16, 75
    async fn the_end_of_a_transaction_tells_what_it_was(backend) {
        let backend = backend.with_items().await.with(|builder| builder.name("orders"));
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        let ended = |recorder: &Recorder| {
            let is_end = |record: &Record| record.what == "transaction ended";
            one(recorder.take().into_iter().filter(is_end).collect())
        };
        db.build_transaction().name("two").atomic(|| async {
            insert(db, 1, "one").await?;
            insert(db, 2, "two").await
        })
        .await
        .expect("a transaction");
        let told = ended(&recorder);
        assert_eq!(told.level, Some(Level::DEBUG));
        assert_eq!(told.get("nestling.database"), "orders");
        assert_eq!(told.get("nestling.transaction.outcome"), "committed");
        assert_eq!(told.get("nestling.transaction.statements"), "2");
        assert!(told.get("nestling.transaction.id").parse::<u64>().is_ok());
        assert!(told.get("nestling.opened_at").contains("levels.rs:"));

        let failed = db.atomic(|| async {
            insert(db, 3, "three").await?;
            insert(db, 3, "again").await
        });
        failed.await.expect_err("the key is taken");
        let told = ended(&recorder);
        assert_eq!((told.level, told.get("nestling.transaction.outcome")), (Some(Level::DEBUG), "rolled_back"));
        assert_eq!(told.get("nestling.transaction.statements"), "2");
        assert_eq!(told.get("error.type"), "", "it has ended as the body wanted");
    }

    /// rules 53, 75
    async fn values_are_told_only_where_that_was_asked_for(backend) {
        let backend = backend.with_items().await;
        let (recorder, _guard) = Recorder::start();
        insert(&backend.db, 1, "hunter2").await.expect("an insert");
        backend.db.query("select 'hunter2'", params![]).await.expect("a query");
        assert!(!format!("{:?}", recorder.take()).contains("hunter2"));
        let db = backend.builder().log_parameters(true).build().expect("valid options");
        insert(&db, 2, "hunter3").await.expect("an insert");
        let records = recorder.take();
        let told: Vec<_> = records.iter().filter(|record| record.what == "statement").collect();
        assert_eq!(told.len(), 2, "a span and an event");
        assert!(told.iter().all(|record| record.get("nestling.query.parameters") == "$1 = 2, $2 = \"hunter3\""), "{told:?}");
        db.query("select * from item where name = $1", params!["x".repeat(1_000)]).await.expect("a query");
        let long = one(statements(&recorder));
        assert!(long.get("nestling.query.parameters").len() < 100, "{long:?}");
        db.query("select 'hunter4'", params![]).await.expect("a query");
        assert_eq!(one(statements(&recorder)).get("db.query.text"), "select 'hunter4'");
    }
}

/// rules 16, 75: a COMMIT that the server refuses
#[tokio::test]
async fn a_refused_commit_is_a_warning_with_its_code() {
    let backend = crate::harness::Backend::postgres().await.with_items().await;
    let db = &backend.db;
    db.batch("create table gift (item bigint references item deferrable initially deferred)").await.expect("a table");
    let (recorder, _guard) = Recorder::start();
    let refused = db.atomic(|| db.execute("insert into gift values ($1)", params![1])).await;
    assert!(refused.expect_err("there is no such item").is_foreign_key_violation());
    let records = recorder.take();
    let told = one(records.into_iter().filter(|record| record.what == "transaction ended").collect());
    assert_eq!((told.level, told.get("nestling.transaction.outcome")), (Some(Level::WARN), "rolled_back"));
    assert_eq!((told.get("db.response.status_code"), told.get("error.type")), ("23503", "23503"));
}

test_on! {
    every_server_on_one_thread;

    /// rules 16, 33 and 75
    async fn a_lost_connection_and_an_outcome_that_is_not_known_are_warnings(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy();
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        let ended = async || {
            let records = recorder.take_ended().await;
            let told = one(records.into_iter().filter(|record| record.what == "transaction ended").collect());
            (told.level, told.get("nestling.transaction.outcome").to_owned(), told.get("error.type").to_owned())
        };
        let work = db.atomic(|| async {
            insert(db, 1, "one").await?;
            proxy.cut();
            insert(db, 2, "two").await
        });
        assert!(work.await.expect_err("it is lost").is_connection_lost());
        assert_eq!(ended().await, (Some(Level::WARN), "lost".into(), String::new()));

        proxy.stall_when(|message| message.from == Side::Client && message.text.contains("COMMIT"));
        let cut = async {
            proxy.stalled().await;
            proxy.cut();
        };
        let (result, ()) = tokio::join!(db.atomic(|| insert(db, 3, "three")), cut);
        assert_eq!(result.expect_err("nobody knows").kind(), ErrorKind::CommitUnknown);
        assert_eq!(ended().await, (Some(Level::WARN), "unknown".into(), "CommitUnknown".into()));
    }
}
