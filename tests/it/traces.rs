//! What is seen by `tracing`. Section M, rule 75.

use nestling::{Database, Error, params};

use crate::{
    harness::Backend,
    recorder::{Record, Recorder},
    wire::statement,
};

/// Every back end, on a runtime of one thread, for one thread is what the recorder listens on.
macro_rules! seen_everywhere {
    ($($(#[$attribute:meta])* async fn $name:ident($backend:ident) $body:block)+) => {$(
        mod $name {
            use super::*;

            $(#[$attribute])*
            async fn test($backend: Backend) $body

            #[tokio::test]
            async fn postgres() {
                test(Backend::postgres().await).await;
            }

            #[tokio::test]
            async fn mariadb() {
                test(Backend::mariadb().await).await;
            }

            #[tokio::test]
            async fn mysql9() {
                test(Backend::mysql().await).await;
            }

            #[tokio::test]
            async fn sqlite() {
                test(Backend::sqlite().await).await;
            }
        }
    )+};
}

async fn insert(db: &Database, id: i64, name: &str) -> nestling::Result<u64> {
    db.execute("insert into item values ($1, $2)", params![id, name]).await
}

/// Each tells the database, the depth, the duration and the outcome.
fn assert_complete(records: &[Record]) {
    assert!(!records.is_empty());
    for record in records {
        for field in ["database", "depth", "duration_us", "outcome"] {
            assert!(!record.get(field).is_empty(), "no {field}: {record:?}");
        }
        assert!(record.get("duration_us").parse::<u64>().is_ok());
        assert_eq!(record.get("database"), records[0].get("database"));
        assert_eq!(!record.get("sql").is_empty(), record.what == "statement");
    }
}

seen_everywhere! {
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
        let expected = [
            "span acquire 1 [checkout] ok",
            "span statement 1 [checkout] ok",
            "event begin 1 [checkout] ok",
            "span statement 2 [gift] ok",
            "event savepoint 2 [_n1] ok",
            "span statement 2 [checkout] ok",
            "event release 2 [_n1] ok",
            "event savepoint 2 [third] ok",
            "span statement 3 [checkout] ok",
            "event release 2 [third] ok",
            "event savepoint 2 [_n1] ok",
            "event savepoint 3 [fourth] ok",
            "span statement 2 [checkout] Server",
            "event release 3 [fourth] Server",
            "span statement 1 [checkout] ok",
            "event rollback to savepoint 2 [_n1] ok",
            "event release 2 [_n1] ok",
            "span commit 1 [checkout] ok",
        ];
        assert_eq!(summaries, expected);
        let statements: Vec<_> = records.iter().filter(|record| record.what == "statement").collect();
        assert!(statements.iter().all(|record| record.get("sql") == "insert into item values ($1, $2)"));
        assert_eq!(statements[0].get("affected"), "1");
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
        assert!(recorder.summaries().is_empty());
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
        assert_eq!(recorder.summaries(), ["span commit 1 [] ok"]);
    }

    /// rule 75
    async fn a_statement_on_its_own(backend) {
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        statement(db).await.expect("a query");
        let records = recorder.take();
        assert_complete(&records);
        let summaries: Vec<_> = records.iter().map(Record::summary).collect();
        assert_eq!(summaries, ["span acquire 0 [] ok", "span statement 0 [] ok"]);
        db.execute("select * from nowhere", params![]).await.expect_err("no table");
        assert_eq!(recorder.summaries(), ["span acquire 0 [] ok", "span statement 0 [] Server"]);
        db.connection(|| async {
            statement(db).await?;
            db.build_transaction().name("pinned").atomic(|| statement(db)).await?;
            statement(db).await
        })
        .await
        .expect("pinned");
        let expected = ["span acquire 0 [] ok", "span statement 0 [] ok", "span statement 1 [pinned] ok",
            "event begin 1 [pinned] ok", "span commit 1 [pinned] ok", "span statement 0 [] ok"];
        assert_eq!(recorder.summaries(), expected);
        let closed = backend.builder().autoconnect(false).build().expect("valid options");
        statement(&closed).await.expect_err("not connected");
        assert_eq!(recorder.summaries(), ["span acquire 0 [] Closed"]);
    }

    /// rule 75: in whatever way a transaction is rolled back, it is seen
    async fn rollbacks_of_every_sort(backend) {
        let backend = backend.with_items().await.with(|builder| builder.max_connections(1));
        let db = &backend.db;
        let named = || db.build_transaction().name("checkout");
        statement(db).await.expect("a connection");
        let (recorder, _guard) = Recorder::start();
        let begun = ["span acquire 1 [checkout] ok", "span statement 1 [checkout] ok", "event begin 1 [checkout] ok"];
        let rolled_back = [&begun[..], &["span rollback 1 [checkout] ok"]].concat();
        let failed = named().atomic(|| async {
            statement(db).await?;
            db.savepoint_named("", || async { Ok::<_, Error>(()) }).await
        });
        failed.await.expect_err("a savepoint needs a name");
        assert_eq!(recorder.summaries(), rolled_back);
        let quiet = named().atomic(|| async {
            statement(db).await?;
            db.set_rollback_only()
        });
        quiet.await.expect("rule 20: without an error");
        assert_eq!(recorder.summaries(), rolled_back);
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
        let mut seen = recorder.take();
        let database = seen[0].get("database").to_owned();
        seen.retain(|record| record.get("database") == database);
        assert_eq!(seen.iter().map(Record::summary).collect::<Vec<_>>(), rolled_back);
        // On MySQL BEGIN is a flight of its own.
        assert_eq!(db.stats().flights - flights, backend.choose(2, 3, 2));
    }

    /// rule 75: BEGIN that is sent at once, and one with the native client
    async fn an_eager_block(backend) {
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        let eager = db.build_transaction().name("checkout").eager().atomic(|| async {
            let records = recorder.take();
            assert_complete(&records);
            let summaries: Vec<_> = records.iter().map(Record::summary).collect();
            assert_eq!(summaries, ["span acquire 1 [checkout] ok", "event begin 1 [checkout] ok"]);
            db.build_transaction().name("gift").eager().atomic(|| async { Ok::<_, Error>(()) }).await
        });
        eager.await.expect("two eager blocks");
        assert_eq!(recorder.summaries(), ["event savepoint 2 [_n1] ok", "span commit 1 [checkout] ok"]);
        let native = db.build_transaction().name("native");
        if backend.is_postgres() {
            native.atomic(|| db.with_postgres(|_| async { Ok::<_, Error>(()) })).await.expect("the client is lent");
        } else if backend.is_mysql() {
            native.atomic(|| db.with_mysql(|_| async { Ok::<_, Error>(()) })).await.expect("the client is lent");
        } else {
            native.atomic(|| db.with_sqlite(|_| Ok::<_, Error>(()))).await.expect("the client is lent");
        }
        let expected = ["span acquire 1 [native] ok", "event begin 1 [native] ok", "span commit 1 [native] ok"];
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
        assert_complete(&records);
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
        let slow = db.atomic(|| db.execute("select pg_sleep(20)", params![]));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(100), slow).await.is_err());
        statement(db).await
    });
    outer.await.expect("the parent goes on");
    let records = recorder.take();
    assert_complete(&records);
    let summaries: Vec<_> = records.iter().map(Record::summary).collect();
    let expected = [
        "span acquire 2 [checkout] ok",
        "span statement 2 [checkout] Dropped",
        "event begin 1 [checkout] Dropped",
        "event savepoint 2 [_n1] Dropped",
        "span statement 1 [checkout] ok",
        "event rollback to savepoint 2 [_n1] ok",
        "event release 2 [_n1] ok",
        "span commit 1 [checkout] ok",
    ];
    assert_eq!(summaries, expected);
}
