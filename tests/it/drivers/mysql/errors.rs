//! What is told of a statement that failed, the same on both servers.

use nestling::{Error, ErrorKind, params};

use super::value;

const SECRET: &str = "hush-'quoted' for key 'x";

test_on! {
    mysql_and_mariadb;

    /// rule 53
    async fn violations_are_told_apart_with_their_names(backend) {
        let db = &backend.db;
        db.batch(
            "create table parent (id int primary key);
             create table child (id int primary key, name varchar(40) not null, code varchar(40), age int, parent int,
                constraint unique_code unique (code), constraint adult check (age >= 18),
                constraint has_parent foreign key (parent) references parent (id));
             insert into parent values (1);
             insert into child values (1, 'a', 'taken', 20, 1)",
        )
        .await
        .expect("tables");
        let child = "insert into child values ($1, $2, $3, $4, $5)";
        db.execute(child, params![2, "a", SECRET, 20, 1]).await.expect("a row");

        let error = db.execute(child, params![3, "a", SECRET, 20, 1]).await.expect_err("the code is taken");
        assert!(error.is_unique_violation() && !error.is_foreign_key_violation(), "{error:?}");
        assert_eq!((error.kind(), error.code(), error.constraint()), (ErrorKind::Server, Some("1062"), Some("unique_code")));
        assert!(error.detail().is_some_and(|detail| detail.contains("hush")), "the detail holds what the server said");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        assert_eq!(error.statement(), Some(child));

        let error = db.execute(child, params![1, "a", "free", 20, 1]).await.expect_err("the id is taken");
        assert_eq!((error.is_unique_violation(), error.constraint()), (true, Some("PRIMARY")));
        let error = db.execute(child, params![4, "a", "b", 20, 99]).await.expect_err("no such parent");
        assert_eq!((error.is_foreign_key_violation(), error.constraint()), (true, Some("has_parent")));
        let error = db.execute("delete from parent where id = $1", params![1]).await.expect_err("it has children");
        assert_eq!((error.is_foreign_key_violation(), error.constraint()), (true, Some("has_parent")));
        let error = db.execute(child, params![4, "a", "b", 17, 1]).await.expect_err("too young");
        assert_eq!((error.is_check_violation(), error.constraint()), (true, Some("adult")));
        let error = db.execute(child, params![4, None::<String>, "b", 20, 1]).await.expect_err("no name");
        assert_eq!((error.is_not_null_violation(), error.column()), (true, Some("name")));
        let error = db.execute("insert into child (id) values ($1)", params![4]).await.expect_err("no name");
        assert_eq!((error.is_not_null_violation(), error.column()), (true, Some("name")));
    }

    /// rule 53: no value in any text
    async fn values_are_never_printed(backend) {
        let db = &backend.db;
        db.batch("create table t (n int, u bigint unsigned, at datetime, s varchar(5), j json)").await.expect("a table");
        let wrong = [
            ("insert into t (n) values ($1)", "hush 1"),
            ("insert into t (at) values ($1)", "hush 2"),
            ("insert into t (s) values ($1)", "hush 3 too long"),
            ("insert into t (j) values ($1)", "hush 4"),
            ("update t set n = 1 where n = cast($1 as datetime)", "hush 5"),
            ("select cast($1 as json)", "hush 6"),
            ("select st_geomfromtext($1)", "hush 7"),
            ("select convert_tz('2024-01-01', $1, 'x'), no_such_function($1)", "hush 8"),
        ];
        for (sql, secret) in wrong {
            if let Err(error) = db.query(sql, params![secret]).await {
                assert!(!format!("{error} {error:?} {:#?}", error).contains("hush"), "{sql}: {error:?}");
            }
        }
        db.execute("insert into t (u) values ($1)", params![77_001]).await.expect("a row");
        let below = db.query("select u - $1 from t", params![77_002]).await.expect_err("below zero");
        assert!(!format!("{below} {below:?}").contains("7700"), "{below:?}");
        let overflow = db.query("select $1 + 9223372036854775807", params![123_456_789]).await.expect_err("too great");
        assert!(!format!("{overflow:?}").contains("123456789"), "{overflow:?}");
    }

    /// rule 53: errors that are nobody's violation
    async fn other_errors_keep_the_connection(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        let db = &backend.db;
        let id: u64 = value(db, "select connection_id()", params![]).await;
        for sql in ["select * from no_such_table", "selec 1", "select no_such_column", "signal sqlstate '45000' set message_text = 'mine'"] {
            let error = db.query(sql, params![]).await.expect_err(sql);
            assert_eq!(error.kind(), ErrorKind::Server, "{sql}: {error:?}");
            assert_eq!(error.statement(), Some(sql));
            let plain = db.execute(sql, params![]).await.expect_err(sql);
            assert_eq!((plain.code(), plain.statement()), (error.code(), error.statement()), "by text as well");
        }
        for (sql, given) in [("select $1", 0), ("select $1", 2), ("select 1", 1), ("select ?, ?", 1)] {
            let given: nestling::Params = (0..given).map(nestling::Value::I64).collect();
            let error = db.query(sql, given).await.expect_err("the wrong number of parameters");
            assert_eq!(error.kind(), ErrorKind::Parameter, "{sql}: {error:?}");
        }
        assert_eq!(value::<u64>(db, "select connection_id()", params![]).await, id);
        db.atomic(|| async {
            db.query("select ?", params![]).await.expect_err("the wrong number of parameters");
            db.query("select 1", params![]).await
        })
        .await
        .map(|_| ())
        .unwrap_or_else(|error: Error| panic!("{error:?}"));
        backend.settled().await;
    }
}
