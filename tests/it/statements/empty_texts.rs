//! Texts that hold no statement: the same clear error on every back end, before anything is sent.

use nestling::{Error, ErrorKind, params};

use crate::harness::insert;

test_on! {
    every_backend;

    /// kind: what no server can make sense of is refused before it is sent, in the same words everywhere
    async fn a_text_without_a_statement_is_refused(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        insert(db, 1, "before").await.expect("it writes");
        let flights = db.stats().flights;
        let texts = ["", " ", "\n\t\r\n", ";", " ; ;; ", "-- a comment", "-- one\n/* two */ ;\n--three", "/**/", "\u{feff}"];
        for sql in texts {
            let refused = [
                db.execute(sql, params![]).await.map(|_| ()),
                db.execute(sql, params![1]).await.map(|_| ()),
                db.query(sql, params![]).await.map(|_| ()),
                db.query_one(sql, params![]).await.map(|_| ()),
                db.query_opt(sql, params![]).await.map(|_| ()),
                db.stream(sql, params![]).await.map(|_| ()),
            ];
            for result in refused {
                let error = result.expect_err("there is nothing to run");
                assert_eq!((error.kind(), error.statement()), (ErrorKind::Parameter, Some(sql)), "{sql:?}");
                assert!(error.to_string().contains("no statement"), "{error}");
            }
        }
        assert_eq!(db.stats().flights, flights, "nothing was sent");
        // A block around it is not harmed, and a text of any number of statements may have none.
        let block = db.atomic(|| async {
            db.execute("", params![]).await.expect_err("there is nothing to run");
            db.batch(" -- nothing\n").await?;
            insert(db, 2, "in a block").await?;
            Ok::<_, Error>(())
        });
        block.await.expect("it commits");
        assert_eq!(backend.items().await, ["before", "in a block"]);
        backend.settled().await;
    }
}

test_on! {
    mysql_and_mariadb;

    /// the same kind: what is a comment elsewhere is a statement here
    async fn a_statement_in_an_executed_comment_is_one(backend) {
        let row = backend.db.query_one("/*! select 7 */", params![]).await.expect("a row");
        assert_eq!(row.get::<i64>(0).expect("a number"), 7);
    }
}
