//! Which statements a connection keeps, and for how long.

use nestling::{Database, Error, native::mysql_async::prelude::Queryable as _, params};

use super::value;
use crate::harness::Backend;

async fn status(db: &Database, name: &str) -> i64 {
    let row = db.query_one(&format!("show session status like '{name}'"), params![]).await.expect("a row");
    row.get::<String>(1).expect("a text").parse().expect("a number")
}

/// How many statements the session has open, those that ask included.
async fn open(backend: &Backend) -> i64 {
    let db = &backend.db;
    if backend.is_mariadb().await {
        return status(db, "Com_stmt_prepare").await - status(db, "Com_stmt_close").await;
    }
    // MySQL counts it as one more when it prepares a statement anew by itself.
    let sql = "select count(*) from performance_schema.prepared_statements_instances \
               where owner_thread_id = ps_thread_id(connection_id())";
    value(db, sql, params![]).await
}

test_on! {
    mysql_and_mariadb;

    /// fault 2.5: without a cache no statement was ever closed
    async fn without_a_cache_each_statement_is_closed_once_it_has_run(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1).statement_cache_capacity(0));
        let db = &backend.db;
        for number in 0..30_i64 {
            assert_eq!(value::<i64>(db, "select $1 + 0", params![number]).await, number);
            db.query("select (select 1 union select $1)", params![2]).await.expect_err("it fails when it runs");
            db.query("select $1", params![]).await.expect_err("a wrong count");
            db.query("select ?", params![]).await.expect_err("a wrong count");
            let mut rows = db.stream("select $1 union select 2", params![number + 10]).await.expect("a stream");
            while let Some(row) = rows.next().await {
                row.expect("a row");
            }
        }
        db.atomic(|| async { db.execute("insert into item values ($1, $2)", params![1, "a"]).await }).await.expect("a block");
        assert!(status(db, "Com_stmt_prepare").await > 100);
        assert!((0..=2).contains(&open(&backend).await), "{} are open", open(&backend).await);
        backend.settled().await;
    }

    /// fault 2.5: long texts were kept as many as short ones
    async fn long_statements_are_not_kept(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        let db = &backend.db;
        // Those that ask are kept.
        open(&backend).await;
        let before = open(&backend).await;
        for number in 0..5 {
            let sql = format!("select $1 + 0, '{}{number}'", "x".repeat(1 << 20));
            assert_eq!(value::<i64>(db, &sql, params![number]).await, number);
        }
        assert_eq!(open(&backend).await, before);
        // Those of 256 KiB are kept, but not all of them.
        for number in 0..40 {
            let sql = format!("select $1 + 0, '{}{number}'", "x".repeat(1 << 18));
            assert_eq!(value::<i64>(db, &sql, params![number]).await, number);
        }
        assert!(open(&backend).await - before < 12, "{}", open(&backend).await - before);
    }

    /// fault 2.4: one text with values of many types counts as many statements
    async fn the_bound_holds_for_texts_with_values_of_many_types(backend) {
        let backend = backend.with(|options| options.max_connections(1).statement_cache_capacity(10));
        let db = &backend.db;
        for round in 0..3 {
            for number in 0..20 {
                let sql = format!("select $1, {number}");
                db.query(&sql, params![round]).await.expect("a row");
                db.query(&sql, params!["text"]).await.expect("a row");
                db.query(&sql, params![0.5]).await.expect("a row");
                db.query(&sql, params![nestling::Value::Decimal("0.50".parse().expect("a number"))]).await.expect("a row");
            }
        }
        assert!((1..=12).contains(&open(&backend).await), "{} are open", open(&backend).await);
        assert_eq!(value::<String>(db, "select $1, 0", params!["text"]).await, "text");
    }

    /// rule 36: a lent client has statements of its own, and takes none of ours
    async fn a_lent_client_and_ours_do_not_close_each_others_statements(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1).statement_cache_capacity(3));
        let db = &backend.db;
        let work = db.atomic(|| async {
            for round in 0..4_i64 {
                for number in 0..3_i64 {
                    assert_eq!(value::<i64>(db, &format!("select {number} + $1"), params![round]).await, number + round);
                }
                let told = db.with_mysql(|mut client| async move {
                    let mut told = Vec::new();
                    for number in 0..5_i64 {
                        told.push(client.exec_first::<i64, _, _>("select ?", (number,)).await.expect("a row"));
                        let sql = format!("select {number} + ?");
                        client.exec_drop(sql, (1,)).await.expect("a row");
                    }
                    Ok::<_, Error>(told)
                });
                assert_eq!(told.await.expect("rows").len(), 5);
                assert_eq!(value::<String>(db, "select ?", params!["Ann"]).await, "Ann");
            }
            Ok::<_, Error>(())
        });
        work.await.expect("it commits");
        assert_eq!(value::<i64>(db, "select 0 + $1", params![7]).await, 7, "behind the reset");
        backend.settled().await;
    }
}
