//! The errors of native clients as errors of this crate: `?` in the closures that they are lent to.

use std::error::Error as _;

use bytes::Bytes;
use futures_util::SinkExt as _;
use nestling::{
    Database, Dialect, Error, ErrorKind,
    blocks::Retry,
    native::{PostgresClient, mysql_async, mysql_async::prelude::Queryable as _, rusqlite, tokio_postgres},
    params,
};

use crate::{
    harness::{Backend, insert},
    test_servers,
};

/// Runs a text by the native client.
async fn run(db: &Database, sql: &'static str) -> Result<(), Error> {
    match db.dialect() {
        Dialect::Postgres => {
            db.with_postgres(|client| async move { Ok::<_, Error>(client.batch_execute(sql).await?) }).await
        }
        Dialect::Mysql => {
            db.with_mysql(|mut client| async move { Ok::<_, Error>(client.query_drop(sql).await?) }).await
        }
        _ => db.with_sqlite(move |client| Ok::<_, Error>(client.execute_batch(sql)?)).await,
    }
}

/// Whether the source is the error of the native client.
fn has_native_source(error: &Error) -> bool {
    error.source().is_some_and(|source| {
        source.is::<tokio_postgres::Error>() || source.is::<mysql_async::Error>() || source.is::<rusqlite::Error>()
    })
}

async fn copy(client: PostgresClient, lines: &'static str) -> Result<u64, Error> {
    let sink = client.copy_in::<_, Bytes>("copy item (id, name) from stdin").await?;
    let mut sink = std::pin::pin!(sink);
    sink.send(Bytes::from_static(lines.as_bytes())).await?;
    Ok(sink.finish().await?)
}

test_on! {
    every_backend;

    /// rules 14 and 53
    async fn an_error_of_the_client_is_classed_as_that_of_a_statement(backend) {
        let db = &backend.db;
        let table = "create table person (id integer primary key, email varchar(100) not null,
            constraint person_email_key unique (email))";
        db.batch(table).await.unwrap();
        db.batch("insert into person values (1, 'ada@example.org')").await.unwrap();
        let sql = "insert into person values (2, 'ada@example.org')";
        let by_call = db.batch(sql).await.unwrap_err();
        let error = db.atomic(|| run(db, sql)).await.unwrap_err();
        assert!(error.is_unique_violation() && has_native_source(&error), "{error:?}");
        assert_eq!((error.kind(), error.code()), (by_call.kind(), by_call.code()));
        assert_eq!((error.constraint(), error.table()), (by_call.constraint(), by_call.table()));
        assert_eq!(error.sqlstate(), backend.choose(Some("23505"), Some("23000"), None));
        assert_eq!(by_call.sqlstate(), error.sqlstate());
        assert_eq!(error.severity(), backend.choose(Some("ERROR"), None, None));
        for form in [error.to_string(), format!("{error:?}"), format!("{error:#?}")] {
            assert!(!form.contains("example.org"), "a value is told: {form}");
        }
        let null = run(db, "insert into person values (3, null)").await.unwrap_err();
        assert!(null.is_not_null_violation() && null.column() == Some("email"), "{null:?}");
        let missing = run(db, "select nothing from nowhere").await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Server);
        backend.settled().await;
    }
}

/// rules 14 and 53: COPY that violates a key
#[tokio::test]
async fn a_copy_that_violates_a_key_is_a_unique_violation() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    insert(db, 1, "one").await.unwrap();
    let error = db.atomic(|| db.with_postgres(|client| copy(client, "2\ttwo\n1\tsecret\n"))).await.unwrap_err();
    assert!(error.is_unique_violation() && has_native_source(&error), "{error:?}");
    assert_eq!((error.code(), error.constraint(), error.table()), (Some("23505"), Some("item_pkey"), Some("item")));
    assert!(error.context().is_some_and(|context| context.contains("line 2")), "{:?}", error.context());
    let unread = db.with_postgres(|client| copy(client, "secret\tone\n")).await.unwrap_err();
    assert_eq!(unread.sqlstate(), Some("22P02"));
    for error in [error, unread] {
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
    assert_eq!(backend.items().await, ["one"]);
    backend.settled().await;
}

/// rule 53
#[tokio::test]
async fn what_the_client_of_postgresql_finds_by_itself_has_a_kind() {
    let backend = Backend::postgres().await;
    let db = &backend.db;
    let kind = async |sql: &'static str, parameters: bool| {
        let query = |client: PostgresClient| async move {
            let given: &[&(dyn tokio_postgres::types::ToSql + Sync)] = if parameters { &[&"text"] } else { &[] };
            let row = client.query_one(sql, given).await?;
            Ok::<i32, Error>(row.try_get("wanted")?)
        };
        db.with_postgres(query).await.map_err(|error| {
            assert!(has_native_source(&error));
            error.kind()
        })
    };
    assert_eq!(kind("select 1 as wanted", false).await, Ok(1));
    assert_eq!(kind("select 'x'::text as wanted", false).await, Err(ErrorKind::Decode));
    assert_eq!(kind("select 1 as other", false).await, Err(ErrorKind::Decode));
    assert_eq!(kind("select $1::int as wanted", false).await, Err(ErrorKind::Parameter), "one too few");
    assert_eq!(kind("select $1::int as wanted", true).await, Err(ErrorKind::Parameter), "of another type");
    assert_eq!(kind("select 1 as wanted where false", false).await, Err(ErrorKind::Other));
    assert_eq!(kind("select pg_terminate_backend(pg_backend_pid())", false).await, Err(ErrorKind::ConnectionLost));
    let refused = tokio_postgres::connect("host=127.0.0.1 port=1 user=nobody", tokio_postgres::NoTls).await;
    let Err(refused) = refused.map(drop) else { panic!("nothing listens there") };
    assert_eq!(Error::from(refused).kind(), ErrorKind::Connect);
}

/// rule 53: what only PostgreSQL tells, of statements and of clients
#[tokio::test]
async fn position_context_severity_and_hint_are_told() {
    let backend = Backend::postgres().await;
    let db = &backend.db;
    let sql = "select 1 + nothing from pg_class";
    for error in
        [db.query(sql, ()).await.unwrap_err(), db.batch(sql).await.unwrap_err(), run(db, sql).await.unwrap_err()]
    {
        assert_eq!((error.position(), error.severity(), error.context()), (Some(12), Some("ERROR"), None));
    }
    // Steps that go ahead do not count.
    let block = db.atomic(|| async { db.query(sql, params![]).await });
    assert_eq!(block.await.unwrap_err().position(), Some(12));
    let raise = "do $$ begin raise exception 'no' using hint = 'try again', errcode = '40001'; end $$";
    for error in [db.batch(raise).await.unwrap_err(), run(db, raise).await.unwrap_err()] {
        assert_eq!((error.hint(), error.position()), (Some("try again"), None));
        assert!(error.context().is_some_and(|context| context.contains("RAISE")), "{:?}", error.context());
        assert!(error.is_serialization_failure() && error.sqlstate() == error.code());
    }
    let kill = db.query("select pg_terminate_backend(pg_backend_pid())", ()).await.unwrap_err();
    assert_eq!((kill.severity(), kill.sqlstate()), (Some("FATAL"), Some("57P01")));
}

/// rules 52 and 53: a failure of the client is retried as that of a statement
#[tokio::test]
async fn a_retry_sees_the_class_of_a_clients_error() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    let attempts = std::cell::Cell::new(0);
    let body = || async {
        attempts.set(attempts.get() + 1);
        if attempts.get() == 1 {
            run(db, "do $$ begin raise exception 'no' using errcode = '40001'; end $$").await?;
        }
        insert(db, attempts.get(), "kept").await
    };
    db.build_transaction().retry(Retry::serialization()).atomic(body).await.unwrap();
    assert_eq!((attempts.get(), backend.items().await.len()), (2, 1));
    backend.settled().await;
}

/// rule 53
#[tokio::test]
async fn the_server_that_refuses_a_connection_tells_its_sqlstate() {
    let url = |url: String| url.rsplit_once('/').map(|(server, _)| format!("{server}/no_such_database")).unwrap();
    let postgres = Database::open(&url(test_servers::postgres_url())).unwrap().connect().await.unwrap_err();
    assert_eq!((postgres.sqlstate(), postgres.severity()), (Some("3D000"), Some("FATAL")));
    let mysql = Database::open(&url(test_servers::mysql_url())).unwrap().connect().await.unwrap_err();
    assert!(mysql.sqlstate().is_some_and(|state| state.len() == 5), "{mysql:?}");
    assert!(mysql.code().is_some_and(|code| code.len() == 4), "{mysql:?}");
}
