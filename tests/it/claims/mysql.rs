//! What the documents say of MySQL and MariaDB: calls of procedures, text, moments and documents.

use chrono::{DateTime, Utc};
use nestling::{
    Error, ErrorKind, Model, Query as _, create_tables, params,
    query::{OnConflict, functions},
    types::Json,
};
use rust_decimal::Decimal;
use serde_json::json;

use crate::harness::insert;

#[derive(Debug, PartialEq, Model)]
struct Account {
    id: i64,
    #[model(unique, max_length = 50)]
    name: String,
    amount: Decimal,
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

test_on! {
    mysql_and_mariadb;

    /// README: four statements that are joined cost six round trips, as they take turns
    async fn four_joined_statements_cost_six(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        insert(db, 1, "one").await.expect("a row");
        let rename = |name: &'static str| db.execute("update item set name = $1 where id = $2", params![name, 1]);
        let four = async || {
            db.atomic(|| async { tokio::try_join!(rename("a"), rename("b"), rename("c"), rename("d")) }).await
        };
        four().await.expect("they take turns");
        backend.settled().await;
        proxy.reset();
        four().await.expect("they take turns");
        assert_eq!(proxy.counts().flights, 6, "{:?}", proxy.counts().steps);
    }

    /// rule 35; limits: "CALL and other statements that run stored code cost one or two round trips more in a block"
    async fn a_call_in_a_block_costs_one_or_two_round_trips_more(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        let procedures = ["create procedure nothing() begin end", "create procedure rows_of() begin select 1; end"];
        for procedure in procedures {
            backend.observer().batch(procedure).await.expect("a procedure");
        }
        let block = db.atomic(|| async {
            insert(db, 1, "first").await?;
            let mut costs = Vec::new();
            for sql in ["do 1", "call nothing()"] {
                proxy.reset();
                db.execute(sql, params![]).await?;
                costs.push(proxy.counts().flights);
            }
            for sql in ["select 1", "call rows_of()"] {
                db.query(sql, params![]).await?;
                proxy.reset();
                db.query(sql, params![]).await?;
                costs.push(proxy.counts().flights);
            }
            Ok::<_, Error>(costs)
        });
        assert_eq!(block.await.expect("the calls keep the transaction"), [1, 2, 1, 3]);
    }

    /// rule 35; limits: "what the procedure has committed stays, also where it was in a batch, with the statements behind it"
    async fn what_a_procedure_commits_in_a_batch_stays_with_what_stands_behind_it(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        backend.observer().batch("create procedure ends() begin commit; end").await.expect("a procedure");
        let block = db.atomic(|| async {
            insert(db, 1, "ahead").await?;
            let error = db.batch("insert into item values (2, 'in'); call ends(); insert into item values (3, 'behind')").await;
            assert_eq!(error.expect_err("the transaction is gone").kind(), ErrorKind::ImplicitCommit);
            Ok::<_, Error>(())
        });
        block.await.expect_err("the block is not what was committed");
        assert_eq!(backend.items().await, ["ahead", "behind", "in"]);
    }

    /// rule 58; limits: "`close` on MySQL and MariaDB makes one more connection"
    async fn closing_makes_one_more_connection(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy();
        insert(&backend.db, 1, "one").await.expect("an item");
        proxy.reset();
        backend.db.close().await;
        assert_eq!(proxy.counts().connections, 1);
        backend.sessions_come_to(0).await;
    }

    /// limits: "a TIMESTAMP is taken for UTC, also in a block or pin that has set another `time_zone` for itself"
    async fn a_timestamp_is_taken_for_utc_whatever_the_time_zone_is(backend) {
        let db = &backend.db;
        db.batch("create table note (at timestamp not null default '2024-05-06 07:08:09')").await.expect("a table");
        db.batch("insert into note values ()").await.expect("a row");
        let at = || async { db.query_one("select at from note", params![]).await?.get::<DateTime<Utc>>(0) };
        assert_eq!(at().await.expect("a moment").to_rfc3339(), "2024-05-06T07:08:09+00:00");
        let pinned = db.connection(|| async {
            db.execute("set time_zone = '+05:00'", params![]).await?;
            at().await
        });
        assert_eq!(pinned.await.expect("a moment").to_rfc3339(), "2024-05-06T12:08:09+00:00");
        assert_eq!(at().await.expect("a moment").to_rfc3339(), "2024-05-06T07:08:09+00:00");
    }

    /// limits: "`'a'` and `'a '` are one key", and decimals of "one scale for all rows, 28 digits"
    async fn text_is_compared_without_blanks_at_its_end_and_decimals_have_one_scale(backend) {
        let db = &backend.db;
        create_tables(db, &[Account::TABLE]).await.expect("the table");
        let row = |name: &str| Account::insert([Account::NAME.set(name), Account::AMOUNT.set(decimal("1.50"))]).returning();
        let account = row("a").run_on(db).await.expect("a row");
        assert!(row("a ").run_on(db).await.expect_err("it is the same key").is_unique_violation());
        row("A").run_on(db).await.expect("case is not passed over");
        assert_eq!((account.amount, account.amount.scale()), (decimal("1.5"), 28));
        assert_eq!(Account::select().filter(Account::NAME.eq("a  ")).count(db).await.expect("counted"), 1);
    }

    /// limits: "MariaDB: a list behind IN with a limit that speaks of the row around it is an error of the server"
    async fn a_list_with_a_limit_that_speaks_of_the_row_around_it_is_for_mysql(backend) {
        let db = &backend.db;
        create_tables(db, &[Account::TABLE]).await.expect("the table");
        let other = Account::alias("other");
        let same = other.select().filter(other.col(Account::NAME).eq(Account::NAME)).columns(other.col(Account::ID));
        for name in ["a", "b"] {
            let row = Account::insert([Account::NAME.set(name), Account::AMOUNT.set(decimal("1"))]);
            row.run_on(db).await.expect("a row");
        }
        let found = |list| Account::select().filter(Account::ID.in_(list)).count(db);
        assert_eq!(found(same.clone()).await.expect("without a limit"), 2);
        let limited = found(same.limit(1)).await;
        if backend.is_mariadb().await {
            assert_eq!(limited.expect_err("with a limit").kind(), ErrorKind::Server);
        } else {
            assert_eq!(limited.expect("with a limit"), 2);
        }
    }

    /// limits: "MySQL takes no query of the same table in what an upsert sets (error 1093); MariaDB does"
    async fn an_upsert_that_sets_what_a_query_of_its_table_finds_is_for_mariadb(backend) {
        let db = &backend.db;
        create_tables(db, &[Account::TABLE]).await.expect("the table");
        let most = || functions::coalesce(Account::select().columns(Account::AMOUNT.max()).into_expr(), decimal("0"));
        let upsert = || {
            let again = OnConflict::columns(Account::NAME).update([Account::AMOUNT.set(most())]);
            Account::insert([Account::NAME.set("a"), Account::AMOUNT.set(decimal("1"))]).on_conflict(again)
        };
        let outcome = upsert().run_on(db).await;
        if backend.is_mariadb().await {
            outcome.expect("it may read the table");
        } else {
            assert_eq!(outcome.expect_err("it may not").code(), Some("1093"));
        }
    }
}

#[derive(Debug, PartialEq, Model)]
struct Page {
    id: i64,
    body: Json<serde_json::Value>,
}

test_on! {
    every_backend;

    /// limits: "MariaDB and SQLite compare documents as text": what others wrote is found if it is written as nestling does
    async fn documents_of_others_are_found_as_text_or_as_what_they_are(backend) {
        let db = &backend.db;
        create_tables(db, &[Page::TABLE]).await.expect("the table");
        let cast = backend.choose("::jsonb", "", "");
        let bodies = ["{\"a\":1,\"b\":[2,3]}", "{\"b\": [2, 3], \"a\": 1}"];
        for body in bodies {
            db.execute(&format!("insert into page (body) values ('{body}'{cast})"), params![]).await.expect("a page");
        }
        let found = Page::select().filter(Page::BODY.eq(Json(json!({"b": [2, 3], "a": 1})))).count(db).await;
        let as_text = if backend.is_mysql() { backend.is_mariadb().await } else { !backend.is_postgres() };
        assert_eq!(found.expect("counted"), if as_text { 1 } else { 2 });
    }
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Shelf {
    #[model(primary_key, max_length = 20)]
    code: String,
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Book {
    id: i64,
    shelf: nestling::ForeignKey<Shelf>,
}

test_on! {
    mysql_and_mariadb;

    /// rule 71; limits: "text that a collation takes for equal finds no parent"
    async fn a_child_whose_key_is_written_otherwise_finds_no_parent(backend) {
        let code = "varchar(20) character set utf8mb4 collate utf8mb4_general_ci";
        for sql in [
            format!("create table shelf (code {code} primary key)"),
            format!("create table book (id bigint auto_increment primary key, shelf_id {code} not null, \
                     foreign key (shelf_id) references shelf (code))"),
            "insert into shelf values ('ABC')".to_owned(),
            "insert into book (shelf_id) values ('ABC'), ('abc')".to_owned(),
        ] {
            backend.observer().batch(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
        let objects = nestling::Manager::new(backend.db.clone());
        let shelves = objects.prefetch(Shelf::select(), Book::SHELF.children(Book::select())).await.expect("fetched");
        assert_eq!(shelves[0].children.len(), 1);
    }
}
