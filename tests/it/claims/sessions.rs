//! What `docs/limits.md` says of session state: what a change of it costs, and which changes are not seen.

use nestling::{Database, params};

use crate::harness::Backend;

async fn text(db: &Database, sql: &str) -> String {
    db.query_one(sql, params![]).await.and_then(|row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

test_on! {
    every_server;

    /// rule 36; limits: "which costs two or three round trips", and "CALL, DO blocks and EXECUTE count as changes"
    async fn a_change_of_the_session_costs_two_or_three_round_trips(backend) {
        let (backend, proxy) = backend.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        let changes: &[&str] = backend.choose(
            &["set statement_timeout = 0", "do $$ begin perform 1; end $$", "call nothing()"],
            &["set @mine = 1", "call nothing()"],
            &[],
        );
        let procedure = backend.choose(
            "create procedure nothing() language sql as $$ select 1 $$", "create procedure nothing() begin end", "",
        );
        backend.observer().batch(procedure).await.expect("a procedure");
        let cost = async |sql: &str| {
            // Prepared, or not, by now.
            db.execute(sql, params![]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            backend.settled().await;
            proxy.reset();
            db.execute(sql, params![]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            backend.settled().await;
            let counts = proxy.counts();
            assert_eq!(counts.connections, 0, "{sql}: the connection is kept");
            counts.flights
        };
        let ordinary = cost(backend.choose("select 1", "do 1", "")).await;
        for sql in changes {
            let more = cost(sql).await - ordinary;
            assert!((2..=3).contains(&more), "{sql}: {more} round trips more, {:?}", proxy.counts().steps);
        }
    }

    /// limits: "Session state that other code sets is not seen"
    async fn what_a_function_sets_is_left_to_the_next_user(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let function = backend.choose(
            "create function leave() returns text language sql as $$ select set_config('statement_timeout', '12345', false) $$",
            "create function leave_zone() returns integer deterministic begin set time_zone = '+05:00'; return 1; end",
            "",
        );
        backend.observer().batch(function).await.expect("a function");
        let (call, probe, set) = backend.choose(
            ("select leave()", "select current_setting('statement_timeout')", "12345ms"),
            ("select leave_zone()", "select @@time_zone", "+05:00"),
            ("", "", ""),
        );
        let as_new = text(db, probe).await;
        assert_ne!(as_new, set);
        db.query(call, params![]).await.expect("it is called");
        assert_eq!(text(db, probe).await, set);
        // What is seen sets back all of it.
        db.execute(backend.choose("set lock_timeout = 0", "set @mine = 1", ""), params![]).await.expect("a setting");
        assert_eq!(text(db, probe).await, as_new);
    }
}

/// rule 36; limits: the connection is closed, and another opened
#[tokio::test]
async fn a_change_of_a_sqlite_session_costs_its_connection() {
    let backend = Backend::sqlite().await.with_items().await;
    let db = &backend.db;
    db.connect().await.expect("a connection");
    assert_eq!(db.stats().connections, 1);
    db.execute("pragma cache_size = 77", params![]).await.expect("a pragma");
    wait_while!(db.stats().connections > 0, by yielding);
    assert_ne!(db.query_one("pragma cache_size", params![]).await.expect("a row").get::<i64>(0).expect("a number"), 77);
}

/// limits: a database in memory keeps its connection: what changes no statement's meaning stays
#[tokio::test]
async fn a_database_in_memory_keeps_what_changes_no_statement() {
    let db = Database::open("sqlite::memory:").expect("a database");
    let number = async |sql: &str| -> i64 {
        db.query_one(sql, params![]).await.and_then(|row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    };
    db.execute("pragma cache_size = 77", params![]).await.expect("a pragma");
    db.execute("attach ':memory:' as other", params![]).await.expect("another");
    db.execute("create table other.thing (x integer)", params![]).await.expect("a table");
    db.execute("create temp table mine (x integer)", params![]).await.expect("a table");
    db.execute("pragma recursive_triggers = on", params![]).await.expect("a pragma");
    assert_eq!(number("pragma cache_size").await, 77);
    assert_eq!(number("select count(*) from other.thing").await + number("select count(*) from mine").await, 0);
    assert_eq!(number("pragma recursive_triggers").await, 0, "it changes what statements do");
    assert_eq!(number("pragma foreign_keys").await, 1);
}
