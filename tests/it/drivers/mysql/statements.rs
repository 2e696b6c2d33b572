//! Statements: placeholders, streams, the cache, batches, portable statements.

use nestling::{
    Error, ErrorKind, params,
    query::sea_query::{Alias, ColumnDef, Expr, ExprTrait as _, Order, Query, Table},
};

use super::value;

test_on! {
    mysql_and_mariadb;

    /// rule 2: numbered parameters wherever they may stand
    async fn placeholders_are_found_and_nothing_else_is(backend) {
        let db = &backend.db;
        let one = |sql: &'static str| async move {
            let row = db.query_one(sql, params!["x", 7]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            row.to::<(String, i64)>().unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        };
        for sql in [
            "select $1, $2",
            "select concat($1, ''), $2+0",
            "select $1,$2 -- $3 and 'that\n",
            "select $1 /* $3 ' */, $2 # $4 \"\n",
            "select $1, 5--$2-5",
            "select/**/$1/**/,/**/$2",
            "select ($1), ($2)",
            "select if('$3' = \"$4\", '', $1) as `$5`, $2",
            "select if('it''s \\'$3' = '', '', $1), $2",
            "select $1, $2 from (select $1 as a, $2 as b) as t where a = $1 and b=$2 limit 1",
            "select $1, $2 /*! + 0 */",
        ] {
            assert_eq!(one(sql).await, ("x".to_owned(), 7), "{sql}");
        }
        let row = db.query_one("select $2, $1, $2", params![1, 2]).await.expect("a row");
        assert_eq!(row.to::<(i64, i64, i64)>().expect("three numbers"), (2, 1, 2));
        let row = db.query_one("select ?, ?, '?'", params![1, 2]).await.expect("a row");
        assert_eq!(row.to::<(i64, i64, String)>().expect("in turn"), (1, 2, "?".to_owned()));
        let many: String = (1..=12).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
        let given: nestling::Params = (1..=12_i64).map(nestling::Value::I64).collect();
        let row = db.query_one(&format!("select {many}"), given).await.expect("a row");
        assert_eq!((row.get::<i64>(0).ok(), row.get::<i64>(11).ok()), (Some(1), Some(12)), "$12 is not $1 and a 2");
    }

    /// rule 23
    async fn control_statements_are_refused_in_any_disguise(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for sql in ["/*!50000 commit */", "/*M! rollback */", "xa start 'x'", "set @@autocommit = 0", "set session autocommit=1, @a = 2", "start transaction read only", "select 1--1; commit"] {
            let refused = db.execute(sql, params![]).await.expect_err(sql);
            assert!(matches!(refused.kind(), ErrorKind::ControlStatement | ErrorKind::Config), "{sql}: {refused:?}");
            db.batch(sql).await.expect_err(sql);
        }
        backend.settled().await;
    }

    /// rule 8: memory stays flat, and the rows come in order
    async fn a_stream_takes_many_rows(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let sql = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 900) select a.i * 1000 + b.i from n a, n b where a.i <= $1";
        db.batch("set session max_recursive_iterations = 1000").await.ok();
        let count = db.atomic(|| async {
            let mut rows = db.stream(sql, params![300]).await?;
            let mut count = 0_u64;
            while let Some(row) = rows.next().await {
                assert!(row?.get::<i64>(0)? > 0);
                count += 1;
            }
            db.execute("insert into item values (1, 'behind')", params![]).await?;
            Ok::<_, Error>(count)
        });
        assert_eq!(count.await.expect("all rows"), 270_000);
        let mut rows = db.stream(sql, params![300]).await.expect("a stream");
        rows.next().await.expect("a row").expect("no error");
        drop(rows);
        assert_eq!(backend.items().await, ["behind"]);
        let mut failing = db.stream("select * from no_such_table", params![]).await.expect("not sent yet, or an error later");
        assert_eq!(failing.next().await.expect("an error").expect_err("no such table").code(), Some("1146"));
        backend.settled().await;
    }

    /// rule 22: what is prepared at the server does not grow without bound
    async fn the_statement_cache_is_bounded(backend) {
        let backend = backend.with(|options| options.max_connections(1).statement_cache_capacity(10));
        let db = &backend.db;
        for number in 0..200 {
            assert_eq!(value::<i64>(db, &format!("select {number} + $1"), params![1]).await, number + 1);
        }
        let status = |name: &'static str| async move {
            let sql = format!("show session status like '{name}'");
            let row = db.query_one(&sql, params![]).await.expect("a row");
            row.get::<String>(1).expect("a text").parse::<i64>().expect("a number")
        };
        let open = status("Com_stmt_prepare").await - status("Com_stmt_close").await;
        assert!((1..=12).contains(&open), "{open} statements are open");
        backend.settled().await;
    }

    /// rule 2
    async fn a_batch_stops_at_its_first_error(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let batch = "insert into item values (1, 'a'); insert into item values (1, 'b'); insert into item values (3, 'c')";
        let error = db.batch(batch).await.expect_err("the key is taken");
        assert!(error.is_unique_violation(), "{error:?}");
        assert_eq!(backend.items().await, ["a"], "outside a block each commits");
        let block = db.atomic(|| async {
            db.batch("insert into item values (4, 'd'); insert into item values (5, 'it''s; fine')").await?;
            db.batch("insert into item values (6, 'f'); insert into item values (4, 'again')").await
        });
        block.await.expect_err("the key is taken");
        assert_eq!(backend.items().await, ["a"], "inside one it is rolled back as a whole");
        assert_eq!(value::<i64>(db, "select 7", params![]).await, 7);
        backend.settled().await;
    }

    /// rules 65 and 72: keys of inserted rows, with and without RETURNING
    async fn portable_statements_run_and_tell_the_inserted_key(backend) {
        let db = &backend.db;
        let (table, id, name) = (Alias::new("pet"), Alias::new("id"), Alias::new("name"));
        let create = Table::create()
            .table(table.clone())
            .col(ColumnDef::new(id.clone()).integer().not_null().auto_increment().primary_key())
            .col(ColumnDef::new(name.clone()).string().not_null())
            .to_owned();
        db.run(&create).await.expect("a table");
        let insert = |pet: &str| {
            Query::insert().into_table(table.clone()).columns([name.clone()]).values_panic([pet.into()]).to_owned()
        };
        assert_eq!(db.run(&insert("Rex")).await.expect("a row").inserted_id().expect("a key"), 1);
        let returning = insert("Tom").returning_col(id.clone()).to_owned();
        assert_eq!(db.run(&returning).await.expect("a row").inserted_id().expect("a key"), 2);
        let inside = db.atomic(|| async { db.run(&insert("Ada")).await?.inserted_id() }).await;
        assert_eq!(inside.expect("a key"), 3);
        let update = Query::update().table(table.clone()).value(name.clone(), "Max").and_where(Expr::col(id.clone()).eq(1)).to_owned();
        assert_eq!(db.run(&update).await.expect("an update").affected, 1);
        assert_eq!(db.run(&update).await.expect("an update").affected, 1, "rows that were found, as elsewhere");
        let select = Query::select().column(name.clone()).from(table.clone()).and_where(Expr::col(id.clone()).gt(0)).order_by(id.clone(), Order::Asc).limit(2).to_owned();
        let rows = db.run(&select).await.expect("rows").rows;
        let names: Vec<String> = rows.iter().map(|row| row.get(0).expect("a name")).collect();
        assert_eq!(names, ["Max", "Tom"]);
        let none = Query::delete().from_table(table).and_where(Expr::col(id).eq(99)).to_owned();
        let outcome = db.run(&none).await.expect("a delete");
        assert_eq!((outcome.affected, outcome.inserted_id().map_err(|error| error.kind())), (0, Err(ErrorKind::NoRow)));
        let raw = db.query("insert into pet (name) values ($1) returning id", params!["Leo"]).await;
        if backend.is_mariadb().await {
            assert_eq!(raw.expect("MariaDB has it")[0].get::<i64>(0).expect("a key"), 4);
        } else {
            assert_eq!(raw.expect_err("MySQL has it not").code(), Some("1064"));
        }
    }
}
