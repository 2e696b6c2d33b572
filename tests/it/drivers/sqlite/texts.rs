//! Long texts: SQLite looks the names of parameters up one after the other.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use nestling::{Database, Params, Value, params};

use crate::harness::Backend;

/// A query for the sum of all its parameters, each times its number, in an order that is not theirs.
fn sum(mark: char, count: i64) -> String {
    // SQLite adds up to a thousand terms in one expression; a list has no such limit.
    let mut sql = String::from("with v(n, x) as (values ");
    for at in 0..count {
        let number = (at * 7) % count + 1;
        let _ = write!(sql, "{}({number}, {mark}{number})", if at == 0 { "" } else { ", " });
    }
    sql + ") select sum(n * x), '$1', count(*) from v"
}

fn values(count: i64) -> Params {
    (1..=count).map(|value| Value::from(value % 10)).collect::<Vec<_>>().into()
}

/// How long a long list takes: the shortest of several times, each with a text of its own.
async fn list(db: &Database, mark: &str, count: i64) -> Duration {
    let mut shortest = Duration::MAX;
    for round in 0..3 {
        let places: Vec<_> = (1..=count).map(|number| format!("{mark}{number}")).collect();
        let sql = format!("select {round} in ({}), '$1'", places.join(", "));
        let start = Instant::now();
        let params = if mark.is_empty() { params![] } else { values(count) };
        db.query_one(&sql, params).await.expect("a row");
        shortest = shortest.min(start.elapsed());
    }
    shortest
}

/// kind: quadratic in the number of parameters (fault 3.8)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_numbered_parameters_cost_what_they_should() {
    let backend = Backend::sqlite().await;
    let (db, count) = (&backend.db, 2_764);
    let expected: i64 = (1..=count).map(|n| n * (n % 10)).sum();
    for mark in ['?', '$'] {
        let row = db.query_one(&sum(mark, count), values(count)).await.expect("a sum");
        assert_eq!(row.to::<(i64, String, i64)>().expect("three values"), (expected, "$1".into(), count));
    }
    for mark in ["?", "$"] {
        // Once is enough: a busy machine may hold up either of the two.
        for round in 1.. {
            let (took, without) = (list(db, mark, 32_766).await, list(db, "", 32_766).await);
            if took < 20 * without {
                break;
            }
            assert!(round < 10, "{mark}: {took:?}, and {without:?} with numbers in their place");
        }
    }
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
