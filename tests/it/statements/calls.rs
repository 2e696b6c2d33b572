//! The query calls: how many rows they affect or return, how rows are read, and what they refuse.

use nestling::{
    Error, ErrorKind, params,
    query::sea_query::{Alias, ColumnDef, Expr, ExprTrait, Order, Query, Table},
    types::{Cell, FromCell, Mismatch},
};

use crate::harness::Backend;

async fn with_three(backend: Backend) -> Backend {
    let backend = backend.with_items().await;
    let sql = "insert into item values (1, 'one'), (2, 'two'), (3, null)";
    assert_eq!(backend.db.execute(sql, ()).await.unwrap(), 3);
    backend
}

test_on! {
    every_backend;

    /// rules 2 and 3: the same figures outside a block and in one. MySQL commits a block with DDL (rule 35), so there it
    /// has its place outside; it has RETURNING nowhere, and MariaDB has it for INSERT.
    async fn execute_tells_the_affected_rows(backend) {
        let backend = with_three(backend).await;
        let db = &backend.db;
        let count = async |sql: &str| db.execute(sql, ()).await.expect(sql);
        let takes_ddl = || !(backend.is_mysql() && db.in_transaction());
        let insert = format!("insert into more values (7), (8){}", backend.returning("x").await);
        let update = format!("update more set x = x + 1 where x > 6{}", backend.choose(" returning x", "", " returning x"));
        let nothing = backend.choose(
            "insert into item values (1, 'again') on conflict (id) do nothing",
            "insert ignore into item values (1, 'again')",
            "insert into item values (1, 'again') on conflict (id) do nothing",
        );
        let round = || async {
            assert_eq!(count("update item set name = name where id > 1").await, 2);
            assert_eq!(count("update item set name = 'none' where id > 100").await, 0);
            assert_eq!(count("select * from item").await, 3);
            assert_eq!(count("select * from item where id > 100").await, 0);
            if takes_ddl() {
                assert_eq!(count("create table more (x integer)").await, 0);
            }
            assert_eq!(count("insert into more select id from item").await, 3);
            assert_eq!(count(&insert).await, 2);
            assert_eq!(count(&update).await, 2);
            if takes_ddl() {
                assert_eq!(count("create index more_x on more (x)").await, 0);
            }
            assert_eq!(count("delete from more").await, 5);
            assert_eq!(count("delete from more").await, 0);
            if takes_ddl() {
                assert_eq!(count("drop table more").await, 0);
            }
            assert_eq!(count(nothing).await, 0);
            Ok::<_, Error>(())
        };
        round().await.unwrap();
        if backend.is_mysql() {
            count("create table more (x integer)").await;
        }
        db.atomic(round).await.unwrap();
        assert_eq!(backend.observer().execute("select * from item", ()).await.unwrap(), 3);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 2 and 3
    async fn one_row_none_and_many_are_told_apart(backend) {
        let backend = with_three(backend).await;
        let db = &backend.db;
        let sql = "select name from item where id > $1 order by id";
        assert_eq!(db.query(sql, params![0]).await.unwrap().len(), 3);
        assert!(db.query(sql, params![3]).await.unwrap().is_empty());
        assert!(db.query_opt(sql, params![3]).await.unwrap().is_none());
        assert!(db.query_opt(sql, params![2]).await.unwrap().is_some());
        assert_eq!(db.query_one(sql, params![2]).await.unwrap().get::<Option<String>>(0).unwrap(), None);
        let none = db.query_one(sql, params![3]).await.unwrap_err();
        assert_eq!((none.kind(), none.statement()), (ErrorKind::NoRow, Some(sql)));
        for many in [db.query_one(sql, params![0]).await.unwrap_err(), db.query_opt(sql, params![0]).await.unwrap_err()] {
            assert_eq!((many.kind(), many.statement()), (ErrorKind::ManyRows, Some(sql)));
        }
        // These are the caller's affair, not the server's: a block goes on behind them.
        let block = db.atomic(|| async {
            assert_eq!(db.query_one(sql, params![3]).await.unwrap_err().kind(), ErrorKind::NoRow);
            assert_eq!(db.query_one(sql, params![0]).await.unwrap_err().kind(), ErrorKind::ManyRows);
            db.execute("delete from item where id = $1", params![3]).await
        });
        assert_eq!(block.await.unwrap(), 1);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 3: rows of RETURNING are rows like others; on MySQL, which has none for UPDATE, they are read back
    async fn returned_rows_are_read_by_name_number_and_as_tuples(backend) {
        let backend = with_three(backend).await;
        let db = &backend.db;
        let update = "update item set name = coalesce(name, $1) where id > $2";
        let mut rows = if backend.is_mysql() {
            assert_eq!(db.execute(update, params!["three", 1]).await.unwrap(), 2);
            db.query("select id, name as Name from item where id > $1", params![1]).await.unwrap()
        } else {
            let sql = format!("{update} returning id, name as \"Name\"");
            db.query(&sql, params!["three", 1]).await.unwrap()
        };
        rows.sort_by_key(|row| row.get::<i64>("id").unwrap());
        let row = &rows[1];
        assert_eq!(row.columns().collect::<Vec<_>>(), ["id", "Name"]);
        assert_eq!((row.len(), row.is_empty()), (2, false));
        assert_eq!(row.get::<i64>(0).unwrap(), row.get::<i64>("id").unwrap());
        assert_eq!(row.get::<&str>("Name").unwrap(), "three");
        assert_eq!(row.get::<String>(String::from("Name")).unwrap(), "three");
        assert_eq!(row.to::<(u8, Option<String>)>().unwrap(), (3, Some("three".into())));
        assert_eq!(row.to::<(i64,)>().unwrap(), (3,));
        for unknown in [row.get::<i64>("name").unwrap_err(), row.get::<i64>(2).unwrap_err()] {
            assert_eq!(unknown.kind(), ErrorKind::Decode);
            assert!(unknown.to_string().ends_with(", but these 2: id, Name"), "{unknown}");
        }
        assert_eq!(row.to::<(i64, String, i64)>().unwrap_err().kind(), ErrorKind::Decode);
        assert_eq!(backend.items().await, ["one", "three", "two"]);
    }
}

#[derive(Debug, PartialEq)]
struct Title(String);

impl<'r> FromCell<'r> for Title {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        let text = <&str>::from_cell(cell)?;
        if text.len() > 3 { Err(Mismatch::new("a title is short")) } else { Ok(Self(text.to_uppercase())) }
    }
}

test_on! {
    every_backend;

    /// rule 73: a type of the caller's own is read as those of the crate are, its errors with the names of the column
    async fn a_type_of_the_callers_own_is_read(backend) {
        let backend = with_three(backend).await;
        let db = &backend.db;
        let rows = db.query("select name, 'other' as lengthy from item order by id", ()).await.unwrap();
        assert_eq!(rows[0].get::<Title>("name").unwrap(), Title("ONE".into()));
        assert_eq!(rows[0].to::<(Option<Title>,)>().unwrap(), (Some(Title("ONE".into())),));
        assert_eq!(rows[2].get::<Option<Title>>("name").unwrap(), None);
        let error = rows[2].get::<Title>("name").unwrap_err().to_string();
        assert_eq!(error, "column \"name\" is NULL, which Option<Title> can hold and Title cannot");
        let error = rows[0].get::<Title>("lengthy").unwrap_err().to_string();
        let ty = error.strip_prefix("column \"lengthy\" of type ");
        let ty = ty.and_then(|error| error.strip_suffix(" cannot be read as Title: a title is short")).expect(&error);
        assert!(backend.is_mysql() || ty.eq_ignore_ascii_case("text"), "{error}");
    }
}

test_on! {
    every_backend;

    /// rule 23: a text of several statements is for `batch`, and says so
    async fn several_statements_are_for_batch_alone(backend) {
        let backend = with_three(backend).await;
        let db = &backend.db;
        let sql = "delete from item where id = 1; delete from item where id = 2";
        let round = || async {
            for error in [
                db.execute(sql, ()).await.unwrap_err(),
                db.query(sql, ()).await.unwrap_err(),
                db.query_one(sql, ()).await.unwrap_err(),
                db.stream(sql, ()).await.unwrap_err(),
            ] {
                assert_eq!((error.kind(), error.statement()), (ErrorKind::Config, Some(sql)));
                assert!(error.to_string().contains("Database::batch"), "{error}");
            }
            assert_eq!(db.query("select * from item", ()).await?.len(), 3, "nothing was sent");
            Ok::<_, Error>(())
        };
        round().await.unwrap();
        db.atomic(round).await.unwrap();
        assert_eq!(db.execute("delete from item where name = 'a;b' or id = 3 ; -- done;\n", ()).await.unwrap(), 1);
        db.batch(sql).await.unwrap();
        assert!(backend.items().await.is_empty());
    }
}

test_on! {
    every_backend;

    /// rules 14 and 31: in a block a batch takes part as any statement does. (On MySQL without DDL, rule 35.)
    async fn a_batch_takes_part_in_the_block(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let ddl = "create table more (x integer)";
        if backend.is_mysql() {
            db.batch(ddl).await.unwrap();
        }
        let ddl = if backend.is_mysql() { "delete from more" } else { ddl };
        let undone = db.atomic(|| async {
            db.batch(&format!("insert into item values (1, 'a'); {ddl}; insert into item values (2, 'b')")).await?;
            assert_eq!(db.query("select * from item", ()).await?.len(), 2);
            Err::<(), Error>(db.batch("insert into more values (1); insert into nowhere values (1)").await.unwrap_err())
        });
        let error = undone.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server);
        assert!(error.statement().is_some_and(|sql| sql.contains("nowhere")));
        assert!(backend.items().await.is_empty());
        match db.query("select * from more", ()).await {
            Ok(rows) => assert!(backend.is_mysql() && rows.is_empty()),
            Err(_) => assert!(!backend.is_mysql(), "DDL was rolled back with the rest"),
        }
        db.batch("").await.unwrap();
        db.batch("-- nothing\n;;").await.unwrap();
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 3 and 14: one statement of sea_query for every back end; MySQL tells the new id by `last_insert_id` alone
    async fn portable_statements_run_on_every_back_end(backend) {
        let db = &backend.db;
        let (film, id, title, year) = (Alias::new("film"), Alias::new("id"), Alias::new("title"), Alias::new("year"));
        let create = Table::create()
            .table(film.clone())
            .col(ColumnDef::new(id.clone()).integer().not_null().primary_key().auto_increment())
            .col(ColumnDef::new(title.clone()).string_len(100).not_null().unique_key())
            .col(ColumnDef::new(year.clone()).small_integer())
            .take();
        db.run(&create).await.unwrap();
        let insert = |name: &str, from: Option<i16>| {
            Query::insert()
                .into_table(film.clone())
                .columns([title.clone(), year.clone()])
                .values_panic([name.into(), from.into()])
                .returning_col(id.clone())
                .take()
        };
        let kept = db.atomic(|| async {
            let first = db.run(&insert("Heat", Some(1995))).await?;
            assert_eq!((first.affected, first.rows.len()), (1, backend.choose(1, 0, 1)));
            assert_eq!(first.last_insert_id, (!backend.is_postgres()).then_some(1));
            let again = db.atomic(|| async { db.run(&insert("Heat", None)).await }).await;
            assert!(again.unwrap_err().is_unique_violation());
            let second = db.run(&insert("Ran", None)).await?;
            match second.last_insert_id {
                Some(id) if backend.is_mysql() => Ok(id),
                _ => second.rows[0].get::<i64>("id"),
            }
        });
        assert!(kept.await.unwrap() >= 2);
        let select = Query::select()
            .columns([title.clone(), year.clone()])
            .from(film.clone())
            .and_where(Expr::col(year.clone()).gt(1990).or(Expr::col(year.clone()).is_null()))
            .order_by(title.clone(), Order::Asc)
            .limit(5)
            .take();
        let films = db.run(&select).await.unwrap();
        let films: Vec<(String, Option<u16>)> = films.rows.iter().map(|row| row.to().unwrap()).collect();
        assert_eq!(films, [("Heat".into(), Some(1995)), ("Ran".into(), None)]);
        let delete = Query::delete().from_table(film.clone()).and_where(Expr::col(title).eq("Ran")).take();
        assert_eq!(db.run(&delete).await.unwrap().affected, 1);
        db.run(&Table::drop().table(film).take()).await.unwrap();
        assert!(db.run(&select).await.is_err());
        backend.settled().await;
    }
}
