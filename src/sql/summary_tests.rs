//! Tests of summaries, most of them by the examples of OpenTelemetry's conventions, and of texts without literals.

use super::*;

use Syntax::{Mysql, Postgres, Sqlite};

/// rule 75: the examples of `docs/db/database-spans.md`, "Generating a summary of the query", version 1.44.0
#[test]
fn summaries_are_those_of_the_conventions() {
    for (sql, wanted) in [
        ("SELECT *\nFROM   wuser_table\nWHERE  username = ?", "SELECT wuser_table"),
        (
            "INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders WHERE order_id = ?",
            "INSERT shipping_details SELECT orders",
        ),
        ("SELECT * FROM songs, artists WHERE songs.artist_id == artists.id", "SELECT songs artists"),
        (
            "SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = c.customer_id)",
            "SELECT SELECT orders customers",
        ),
        ("call some_stored_procedure", "call some_stored_procedure"),
    ] {
        assert_eq!(summary(sql, Postgres), wanted);
    }
    assert_eq!(summary("SELECT * FROM \"song list\"", Postgres), "SELECT \"song list\"");
    assert_eq!(summary("SELECT * FROM `song list`, [a b]", Sqlite), "SELECT `song list` [a b]");
}

/// rule 75
#[test]
fn an_operation_is_told_from_words_of_expressions() {
    for (sql, wanted) in [
        ("select 1", "select"),
        ("  -- a comment\n(select a from b)", "select b"),
        (
            "select extract(year from born), a is distinct from b from s.person p, pet where x in (1, 2)",
            "select s.person pet",
        ),
        ("select name, replace(a, b), trim(both from c) from pet order by name, age for update", "select pet"),
        ("insert into pet (a, b) values ($1, $2) on conflict (a) do update set b = $2 returning a, b", "insert pet"),
        ("insert or replace into pet values (1)", "insert pet"),
        ("replace into pet values (1)", "replace pet"),
        ("update only pet set age = 1 from owner where a = b", "update pet owner"),
        ("delete from pet where id in (select pet from sold)", "delete pet select sold"),
        (
            "with x as (delete from pet returning id), y as (select 1) insert into old select id from x",
            "delete pet select insert old select x",
        ),
        ("select a from b union all select c from d", "select b select d"),
        ("values (1), (2)", "values"),
        ("explain analyze delete from pet", "explain delete pet"),
        ("create table if not exists pet (id integer references owner on delete cascade)", "create table pet"),
        ("create unique index concurrently at on pet (a)", "create index at"),
        ("create trigger t after insert on pet begin delete from a; update b set c = 1; end", "create trigger t"),
        ("alter table pet add column a integer", "alter table pet"),
        ("truncate table pet", "truncate table pet"),
        ("SET LOCAL search_path = 'x'", "SET search_path"),
        ("do $$ begin delete from pet; end $$", "do"),
        ("create table a (x integer); create table b (y integer)", "BATCH"),
        ("select 1;", "select"),
        ("", ""),
        ("-- nothing", ""),
        ("?", ""),
        ("select * from generate_series(1, 3) g, pet", "select generate_series pet"),
    ] {
        assert_eq!(summary(sql, Postgres), wanted, "{sql}");
    }
    assert_eq!(summary("insert ignore into `a b`.pet values (\"x\")", Mysql), "insert `a b`.pet");
    assert_eq!(summary("select 1 from \"x\"", Mysql), "select", "a string, unless the session says otherwise");
    assert_eq!(summary("pragma foreign_keys = on", Sqlite), "pragma foreign_keys");
    let long = format!("select * from {}", vec!["a_table_of_some_length"; 40].join(", "));
    let found = summary(&long, Postgres);
    assert!(
        found.len() <= LONGEST + 40 && found.starts_with("select a_table") && !found.ends_with("a_table"),
        "{found}"
    );
}

/// rule 75
#[test]
fn literals_are_left_out_of_a_text() {
    for (syntax, sql, wanted) in [
        (
            Postgres,
            "select 'a''b', 1.5, \"c\", true from t1 where x = -7",
            "select ?, ?.?, \"c\", ? from t1 where x = -?",
        ),
        (Postgres, "select $a$ secret $a$, E'x', 0x1f, 'ü'", "select ?, E?, ?, ?"),
        (Postgres, "select 'a\\' secret' from b", "select …"),
        (Mysql, "select \"secret\", `name` from t", "select ?, `name` from t"),
        (Mysql, "select 'it\\'s a secret'", "select …"),
        (Sqlite, "select 'C:\\' || x, [y], \"z\"", "select ? || x, [y], \"z\""),
        (Sqlite, "select 'without an end", "select ?"),
        (Sqlite, "/* kept */ select ünique", "/* kept */ select ünique"),
    ] {
        assert_eq!(without_literals(sql, syntax), wanted);
    }
}
