//! Rows that are kept together, and what the driver remembers of a statement between its runs.

use chrono::NaiveDateTime;
use nestling::{Error, Row, native::mysql_async::prelude::Queryable as _, params};

use super::value;

/// What a row of [`MANY`] must hold.
fn check(row: &Row, number: i64) -> Result<(), Error> {
    assert_eq!(row.get::<i64>("i")?, number);
    assert_eq!(row.get::<String>("short")?, format!("row {number}"));
    assert_eq!(row.get::<Option<&str>>("gone")?, None);
    let long = row.get::<&str>("length")?;
    assert!(long.len() as i64 == number % 7 * 3_000 && long.bytes().all(|byte| byte == b'x'), "row {number}");
    assert_eq!(row.get::<NaiveDateTime>("at")?.and_utc().timestamp(), number * 1_000);
    assert_eq!(row.get::<f64>("half")?, number as f64 / 2.0);
    Ok(())
}

/// More rows than are kept together, some of them with long texts: 5 MB in all.
const MANY: &str = "with recursive n (i) as (select 1 union all select i + 1 from n where i < $1) \
    select i, concat('row ', i) as short, null as gone, repeat('x', i % 7 * 3000) as length, \
    timestampadd(second, i * 1000, timestamp '1970-01-01 00:00:00') as at, i / 2e0 as half from n";

test_on! {
    mysql_and_mariadb;

    /// rules 2 and 8: short texts and long ones, in batches that are full by their number and by their size
    async fn rows_that_are_kept_together_are_each_themselves(backend) {
        let db = &backend.db;
        let rows = db.query(MANY, params![600]).await.expect("rows");
        assert_eq!(rows.len(), 600);
        for (row, number) in rows.iter().zip(1..) {
            check(row, number).expect("its values");
        }
        let last = rows.into_iter().nth(450).expect("there are more");
        check(&last, 451).expect("a row keeps its values when the others are gone");
        assert!(last.get::<i64>(6).is_err(), "there is no seventh column, and no other row is looked at");
        let mut stream = db.stream(MANY, params![600]).await.expect("a stream");
        for number in 1..=600 {
            check(&stream.next().await.expect("600 rows").expect("no error"), number).expect("its values");
        }
        assert!(stream.next().await.is_none());
        backend.settled().await;
    }

    /// rule 2: what was remembered of the columns is not taken for those of a table that was changed
    async fn a_changed_table_is_read_by_its_new_columns(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let db = &backend.db;
        db.execute("insert into item values (1, 'first')", params![]).await.expect("a row");
        let all = || async { db.query_one("select * from item where id = $1", params![1]).await };
        assert_eq!(all().await.expect("a row").to::<(i64, String)>().expect("two columns"), (1, "first".into()));
        for (change, columns) in [
            ("alter table item add column added varchar(10) not null default 'new'", vec!["id", "name", "added"]),
            ("alter table item drop column name", vec!["id", "added"]),
            ("alter table item modify added varbinary(10) not null default 'new'", vec!["id", "added"]),
        ] {
            db.batch(change).await.expect(change);
            let row = all().await.expect(change);
            assert_eq!(row.columns().collect::<Vec<_>>(), columns, "{change}");
            let is_bytes = row.get::<&[u8]>("added").is_ok();
            assert!(is_bytes == change.contains("varbinary") && is_bytes != row.get::<&str>("added").is_ok(), "{change}");
        }
        backend.settled().await;
    }

    /// rules 2 and 22: a statement is known by its number at the server only for as long as the driver keeps it
    async fn a_statement_that_the_driver_has_closed_is_prepared_again(backend) {
        let mut backend = backend;
        for capacity in [0, 1, 2, 5] {
            backend = backend.with(|options| options.max_connections(1).statement_cache_capacity(capacity));
            let db = &backend.db;
            for round in 0..6 {
                for number in 0..8 {
                    // The first one is asked for all the time, the others in turn.
                    assert_eq!(value::<i64>(db, "select $1 + 100", params![round]).await, round + 100);
                    let sql = format!("select {number} + $1");
                    assert_eq!(value::<i64>(db, &sql, params![round]).await, number + round, "capacity {capacity}");
                }
            }
            // Others had the connection, with statements of their own.
            let block = db.atomic(|| async {
                assert_eq!(value::<i64>(db, "select $1 + 100", params![1]).await, 101);
                let lent = db.with_mysql(|mut client| async move {
                    for number in 0..10_i64 {
                        let found: Option<i64> = client.exec_first(format!("select {number} + ? + 0"), (1,)).await.expect("a row");
                        assert_eq!(found, Some(number + 1));
                    }
                    Ok::<_, Error>(())
                });
                lent.await?;
                assert_eq!(value::<i64>(db, "select $1 + 100", params![2]).await, 102);
                Ok::<_, Error>(())
            });
            block.await.expect("it commits");
            assert_eq!(value::<i64>(db, "select $1 + 100", params![3]).await, 103, "behind a reset");
            backend.settled().await;
        }
    }

    /// rule 17: an error behind the rows of a procedure is the error of the call, and of nothing that comes later
    async fn an_error_behind_rows_is_told(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        let db = &backend.db;
        db.batch("create procedure half() begin select 1; signal sqlstate '45000' set message_text = 'behind'; end").await.expect("a procedure");
        for _ in 0..2 {
            let error = db.query("call half()", params![]).await.expect_err("it ends with an error");
            assert!(error.to_string().contains("behind"), "{error:?}");
            assert_eq!(value::<i64>(db, "select $1 + 0", params![7]).await, 7);
        }
        backend.settled().await;
    }
}
