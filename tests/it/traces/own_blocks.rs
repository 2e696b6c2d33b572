//! A statement that has a transaction for itself is told as one in a block of the program's is: with its span, BEGIN, COMMIT or
//! ROLLBACK, and the end of the transaction. Rules 55, 74, 75.

use nestling::{Error, scope};

use crate::{
    harness::Backend,
    recorder::{Record, Recorder},
    wire::statement,
};

/// What is told of a statement between the beginning of its transaction and the end.
fn statement_of(class: &str) -> Vec<String> {
    let (whole, what) = if class == "ok" { ("ok", "statement") } else { ("ERROR", "statement failed") };
    vec![
        format!("span transaction  [] {whole}"),
        "span acquire 1 [] ok".into(),
        format!("span statement 1 [] {class}"),
        "event begin 1 [] ok".into(),
        format!("event {what} 1 [] {class}"),
    ]
}

fn committed() -> Vec<String> {
    let end = ["span commit 1 [] ok".to_owned(), "event transaction ended  [] committed".into()];
    [statement_of("ok"), end.to_vec()].concat()
}

/// The summaries, once the clean-up of a connection has ended too.
async fn told(recorder: &Recorder, backend: &Backend) -> Vec<String> {
    backend.settled().await;
    let mut records = recorder.take_ended().await;
    // The observer of the harness is another database.
    records.retain(|record| record.get("nestling.database") == "own");
    records.iter().map(Record::summary).collect()
}

test_on! {
    every_backend_on_one_thread;

    /// rules 55, 75
    async fn a_statement_with_a_transaction_of_its_own_has_its_span(backend) {
        let backend = backend.with(|options| options.max_connections(1).default_read_only(true).name("own"));
        let db = &backend.db;
        let code = backend.choose("42P01", "1146", "1");
        let (recorder, _guard) = Recorder::start();
        statement(db).await.unwrap();
        assert_eq!(told(&recorder, &backend).await, committed());
        if let Some(key) = backend.choose(Some("app.tenant"), Some("lock_wait_timeout"), None) {
            scope(statement(db)).set_local(key, "7").await.unwrap();
            assert_eq!(told(&recorder, &backend).await, committed());
        }
        db.query("select * from nowhere", ()).await.unwrap_err();
        let end = ["span rollback 1 [] ok".to_owned(), "event transaction ended  [] rolled_back".into()];
        assert_eq!(told(&recorder, &backend).await, [statement_of(code), end.to_vec()].concat());

        let streamed = async |sql| {
            let mut rows = db.stream(sql, ()).await?;
            while rows.next().await.transpose()?.is_some() {}
            Ok::<_, Error>(())
        };
        streamed("select 1").await.unwrap();
        assert_eq!(told(&recorder, &backend).await, committed());
        streamed("select * from nowhere").await.unwrap_err();
        assert_eq!(told(&recorder, &backend).await, [statement_of(code), end.to_vec()].concat());

        let rows = db.stream("select 1", ()).await.unwrap();
        drop(rows);
        let dropped = told(&recorder, &backend).await;
        assert_eq!((dropped.first().unwrap().as_str(), dropped.last().unwrap()), ("span transaction  [] ok", &end[1]));
    }

    /// rules 74, 75: in a sandbox it is a savepoint, and its end is none of a transaction
    async fn a_statement_in_a_sandbox_has_its_span(backend) {
        let backend = backend.with(|options| options.max_connections(1).name("own"));
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        db.sandbox(|| async {
            statement(db).await?;
            let first = recorder.take();
            db.atomic(|| statement(db)).await?;
            let second = recorder.take();
            let spans = |records: &[Record]| records.iter().filter(|record| record.what == "transaction").count();
            assert_eq!((spans(&first), spans(&second)), (1, 1), "as a block has: {first:?}, {second:?}");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    }
}
