//! Settings, locks, temporary tables and the like that plain SQL leaves behind: rule 36 of the specification, faults 3.3
//! and 4.3. Each pool has one connection, so that its next user would meet them.

use nestling::{Database, Dialect, Error, params};

use super::text;
use crate::harness::Backend;

/// What a session is like, in a text that every change of [`changes`] changes.
const PROBES: [&str; 3] = [
    "select concat_ws('|', current_setting('statement_timeout'), current_setting('search_path'), current_user, session_user,
        (select count(*) from pg_listening_channels()), (select count(*) from pg_locks where locktype = 'advisory'
         and pid = pg_backend_pid()), to_regclass('pg_temp.mine'), to_regclass('pg_temp.other'),
        (select count(*) from pg_cursors), (select count(*) from pg_prepared_statements where from_sql))",
    "select convert(concat_ws('|', @@time_zone, @@sql_mode, @@character_set_client, @@character_set_results, @@autocommit,
        @@group_concat_max_len, ifnull(@mine, 'unset'), is_used_lock(concat(database(), '_lock')) is null, database())
        using utf8mb4)",
    "select group_concat(name, '|') || '|' || (select foreign_keys from pragma_foreign_keys) || '|'
        || (select recursive_triggers from pragma_recursive_triggers) || '|' || (select count(*) from sqlite_temp_master)
        from pragma_database_list where name <> 'temp'",
];

fn probe(db: &Database) -> &'static str {
    match db.dialect() {
        Dialect::Postgres => PROBES[0],
        Dialect::Mysql => PROBES[1],
        _ => PROBES[2],
    }
}

/// Statements that leave something behind.
fn changes(backend: &Backend) -> Vec<String> {
    let fixed: &[&str] = backend.choose(
        &[
            "set statement_timeout = 12345",
            "SET SESSION search_path = pg_catalog",
            "select set_config('statement_timeout', '12345', false)",
            "select 1 from (select set_config('search_path', 'pg_catalog', 1 = 0)) a",
            "set role pg_monitor",
            "set session authorization pg_monitor",
            "listen mine",
            "select pg_advisory_lock(77)",
            "select pg_try_advisory_lock_shared(7, 7)",
            "create temp table mine (a int)",
            "create temporary table mine as select 1 as a",
            "select 1 as a into temp mine",
            "create table pg_temp.other (a int)",
            "prepare mine as select 1",
            "do $$ begin perform set_config('statement_timeout', '12345', false); end $$",
            "with a as (select pg_advisory_lock(78)) select count(*) from a",
        ],
        &[
            "set time_zone = '+05:00'",
            "SET SESSION time_zone = '+05:00'",
            "set names latin1",
            "set character set latin1",
            "set sql_mode = ''",
            "set @mine = 7",
            "select @mine := 7",
            "set group_concat_max_len = 77, @mine = 8",
            "/*!40101 SET NAMES latin1 */",
            "use information_schema",
        ],
        &[
            "pragma foreign_keys = off",
            "pragma main.recursive_triggers(1)",
            "attach ':memory:' as other",
            "create temp table mine (a integer)",
            "create table temp.mine (a integer)",
        ],
    );
    let mut changes: Vec<String> = fixed.iter().map(|sql| (*sql).to_owned()).collect();
    if backend.is_mysql() {
        changes.push(format!("select get_lock('{}_lock', 0)", backend.name()));
        changes.push(format!("do get_lock('{}_lock', 0)", backend.name()));
        changes.push("call zones()".to_owned());
    }
    changes
}

async fn with_one_connection(backend: Backend) -> Backend {
    let backend = backend.with_items().await.with(|options| options.max_connections(1));
    if backend.is_mysql() {
        let zones = "create procedure zones() begin set time_zone = '+05:00'; set sql_mode = ''; end";
        backend.observer().batch(zones).await.expect("a procedure");
    }
    backend
}

test_on! {
    every_backend;

    /// rule 36
    async fn what_a_statement_leaves_behind_does_not_reach_the_next_one(backend) {
        let backend = with_one_connection(backend).await;
        let db = &backend.db;
        let as_new = text(db, probe(db)).await;
        for sql in changes(&backend) {
            db.execute(&sql, params![]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            assert_eq!(text(db, probe(db)).await, as_new, "execute: {sql}");
            db.query(&sql, params![]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            assert_eq!(text(db, probe(db)).await, as_new, "query: {sql}");
            db.batch(&format!("select 1; {sql}")).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            assert_eq!(text(db, probe(db)).await, as_new, "batch: {sql}");
            let block = db.atomic(|| async { db.execute(&sql, params![]).await.map(|_| ()) });
            // Some cannot be had in a transaction.
            let _ = block.await;
            assert_eq!(text(db, probe(db)).await, as_new, "block: {sql}");
            if sql.contains("select") && !sql.contains("into") {
                let mut rows = match db.stream(&sql, params![]).await {
                    Ok(rows) => rows,
                    Err(error) => panic!("{sql}: {error:?}"),
                };
                while let Some(row) = rows.next().await {
                    row.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
                }
                assert_eq!(text(db, probe(db)).await, as_new, "stream: {sql}");
            }
        }
        backend.settled().await;
    }

    /// rules 3 and 36
    async fn on_a_pinned_connection_it_stays_until_the_end_of_the_pin(backend) {
        let backend = with_one_connection(backend).await;
        let db = &backend.db;
        let as_new = text(db, probe(db)).await;
        for sql in changes(&backend) {
            let pinned = db.connection(|| async {
                db.execute(&sql, params![]).await?;
                let changed = text(db, probe(db)).await;
                assert_ne!(changed, as_new, "{sql}");
                db.atomic(|| async { db.query("select * from item", params![]).await.map(drop) }).await.ok();
                let undone = db.atomic(|| async { Err::<(), _>(db.query_one("select 1 where 1 = 0", params![]).await.expect_err("none")) });
                undone.await.expect_err("its own");
                assert_eq!(text(db, probe(db)).await, changed, "{sql}: blocks inside leave it as it is");
                Ok::<_, Error>(())
            });
            pinned.await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            assert_eq!(text(db, probe(db)).await, as_new, "{sql}");
        }
        backend.settled().await;
    }
}

test_on! {
    every_server;

    /// rule 36: a reset costs only who asked for it
    async fn ordinary_statements_cost_no_reset(backend) {
        let (backend, proxy) = with_one_connection(backend).await.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        db.connect().await.expect("a connection");
        let is_reset = |text: &&str| ["CLOSE ALL", "SET NAMES", "ROLLBACK"].iter().any(|part| text.contains(part));
        let resets = || proxy.counts().queries().into_iter().filter(is_reset).count();
        proxy.reset();
        for id in 0..3_i64 {
            db.execute("insert into item values ($1, $2)", params![id, format!("item {id}")]).await.expect("an insert");
            db.atomic(|| db.execute("update item set name = name where id = $1", params![id])).await.expect("an update");
            db.batch("select 1; delete from item where id = 77").await.expect("a batch");
        }
        backend.settled().await;
        assert_eq!(resets(), 0, "{:?}", proxy.counts().queries());
        db.execute(backend.choose("set statement_timeout = 0", "set @a = 1", ""), params![]).await.expect("a setting");
        backend.settled().await;
        assert!(resets() > 0, "the test sees resets: {:?}", proxy.counts().queries());
    }
}

test_on! {
    mysql_and_mariadb;

    /// rule 36: others would wait for these locks
    async fn locks_of_tables_do_not_outlive_their_statement(backend) {
        let backend = with_one_connection(backend).await;
        let db = &backend.db;
        for lock in ["lock tables item write", "flush tables item with read lock"] {
            db.execute(lock, params![]).await.unwrap_or_else(|error| panic!("{lock}: {error:?}"));
            let insert = backend.observer().execute("insert into item values (1, 'other')", params![]);
            let inserted = tokio::time::timeout(std::time::Duration::from_secs(20), insert).await;
            inserted.expect("nobody holds a lock").expect("an insert");
            db.execute("delete from item", params![]).await.expect("it may write");
        }
        backend.settled().await;
    }

    /// rule 36: a reset by itself leaves the default database as it is
    async fn a_session_without_a_database_has_none_again(backend) {
        let (server, _) = backend.url().rsplit_once('/').expect("a URL with a database");
        let db = Database::builder(server).max_connections(1).build().expect("a URL without one");
        let current = "select concat(ifnull(database(), 'none'), @@time_zone)";
        for sql in [format!("use {}", backend.name()), "set time_zone = '+05:00'".to_owned()] {
            db.execute(&sql, params![]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            assert_eq!(text(&db, current).await, "none+00:00", "{sql}");
        }
        db.close().await;
    }

    /// rule 16: a COMMIT that begins another transaction is a COMMIT
    async fn a_session_that_chains_its_transactions_commits_them(backend) {
        let backend = with_one_connection(backend).await;
        let db = &backend.db;
        let block = db.atomic(|| async {
            db.execute("set completion_type = 'CHAIN'", params![]).await?;
            db.execute("insert into item values (1, 'inside')", params![]).await
        });
        block.await.expect("it commits");
        let pinned = db.connection(|| async {
            db.execute("set completion_type = 'CHAIN'", params![]).await?;
            db.atomic(|| db.execute("insert into item values (2, 'pinned')", params![])).await?;
            db.execute("insert into item values (3, 'behind')", params![]).await
        });
        pinned.await.expect("they commit");
        assert_eq!(backend.items().await, ["behind", "inside", "pinned"]);
        assert_eq!(text(db, "select @@completion_type").await, "NO_CHAIN");
        backend.settled().await;
    }

    /// rule 21, fault 3.3: in GBK the last byte of such a letter makes one character with the quote behind it
    async fn a_name_is_no_statement_in_any_character_set(backend) {
        let backend = with_one_connection(backend).await;
        let db = &backend.db;
        for set in ["gbk", "sjis", "big5", "latin1", "utf8mb4"] {
            let names = ["日`; drop table item; -- ", "日本`; drop table item; -- ", "é`; drop table item; -- ", "Σ\\`; drop table item; -- "];
            for name in names {
                let block = db.atomic(|| async {
                    db.execute(&format!("set names {set}"), params![]).await?;
                    db.savepoint_named(name, || db.execute("insert into item values (1, 'inside')", params![])).await
                });
                block.await.unwrap_or_else(|error| panic!("{set} {name}: {error:?}"));
                assert_eq!(backend.items().await, ["inside"], "{set} {name}");
                db.execute("delete from item", params![]).await.expect("an empty table");
            }
        }
        backend.settled().await;
    }
}

/// rule 36: a database in memory keeps its one connection, and what changes the meaning of statements is undone on it
#[tokio::test]
async fn pragmas_on_a_database_in_memory_are_set_back() {
    let db = Database::open("sqlite::memory:").expect("a database");
    db.batch("create table parent (id integer primary key); create table child (id integer references parent)")
        .await
        .expect("tables");
    for pragma in [
        "pragma foreign_keys = off",
        "pragma ignore_check_constraints = 1",
        "pragma query_only = on",
        "pragma case_sensitive_like = on",
    ] {
        db.execute(pragma, params![]).await.expect("a pragma");
        db.execute("insert into child values (7)", params![]).await.expect_err("there is no parent");
        db.execute("insert into parent values (8)", params![]).await.expect("it may write");
        db.execute("delete from parent", params![]).await.expect("it may write");
        assert_eq!(text(&db, "select cast('A' like 'a' as text)").await, "1", "{pragma}");
    }
}
