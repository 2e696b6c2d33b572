//! Parameters that do not fit: refused by name before anything is sent, and their values never told.

use nestling::{Error, ErrorKind, Params, Value, params, types::Json};
use rust_decimal::Decimal;

use crate::{harness::Backend, proxy::Proxy, test_servers};

const SECRET: &str = "5ecret-value";

/// No form of an error tells a value, nor do the errors that it comes from.
fn assert_silent(error: &Error, secret: &str) {
    let mut all = format!("{error} {error:?}");
    let mut next: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(source) = next {
        all.push_str(&format!(" {source} {source:?}"));
        next = source.source();
    }
    assert!(!all.contains(secret), "the value is told: {all}");
}

/// rule 31: what does not fit is refused before anything is sent, so the block goes on
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_misfit_is_named_and_does_not_abort_the_block() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    let cases: [(&str, Value, &str); 14] = [
        ("int2", 32_768.into(), "i64 does not fit into int2"),
        ("int4", i64::MAX.into(), "i64 does not fit into int4"),
        ("int8", u64::MAX.into(), "u64 does not fit into int8"),
        ("float4", 1e39.into(), "f64 does not fit into float4"),
        ("float8", i64::MAX.into(), "i64 does not fit into float8"),
        ("int4", 1.5.into(), "f64 does not fit into int4"),
        ("int4", Decimal::from_str_exact("1.5").unwrap().into(), "Decimal does not fit into int4"),
        ("int4", SECRET.into(), "str does not fit into int4"),
        ("uuid", SECRET.into(), "str is no valid uuid"),
        ("jsonb", SECRET.into(), "str is no valid jsonb"),
        ("bool", 1.into(), "i64 does not fit into bool"),
        ("text", true.into(), "bool does not fit into text"),
        ("text", format!("{SECRET}\0").into(), "str with a NUL character does not fit into text"),
        ("int2[]", vec![1, 70_000].into(), "element 1: i64 does not fit into int2"),
    ];
    let result = db.atomic(|| async {
        db.execute("insert into item values (1, 'before')", ()).await?;
        for (ty, value, why) in cases {
            let sql = format!("insert into item select 2, $1 where $2::{ty} is not null");
            let error = db.execute(&sql, params![SECRET, value]).await.expect_err(ty);
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Parameter, format!("parameter $2: {why}")));
            assert_eq!(error.statement(), Some(&*sql));
            assert_silent(&error, SECRET);
        }
        db.execute("insert into item values (3, 'behind')", ()).await?;
        Ok::<_, Error>(())
    });
    result.await.expect("no misfit has aborted the block");
    assert_eq!(backend.items().await, ["before", "behind"]);
    backend.settled().await;
}

/// rule 31
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_misfit_of_a_known_statement_never_executes() {
    let backend = Backend::postgres().await.with_items().await;
    let proxy = Proxy::before(&test_servers::postgres_url());
    let db = nestling::Database::open(&proxy.url_for(backend.url())).unwrap();
    let sql = "insert into item values ($1, 'x')";
    db.execute(sql, params![1]).await.unwrap();
    proxy.reset();
    let error = db.execute(sql, params![i64::MAX]).await.unwrap_err();
    assert_eq!(error.to_string(), "parameter $1: i64 does not fit into int4");
    assert_eq!(proxy.counts().executed(), Vec::<&str>::new());
    assert_eq!(backend.items().await, ["x"]);
}

/// rule 31: only the server can read some types; its refusal names the parameter and still tells no value
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_refusal_of_the_server_names_the_parameter() {
    let backend = Backend::postgres().await;
    let db = &backend.db;
    db.batch("create type mood as enum ('sad')").await.unwrap();
    let cases = [
        ("mood", SECRET, "22P02"),
        ("inet", SECRET, "22P02"),
        ("interval", SECRET, "22007"),
        ("numeric", SECRET, "22P02"),
        ("date", SECRET, "22007"),
        ("date", "2024-13-45", "22008"),
        ("int4[]", "{5ecret-value", "22P02"),
        ("timestamptz", "2024-01-01 00:00 5ecret-value/x", "22007"),
        ("inet", "a\"5ecret-value\"b", "22P02"),
    ];
    for (ty, text, code) in cases {
        let sql = format!("select $1::int4, $2::{ty}");
        let error = db.query(&sql, params![1, text]).await.expect_err(ty);
        assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some(code)), "{ty}: {error}");
        assert!(error.to_string().starts_with("parameter $2: "), "{ty}: {error}");
        assert_eq!(error.statement(), Some(&*sql));
        assert_silent(&error, SECRET);
        assert_silent(&error, "2024-13-45");
    }
    let result = db.atomic(|| async {
        db.query("select $1::mood", params![SECRET]).await.unwrap_err();
        let error = db.query("select 1", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Aborted, "the server has seen it: the block is aborted");
        assert_silent(&error, SECRET);
        Ok::<_, Error>(())
    });
    let error = result.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RolledBack);
    assert_silent(&error, SECRET);
    backend.settled().await;
}

test_on! {
    every_backend;

    /// rule 32: a value that cannot be stored is refused by the number of its parameter, and the block goes on. MySQL has
    /// unsigned integers, and does not say what a parameter is for: there the server refuses one that is too large.
    async fn what_no_back_end_takes_is_refused(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let no_json = Json(std::collections::HashMap::from([((1, 2), SECRET)]));
        let result = db.atomic(|| async {
            let sql = "insert into item values ($1, $2)";
            let error = db.execute(sql, params![1, no_json]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Parameter);
            assert!(error.to_string().starts_with("parameter $2: "), "{error}");
            assert_silent(&error, SECRET);
            let error = db.execute(sql, params![u64::MAX, SECRET]).await.unwrap_err();
            if backend.is_mysql() {
                assert_eq!((error.kind(), error.code(), error.column()), (ErrorKind::Server, Some("1264"), Some("id")));
            } else {
                assert_eq!(error.kind(), ErrorKind::Parameter);
                assert!(error.to_string().starts_with("parameter $1: u64 does not fit into "), "{error}");
            }
            assert_silent(&error, SECRET);
            db.execute(sql, params![1, "kept"]).await?;
            Ok::<_, Error>(())
        });
        result.await.expect("nothing was sent");
        assert_eq!(backend.items().await, ["kept"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 32
    async fn too_few_and_too_many_parameters_are_refused(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let result = db.atomic(|| async {
            for (given, said) in [
                (params![], "the statement takes 2 parameters, 0 were given"),
                (params![1], "the statement takes 2 parameters, 1 was given"),
                (params![1, "x", SECRET], "the statement takes 2 parameters, 3 were given"),
            ] {
                let error = db.execute("insert into item values ($1, $2)", given).await.unwrap_err();
                assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::Parameter, said));
                assert_silent(&error, SECRET);
            }
            let error = db.query("select 1", params![1]).await.unwrap_err();
            assert_eq!(error.to_string(), "the statement takes 0 parameters, 1 was given");
            db.execute("insert into item values ($1, $2)", params![1, "kept"]).await?;
            Ok::<_, Error>(())
        });
        result.await.expect("nothing was sent");
        assert_eq!(backend.items().await, ["kept"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 8: parameters are found by their number, whatever their order and however often they are used
    async fn parameters_may_repeat_and_come_in_any_order(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.execute("insert into item values ($2, $1)", params!["second", 2]).await.unwrap();
        let twice = "insert into item values ($1, 'n' || cast(cast($1 as integer) as text))";
        let twice = backend.choose(twice, "insert into item values ($1, concat('n', $1))", twice);
        db.execute(twice, params![3]).await.unwrap();
        let sql = "select id from item where id = $1 or (id > $1 and id < $2) or id = $1 order by id";
        let rows = db.query(sql, params![2, 9]).await.unwrap();
        let ids: Vec<i64> = rows.iter().map(|row| row.get(0).unwrap()).collect();
        assert_eq!(ids, [2, 3]);
        assert_eq!(backend.items().await, ["n3", "second"]);
    }
}

/// rule 32: SQLite's own marks work as well
#[tokio::test]
async fn sqlite_takes_question_marks() {
    let backend = Backend::sqlite().await.with_items().await;
    let db = &backend.db;
    db.execute("insert into item values (?, ?)", params![1, "one"]).await.unwrap();
    db.execute("insert into item values (?2, ?1)", params!["two", 2]).await.unwrap();
    assert_eq!(backend.items().await, ["one", "two"]);
    let error = db.execute("insert into item values (:id, 'x')", params![3]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Parameter);
    assert!(error.to_string().contains(":id"), "{error}");
}

/// rule 32: SQLite would store NULL in its place
#[tokio::test]
async fn sqlite_refuses_nan_and_arrays() {
    let backend = Backend::sqlite().await;
    let db = &backend.db;
    db.batch("create table number (x real)").await.unwrap();
    for nan in [Value::from(f64::NAN), Value::from(f32::NAN)] {
        let error = db.execute("insert into number values ($1)", Params::from(vec![nan])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parameter);
        assert!(error.to_string().starts_with("parameter $1: "), "{error}");
    }
    let error = db.execute("insert into number values ($1)", params![vec![1, 2]]).await.unwrap_err();
    assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::Unsupported, "parameter $1: SQLite has no arrays"));
    let count: i64 = db.query_one("select count(*) from number", ()).await.unwrap().get(0).unwrap();
    assert_eq!(count, 0);
}
