//! Long texts: SQLite looks the names of parameters up one after the other.

use std::{fmt::Write as _, time::Instant};

use nestling::{Database, Params, Value, params};

use crate::harness::Backend;

/// A query for the sum of all its parameters, each times its number: in their order if the step is 1, else in another one.
fn sum(mark: char, step: i64, count: i64) -> String {
    // SQLite adds up to a thousand terms in one expression; a list has no such limit.
    let mut sql = String::from("with v(n, x) as (values ");
    for at in 0..count {
        let number = (at * step) % count + 1;
        let _ = write!(sql, "{}({number}, {mark}{number})", if at == 0 { "" } else { ", " });
    }
    sql + ") select sum(n * x), '$1', count(*) from v"
}

async fn ask(db: &Database, sql: &str, count: i64) -> (i64, String, i64) {
    let values: Vec<Value> = (1..=count).map(|value| Value::from(value % 10)).collect();
    db.query_one(sql, Params::from(values)).await.expect("a sum").to().expect("three values")
}

/// kind: quadratic in the number of parameters
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_numbered_parameters_cost_what_they_should() {
    let backend = Backend::sqlite().await;
    let db = &backend.db;
    let expected = |count: i64| (1..=count).map(|n| n * (n % 10)).sum::<i64>();
    for mark in ['?', '$'] {
        assert_eq!(ask(db, &sum(mark, 7, 2_764), 2_764).await, (expected(2_764), "$1".into(), 2_764));
    }
    // In their order: out of it SQLite looks numbers up as well.
    let (count, mut took) = (32_766, Vec::new());
    for mark in ['?', '$'] {
        let (sql, start) = (sum(mark, 1, count), Instant::now());
        assert_eq!(ask(db, &sql, count).await, (expected(count), "$1".into(), count));
        took.push(start.elapsed());
    }
    assert!(took[1] < 10 * took[0], "by numbers {:?}, by names {:?}", took[0], took[1]);
}

/// kind: the same text in another form means the same
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_of_long_texts_are_those_of_short_ones() {
    let backend = Backend::sqlite().await;
    let db = &backend.db;
    for blank in ["", &" ".repeat(4_000)] {
        let sql = format!("select $2 || $1 || $2{blank}, '$1' as \"$2\"");
        let row = db.query_one(&sql, params!["a", "b"]).await.expect("a row");
        assert_eq!(row.to::<(String, String)>().expect("two texts"), ("bab".into(), "$1".into()));
        assert_eq!(row.get::<String>("$2").expect("a text"), "$1");
        let wrong = db.query(&sql, params!["a"]).await.expect_err("one is missing");
        assert_eq!(wrong.statement(), Some(&*sql));
        let mut rows = db.stream(&sql, params!["a", "b"]).await.expect("it begins");
        assert_eq!(rows.next().await.expect("a row").expect("it reads").get::<String>(0).expect("a text"), "bab");
        let named = db.query(&format!("select :a{blank}"), params![1]).await.expect_err("it has no number");
        assert!(named.to_string().contains(":a"), "{named}");
    }
}
