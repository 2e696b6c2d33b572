//! Statements with several results: none is dropped without a word.

use nestling::{Error, ErrorKind, params};

use super::value;

const PROCEDURES: [&str; 5] = [
    "create table seen (id int primary key auto_increment, what varchar(20))",
    "create procedure two() begin select 1 as a union select 2; select 'x' as b, 'y' as c; insert into seen (what) values ('two'); end",
    "create procedure one(n int) begin insert into seen (what) values ('one'); select n as a union select n + 1; end",
    "create procedure none() begin insert into seen (what) values ('none'), ('of'); end",
    "create procedure empty_second() begin select 1; select 2 from seen where id < 0; end",
];

test_on! {
    mysql_and_mariadb;

    /// fault 4.7: the rows of a second result were lost
    async fn a_second_result_is_told(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        let db = &backend.db;
        for sql in PROCEDURES {
            db.batch(sql).await.expect(sql);
        }
        for sql in ["call two()", "call empty_second()"] {
            for _ in 0..2 {
                let error = db.query(sql, params![]).await.expect_err("there are two");
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
                assert_eq!(error.statement(), Some(sql));
                assert!(error.to_string().contains("with_mysql"), "{error}");
            }
            let mut rows = db.stream(sql, params![]).await.expect("a stream");
            rows.next().await.expect("a row").expect("of the first result");
            let error = loop {
                match rows.next().await.expect("an error at the end") {
                    Ok(_) => {}
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
            assert!(rows.next().await.is_none());
            drop(rows);
            // No rows are wanted here.
            db.execute(sql, params![]).await.expect("a call");
            db.batch(sql).await.expect("a call");
        }
        let stats = db.stats();
        assert_eq!(stats.connections, 1, "the connection is as good as before");
        assert_eq!(value::<i64>(db, "select count(*) from seen", params![]).await, 5, "each call has run, once");
        backend.settled().await;
    }

    /// rule 32: the block goes on, and what the call did is part of it
    async fn a_second_result_harms_no_block(backend) {
        let db = &backend.db;
        for sql in PROCEDURES {
            db.batch(sql).await.expect(sql);
        }
        db.atomic(|| async {
            db.query("call two()", params![]).await.expect_err("there are two");
            let inner = db.atomic(|| db.query("call two()", params![])).await;
            inner.expect_err("there are two");
            db.execute("insert into seen (what) values ($1)", params!["behind"]).await
        })
        .await
        .expect("it commits");
        let rows = backend.observer().query("select what from seen order by id", params![]).await.expect("the rows");
        let seen: Vec<String> = rows.iter().map(|row| row.get(0).expect("a text")).collect();
        assert_eq!(seen, ["two", "behind"]);
        backend.settled().await;
    }

    async fn a_call_with_one_result_or_none_is_as_any_statement(backend) {
        let db = &backend.db;
        for sql in PROCEDURES {
            db.batch(sql).await.expect(sql);
        }
        for start in [5_i64, 8] {
            let rows = db.query("call one($1)", params![start]).await.expect("two rows");
            assert_eq!(rows.iter().map(|row| row.get::<i64>(0).expect("a number")).collect::<Vec<_>>(), [start, start + 1]);
            let mut rows = db.stream("call one($1)", params![start]).await.expect("a stream");
            let mut count = 0;
            while let Some(row) = rows.next().await {
                row.expect("no error");
                count += 1;
            }
            assert_eq!(count, 2);
        }
        assert!(db.query("call none()", params![]).await.expect("no rows").is_empty());
        db.execute("call none()", params![]).await.expect("a call");
        let none = db.atomic(|| async { Ok::<_, Error>(db.query("call none()", params![]).await?.len()) });
        assert_eq!(none.await.expect("no rows"), 0);
        assert_eq!(value::<i64>(db, "select count(*) from seen", params![]).await, 10);
    }
}
