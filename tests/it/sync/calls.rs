//! The blocking form of each call that runs a statement.

use std::time::{Duration, Instant};

use nestling::{
    ErrorKind, params,
    query::sea_query::{Alias, Expr, ExprTrait as _, Query as Sea},
};

use crate::{dialects::numbers, support::waits::PATIENCE};

test_on! {
    every_backend;

    async fn every_call_has_its_blocking_form(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.sync();
        db.connect().expect("it connects");
        assert_eq!(db.execute("insert into item values ($1, $2)", params![1, "one"]).expect("an insert"), 1);
        db.batch("insert into item values (2, 'two'); insert into item values (3, 'three')").expect("a batch");
        let rows = db.query("select name from item where id > $1 order by id", params![1]).expect("a query");
        let names: Vec<String> = rows.iter().map(|row| row.get(0).expect("a name")).collect();
        assert_eq!(names, ["two", "three"]);
        assert_eq!(db.query_one("select id from item where name = $1", params!["two"]).expect("one").get::<i32>(0).expect("an id"), 2);
        assert!(db.query_opt("select id from item where id = 9", params![]).expect("none").is_none());
        let insert = Sea::insert()
            .into_table(Alias::new("item"))
            .columns([Alias::new("id"), Alias::new("name")])
            .values_panic([4.into(), "four".into()])
            .take();
        assert_eq!(db.blocking(async |db| db.run(&insert).await).expect("an insert").affected, 1);
        let select = Sea::select()
            .column(Alias::new("name"))
            .from(Alias::new("item"))
            .and_where(Expr::col(Alias::new("id")).eq(4))
            .take();
        let selected = db.blocking(async |db| db.run(&select).await).expect("a select");
        assert_eq!(selected.rows[0].get::<String>(0).expect("a name"), "four");
        assert_eq!(backend.items().await, ["four", "one", "three", "two"], "all is committed");
        assert_eq!(db.dialect(), backend.db.dialect());
        assert_eq!(db.stats().expect("it is its own").transactions, 0);
        assert_eq!(backend.db.stats().connections, 0, "it has connections of its own");
    }
}

test_on! {
    every_backend;

    async fn errors_are_those_of_the_asynchronous_calls(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.sync();
        let kind = |error: nestling::Error| error.kind();
        assert_eq!(kind(db.query_one("select id from item", params![]).unwrap_err()), ErrorKind::NoRow);
        assert_eq!(kind(db.query_one("select 1 union select 2", params![]).unwrap_err()), ErrorKind::ManyRows);
        assert_eq!(kind(db.execute("begin", params![]).unwrap_err()), ErrorKind::ControlStatement);
        assert_eq!(kind(db.execute("select $1", params![]).unwrap_err()), ErrorKind::Parameter);
        let error = db.query("select nothing from item", params![]).unwrap_err();
        assert_eq!((error.kind(), error.statement()), (ErrorKind::Server, Some("select nothing from item")));
        db.execute("insert into item values (1, 'one')", params![]).unwrap();
        assert!(db.execute("insert into item values (1, 'two')", params![]).unwrap_err().is_unique_violation());
    }
}

test_on! {
    every_backend;

    async fn rows_one_by_one_may_be_dropped_half_way(backend) {
        let db = backend.db.sync();
        let sql = numbers(db.dialect());
        let all: i64 = db.stream(sql, params![5_000]).unwrap().map(|row| row.unwrap().get::<i64>(0).unwrap()).sum();
        assert_eq!(all, 5_000 * 5_001 / 2);
        let mut rows = db.stream(sql, params![500_000]).unwrap();
        assert_eq!(rows.next().unwrap().unwrap().get::<i64>(0).unwrap(), 1);
        drop(rows);
        let block = db.atomic(|| {
            let mut rows = db.stream(sql, params![5_000])?;
            rows.next().unwrap()?;
            drop(rows);
            db.query_one("select 7", params![])?.get::<i64>(0)
        });
        assert_eq!(block.unwrap(), 7);
        let mut rows = db.stream(sql, params![2]).unwrap();
        assert_eq!(rows.by_ref().count(), 2);
        assert!(rows.next().is_none(), "it stays at its end");
    }
}

test_on! {
    every_backend;

    /// rule 59: threads wait for a connection, first come, first served, and not for ever
    async fn a_connection_is_waited_for_as_long_as_was_said(backend) {
        let backend = backend.with(|options| options.max_connections(1).acquire_timeout(Duration::from_millis(200)));
        let db = backend.db.sync();
        let waited = tokio::task::spawn_blocking(move || {
            db.atomic(|| {
                let start = Instant::now();
                // The time is for the making of a connection, too.
                while let Err(error) = db.query("select 1", params![]) {
                    assert!(error.kind() == ErrorKind::PoolTimeout && start.elapsed() < PATIENCE, "{error:?}");
                }
                let start = Instant::now();
                let other = std::thread::scope(|scope| scope.spawn(|| db.query("select 1", params![])).join());
                assert_eq!(other.expect("no panic").unwrap_err().kind(), ErrorKind::PoolTimeout);
                let waited = start.elapsed();
                assert!((Duration::from_millis(150)..PATIENCE).contains(&waited), "{waited:?}");
                db.query("select 1", params![])
            })
            .map(|rows| rows.len())
        });
        assert_eq!(waited.await.expect("no panic").unwrap(), 1);
    }
}

test_on! {
    every_server;

    /// rule 60: what looks at such a connection first must not wait for a runtime that stands still
    async fn a_connection_that_lay_idle_for_long_serves_a_call_that_blocks_its_runtime(backend) {
        let backend = backend.with(|options| options.max_connections(1).acquire_timeout(Duration::from_secs(30)));
        let db = backend.db.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                db.allow_sync(|sync| {
                    sync.query("select 1", params![])?;
                    // Longer than a connection is trusted.
                    std::thread::sleep(Duration::from_millis(600));
                    sync.query("select 1", params![]).map(|rows| rows.len())
                })
            })
        });
        let rows = tokio::task::spawn_blocking(|| thread.join()).await.expect("it waits").expect("no panic");
        assert_eq!(rows.expect("the connection is there"), 1);
    }
}
