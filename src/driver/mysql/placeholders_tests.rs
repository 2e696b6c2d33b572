//! Tests of the texts that MySQL and MariaDB get.

use super::*;

const MYSQL: Server = Server::of(false);
const MARIADB: Server = Server::of(true);

/// What is sent for a statement with these values.
fn sent(sql: &str, values: &[Value], server: Server) -> String {
    let template = Template::new(sql);
    let types: Vec<_> = template.types(values, server).collect();
    template.text(&types, server, true).unwrap().sql.to_string()
}

#[test]
fn numbers_become_question_marks_in_their_order() {
    let new = |sql: &str| {
        let Template { sql, order, stored: _, effect: _, is_opaque: _ } = Template::new(sql);
        (sql, order)
    };
    let text = |sql: &str, order: Option<&[usize]>| (Arc::from(sql), order.map(Arc::from));
    assert_eq!(new("select 1"), text("select 1", None));
    assert_eq!(new("select ?"), text("select ?", None));
    assert_eq!(new("a = $2 and b = $1, $1"), text("a = ? and b = ?, ?", Some(&[1, 0, 0])));
    assert_eq!(new("'$1' \"$2\" `$3` -- $4\n $12"), text("'$1' \"$2\" `$3` -- $4\n ?", Some(&[11])));
    assert_eq!(new("json->'$.a' = $1"), text("json->'$.a' = ?", Some(&[0])));
    assert_eq!(new("ü$1ü"), text("ü$1ü", None));
    assert_eq!(new("$0 $"), text("$0 $", None));
    assert_eq!(new("5--$1 -- $2"), text("5--? -- $2", Some(&[0])));
}

#[test]
fn comments_and_semicolons_are_no_statement() {
    for empty in ["", " ", "-- nothing\n;;", "/* x */ ; # y"] {
        assert!(is_empty(empty), "{empty}");
    }
    for full in ["do 0", ";do 0", "/*!50000 do 0 */"] {
        assert!(!is_empty(full), "{full}");
    }
}

/// fault 4.1
#[test]
fn what_would_lose_its_type_is_cast() {
    let amount = Value::Decimal(rust_decimal::Decimal::new(250, 2));
    let day = Value::Date(chrono::NaiveDate::MIN);
    let body = Value::Json(serde_json::json!([1]));
    for server in [MYSQL, MARIADB] {
        let sent = |sql: &str, values: &[Value]| sent(sql, values, server);
        let decimal = "CAST(? AS DECIMAL(65,2))";
        assert_eq!(sent("a + $1 > $2 -- $3", &[amount.clone(), 1.into()]), format!("a + {decimal} > ? -- $3"));
        assert_eq!(sent("a in (?, ?)", &[1.into(), amount.clone()]), format!("a in (?, {decimal})"));
        assert_eq!(sent("$2, $1", &[day.clone(), vec![1_u8].into()]), "CAST(? AS BINARY), CAST(? AS DATE)");
        assert_eq!(sent("$1, $1", &[Value::Null]), "?, ?");
    }
    assert_eq!(sent("f(a, $1, $2) = $1", &[true.into(), 1.into()], MYSQL), "f(a, (? <> 0), ?) = ?");
    assert_eq!(sent("a = $1", std::slice::from_ref(&body), MYSQL), "a = CAST(? AS JSON)");
    assert_eq!(sent("a = $1", std::slice::from_ref(&body), MARIADB), "a = ?");
    assert_eq!(sent("f(a, $1)", &[body], MARIADB), "f(a, JSON_COMPACT(?))");
}

#[test]
fn rows_that_are_inserted_need_no_casts() {
    let amount = || Value::Decimal(rust_decimal::Decimal::new(250, 2));
    let stored = |sql: &str| {
        let values = vec![amount(); Template::new(sql).order.map_or(0, |order| order.len())];
        sent(sql, &values, MYSQL).matches("CAST").count()
    };
    assert_eq!(stored("insert into t (a, values_b) values ($1, $2), ($3, $4)"), 0);
    assert_eq!(stored("REPLACE t VALUE ($1, 1, $2)"), 0);
    assert_eq!(stored("insert into t values ($1, f($2), $3 + 1, ($4))"), 3);
    assert_eq!(stored("insert into t values ($1) on duplicate key update a = $2, b = greatest(values(b), $3)"), 2);
    assert_eq!(stored("insert into t values ($1) as new on duplicate key update a = ($2)"), 1);
    assert_eq!(stored("insert into t select $1"), 1);
    assert_eq!(stored("insert into value values ($1)"), 1);
    assert_eq!(stored("update t set a = $1 where (b, c) in ((1, $2))"), 2);
    // Where a value is both stored and used, it is cast in both places.
    assert_eq!(
        sent("insert into t values ($1) on duplicate key update a = $1", &[amount()], MYSQL).matches("CAST").count(),
        2
    );
    assert_eq!(sent("insert into t values (?, ?)", &[amount(), amount()], MYSQL), "insert into t values (?, ?)");
}

#[test]
fn a_wrong_count_is_told_ahead() {
    let template = Template::new("select $2");
    let types = |count| vec![ParamType::Int; count];
    assert!(template.text(&types(1), MYSQL, true).is_err());
    assert!(template.text(&types(2), MYSQL, true).is_ok());
    assert!(template.text(&types(3), MYSQL, true).is_err());
}
