//! Which spans and events there are, in which order, for each way through a transaction. Section M, rule 75.

use nestling::{Error, params};

use crate::{
    harness::{Backend, insert},
    recorder::{Record, Recorder},
    wire::statement,
};

/// Each tells its database; events tell how long it took, and those of statements the text.
fn assert_complete(records: &[Record]) {
    assert!(!records.is_empty());
    for record in records {
        assert_eq!(record.get("nestling.database"), records[0].get("nestling.database"), "{record:?}");
        assert_eq!(record.is_span, record.get("nestling.duration_ms").parse::<f64>().is_err(), "{record:?}");
        assert_eq!(record.what.starts_with("statement"), !record.get("db.query.text").is_empty(), "{record:?}");
    }
}

test_on! {
    every_backend_on_one_thread;

    /// rule 75
    async fn a_transaction_with_its_savepoints(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        let work = db.build_transaction().name("checkout").atomic(|| async {
            insert(db, 1, "one").await?;
            db.build_transaction().name("gift").atomic(|| insert(db, 2, "two")).await?;
            db.savepoint_named("third", || insert(db, 3, "three")).await?;
            let undone = db.atomic(|| async {
                db.savepoint_named("fourth", || insert(db, 4, "four")).await?;
                insert(db, 4, "again").await
            });
            undone.await.expect_err("the key is taken");
            insert(db, 5, "five").await
        });
        work.await.expect("the transaction");
        let records = recorder.take();
        assert_complete(&records);
        let summaries: Vec<_> = records.iter().map(Record::summary).collect();
        let code = backend.choose("23505", "1062", "1555");
        let failed = |what: &str| format!("{what} {code}");
        // The steps ahead of what failed have not.
        let expected = [
            "span transaction  [checkout] ok".to_owned(),
            "span acquire 1 [checkout] ok".into(),
            "span statement 1 [checkout] ok".into(),
            "event begin 1 [checkout] ok".into(),
            "event statement 1 [checkout] ok".into(),
            "span statement 2 [gift] ok".into(),
            "event savepoint 2 [_n1] ok".into(),
            "event statement 2 [gift] ok".into(),
            "span statement 2 [checkout] ok".into(),
            "event release 2 [_n1] ok".into(),
            "event savepoint 2 [third] ok".into(),
            "event statement 2 [checkout] ok".into(),
            "span statement 3 [checkout] ok".into(),
            "event release 2 [third] ok".into(),
            "event savepoint 2 [_n1] ok".into(),
            "event savepoint 3 [fourth] ok".into(),
            "event statement 3 [checkout] ok".into(),
            failed("span statement 2 [checkout]"),
            "event release 3 [fourth] ok".into(),
            failed("event statement failed 2 [checkout]"),
            "span statement 1 [checkout] ok".into(),
            "event rollback to savepoint 2 [_n1] ok".into(),
            "event release 2 [_n1] ok".into(),
            "event statement 1 [checkout] ok".into(),
            "span commit 1 [checkout] ok".into(),
            "event transaction ended  [checkout] committed".into(),
        ];
        assert_eq!(summaries, expected);
        let statements: Vec<_> = records.iter().filter(|record| record.what == "statement").collect();
        assert!(statements.iter().all(|record| record.get("db.query.text") == "insert into item values ($1, $2)"));
        assert_eq!(statements[0].get("nestling.affected_rows"), "1");
        let ended = records.last().expect("the end");
        let counts = ["nestling.transaction.statements", "nestling.transaction.flights"].map(|field| ended.get(field));
        assert_eq!(counts[0], "6");
        let flights: u64 = counts[1].parse().expect("a number");
        // Statements and COMMIT; on MySQL steps have messages of their own, and statements are prepared by one.
        assert!((7..=16).contains(&flights), "{flights}");
        assert!(ended.get("nestling.opened_at").contains("traces/seen.rs:"), "{ended:?}");
    }

    /// rule 75: nothing for what sent nothing
    async fn a_block_that_sent_nothing_is_not_seen(backend) {
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        let empty = db.build_transaction().name("checkout").read_only().atomic(|| async {
            db.atomic(|| async { db.savepoint_named("inner", || async { Ok::<_, Error>(()) }).await }).await?;
            db.savepoint(|| db.savepoint_named("", || async { Ok::<_, Error>(()) })).await
        });
        empty.await.expect_err("a savepoint needs a name");
        db.connection(|| async { Ok::<_, Error>(()) }).await.expect("an empty pin");
        // But for the span of the program's own block.
        assert_eq!(recorder.summaries(), ["span transaction  [checkout] ERROR"]);
        // Nor is an inner one in a transaction that is seen.
        db.atomic(|| async {
            statement(db).await?;
            recorder.take();
            db.build_transaction().name("gift").atomic(|| async { Ok::<_, Error>(()) }).await?;
            assert!(recorder.summaries().is_empty());
            Ok::<_, Error>(())
        })
        .await
        .expect("a block");
        assert_eq!(recorder.summaries(), ["span commit 1 [] ok", "event transaction ended  [] committed"]);
    }

    /// rule 75
    async fn a_statement_on_its_own(backend) {
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        statement(db).await.expect("a query");
        let records = recorder.take();
        assert_complete(&records);
        let summaries: Vec<_> = records.iter().map(Record::summary).collect();
        let one = ["span acquire 0 [] ok", "span statement 0 [] ok", "event statement 0 [] ok"];
        assert_eq!(summaries, one);
        db.execute("select * from nowhere", params![]).await.expect_err("no table");
        let code = backend.choose("42P01", "1146", "1");
        let [span, event] = ["span statement", "event statement failed"].map(|what| format!("{what} 0 [] {code}"));
        assert_eq!(recorder.summaries(), ["span acquire 0 [] ok", &*span, &*event]);
        db.connection(|| async {
            statement(db).await?;
            db.build_transaction().name("pinned").atomic(|| statement(db)).await?;
            statement(db).await
        })
        .await
        .expect("pinned");
        let in_a_block = [
            "span transaction  [pinned] ok",
            "span statement 1 [pinned] ok",
            "event begin 1 [pinned] ok",
            "event statement 1 [pinned] ok",
            "span commit 1 [pinned] ok",
            "event transaction ended  [pinned] committed",
        ];
        assert_eq!(recorder.summaries(), [&one[..], &in_a_block, &one[1..]].concat());
        let closed = backend.builder().autoconnect(false).build().expect("valid options");
        statement(&closed).await.expect_err("not connected");
        assert_eq!(recorder.summaries(), ["span acquire 0 [] Closed", "event no connection 0 [] Closed"]);
    }

    /// rule 75: in whatever way a transaction is rolled back, it is seen
    async fn rollbacks_of_every_sort(backend) {
        let backend = backend.with_items().await.with(|builder| builder.max_connections(1).name("seen"));
        let db = &backend.db;
        let named = || db.build_transaction().name("checkout");
        statement(db).await.expect("a connection");
        let (recorder, _guard) = Recorder::start();
        let begun = [
            "span acquire 1 [checkout] ok",
            "span statement 1 [checkout] ok",
            "event begin 1 [checkout] ok",
            "event statement 1 [checkout] ok",
        ];
        let end = ["span rollback 1 [checkout] ok", "event transaction ended  [checkout] rolled_back"];
        let rolled_back = |first| [&[first], &begun[..], &end].concat();
        let failed = named().atomic(|| async {
            statement(db).await?;
            db.savepoint_named("", || async { Ok::<_, Error>(()) }).await
        });
        failed.await.expect_err("a savepoint needs a name");
        assert_eq!(recorder.summaries(), rolled_back("span transaction  [checkout] ERROR"));
        let quiet = named().atomic(|| async {
            statement(db).await?;
            db.set_rollback_only()
        });
        quiet.await.expect("rule 20: without an error");
        assert_eq!(recorder.summaries(), rolled_back("span transaction  [checkout] ok"));
        // Dropped where it stands: the connection is cleaned up behind its back.
        let flights = db.stats().flights;
        let (begin, has_begun) = tokio::sync::oneshot::channel();
        let dropped = named().atomic(|| async {
            statement(db).await?;
            let _ = begin.send(());
            std::future::pending::<nestling::Result<()>>().await
        });
        tokio::select! {
            _ = dropped => unreachable!("it pends"),
            begun = has_begun => begun.expect("it has begun"),
        }
        backend.settled().await;
        // The observer of the harness is another database.
        let mut seen = recorder.take_ended().await;
        seen.retain(|record| record.get("nestling.database") == "seen" || record.get("nestling.transaction.name") == "checkout");
        let seen: Vec<_> = seen.iter().map(Record::summary).collect();
        assert_eq!(seen, rolled_back("span transaction  [checkout] ok"));
        // On MySQL BEGIN is a flight of its own.
        assert_eq!(db.stats().flights - flights, backend.choose(2, 3, 2));
    }

    /// rule 75: it is rolled back with the next statement of the connection
    async fn a_dropped_transaction_on_a_pinned_connection(backend) {
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        let pinned = db.connection(|| async {
            let (begin, has_begun) = tokio::sync::oneshot::channel();
            let dropped = db.build_transaction().name("checkout").atomic(|| async {
                statement(db).await?;
                let _ = begin.send(());
                std::future::pending::<nestling::Result<()>>().await
            });
            tokio::select! {
                _ = dropped => unreachable!("it pends"),
                begun = has_begun => begun.expect("it has begun"),
            }
            recorder.take_ended().await;
            statement(db).await
        });
        pinned.await.expect("the connection is used on");
        let expected = [
            "span statement 0 [] ok",
            "event transaction ended  [checkout] rolled_back",
            "event rollback 1 [] ok",
            "event statement 0 [] ok",
        ];
        assert_eq!(recorder.summaries(), expected);
    }

    /// rule 75: BEGIN that is sent at once, and one with the native client
    async fn an_eager_block(backend) {
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        let eager = db.build_transaction().name("checkout").eager().atomic(|| async {
            let records = recorder.take();
            let summaries: Vec<_> = records.iter().map(Record::summary).collect();
            let begun = ["span acquire 1 [checkout] ok", "event begin 1 [checkout] ok", "span transaction  [checkout] ok"];
            assert_eq!(summaries, begun);
            db.build_transaction().name("gift").eager().atomic(|| async { Ok::<_, Error>(()) }).await
        });
        eager.await.expect("two eager blocks");
        let ended = ["event savepoint 2 [_n1] ok", "span commit 1 [checkout] ok", "event transaction ended  [checkout] committed"];
        assert_eq!(recorder.summaries(), ended);
        let native = db.build_transaction().name("native");
        if backend.is_postgres() {
            native.atomic(|| db.with_postgres(|_| async { Ok::<_, Error>(()) })).await.expect("the client is lent");
        } else if backend.is_mysql() {
            native.atomic(|| db.with_mysql(|_| async { Ok::<_, Error>(()) })).await.expect("the client is lent");
        } else {
            native.atomic(|| db.with_sqlite(|_| Ok::<_, Error>(()))).await.expect("the client is lent");
        }
        let expected = [
            "span transaction  [native] ok",
            "span acquire 1 [native] ok",
            "event begin 1 [native] ok",
            "span commit 1 [native] ok",
            "event transaction ended  [native] committed",
        ];
        assert_eq!(recorder.summaries(), expected);
    }

    /// rules 53, 75
    async fn values_are_never_seen(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let secret = "hunter2";
        let (recorder, _guard) = Recorder::start();
        let options = db.build_transaction().name("checkout");
        let options = if backend.is_postgres() { options.set_local("app.tenant", secret) } else { options };
        let work = options.atomic(|| async {
            insert(db, 1, secret).await?;
            db.atomic(|| insert(db, 2, secret)).await.expect_err("the name is taken");
            db.query("select * from item where name = $1", params![secret]).await?;
            let mut rows = db.stream("select * from item where name = $1", params![secret]).await?;
            while let Some(row) = rows.next().await {
                assert_eq!(row?.get::<String>("name")?, secret);
            }
            let number = "select cast(cast($1 as text) as integer)";
            let number = backend.choose(number, "insert into item values ($1, null)", number);
            db.atomic(|| async { db.query(number, params![secret]).await.map(|_| ()) }).await.ok();
            insert(db, 1, secret).await
        });
        work.await.expect_err("the key is taken");
        let records = recorder.take();
        assert!(records.len() > 10);
        assert!(!format!("{records:?}").contains(secret), "{records:?}");
    }
}

/// rule 75: a statement that was dropped in flight has an outcome too
#[tokio::test]
async fn a_dropped_statement_is_seen_with_its_steps() {
    let backend = Backend::postgres().await.with(|builder| builder.max_connections(1));
    let db = &backend.db;
    statement(db).await.expect("a connection");
    let (recorder, _guard) = Recorder::start();
    let outer = db.build_transaction().name("checkout").atomic(|| async {
        let before = db.stats().statements;
        let sent = async {
            wait_while!(db.stats().statements == before, by yielding);
        };
        tokio::select! {
            biased;
            ended = db.atomic(|| db.execute("select pg_sleep(600)", params![])) => panic!("it does not end: {ended:?}"),
            () = sent => {}
        }
        statement(db).await
    });
    outer.await.expect("the parent goes on");
    let expected = [
        "span transaction  [checkout] ok",
        "span acquire 2 [checkout] ok",
        "span statement 2 [checkout] Dropped",
        "event statement dropped 2 [checkout] Dropped",
        "event begin 1 [checkout] Dropped",
        "event savepoint 2 [_n1] Dropped",
        "span statement 1 [checkout] ok",
        "event rollback to savepoint 2 [_n1] ok",
        "event release 2 [_n1] ok",
        "event statement 1 [checkout] ok",
        "span commit 1 [checkout] ok",
        "event transaction ended  [checkout] committed",
    ];
    assert_eq!(recorder.summaries(), expected);
}
