//! Prepared statements that the server no longer accepts, because the schema or the session changed under them: they are
//! prepared again unseen, wherever that loses nothing.

use nestling::{Database, Error, ErrorKind, params};

use crate::{
    harness::Backend,
    proxy::{Proxy, Side},
    test_servers,
};

/// One connection, so that what was prepared on it is met again.
async fn one_connection() -> Backend {
    Backend::postgres().await.with(|options| options.max_connections(1)).with_items().await
}

async fn names(db: &Database) -> Result<Vec<String>, Error> {
    let rows = db.query("select * from item order by id", ()).await?;
    rows.iter().map(|row| row.get("name")).collect()
}

/// What makes `select * from item` return other columns than it did when it was prepared.
const CHANGES: [&str; 4] = [
    "alter table item add column added integer default 7",
    "alter table item alter column id type bigint",
    "alter table item drop column added",
    "alter table item rename column name to title; alter table item add column name text not null default 'new'",
];

/// rule 2
#[tokio::test]
async fn a_changed_table_is_not_noticed_outside_a_block() {
    let backend = one_connection().await;
    let db = &backend.db;
    db.execute("insert into item values (1, 'first')", ()).await.unwrap();
    for change in CHANGES {
        names(db).await.unwrap();
        backend.observer().batch(change).await.unwrap();
        names(db).await.expect(change);
    }
    let row = db.query_one("select * from item", ()).await.unwrap();
    assert_eq!(row.columns().collect::<Vec<_>>(), ["id", "title", "name"]);
    let read = db.stream("select * from item", ()).await.unwrap().next().await.expect("a row").unwrap();
    assert_eq!(read.get::<String>("title").unwrap(), "first");
    backend.observer().batch("alter table item drop column title").await.unwrap();
    let mut rows = db.stream("select * from item", ()).await.unwrap();
    assert_eq!(rows.next().await.expect("a row").unwrap().columns().collect::<Vec<_>>(), ["id", "name"]);
    assert!(rows.next().await.is_none());
    backend.settled().await;
}

/// rules 3 and 19: the statement is run again in a transaction begun anew, with its settings
#[tokio::test]
async fn a_changed_table_is_not_noticed_by_the_first_statement_of_a_root() {
    let backend = one_connection().await;
    let db = &backend.db;
    for change in CHANGES {
        names(db).await.unwrap();
        backend.observer().batch(change).await.unwrap();
        let block = db.build_transaction().set_local("nestling.test", "kept").atomic(|| async {
            names(db).await?;
            let kept = db.query_one("select current_setting('nestling.test')", ()).await?.get::<String>(0)?;
            assert_eq!(kept, "kept");
            assert_eq!(backend.open_at_server().await, 1, "in a transaction, as it began");
            db.execute("insert into item (id, name) select max(id) + 1, 'n' || max(id) from (select id from item union select 0) i", ()).await
        });
        assert_eq!(block.await.expect(change), 1);
    }
    assert_eq!(db.query_one("select count(*) from item", ()).await.unwrap().get::<i64>(0).unwrap(), 4);
    backend.settled().await;
}

/// rules 13 and 31: what the transaction has done before the savepoint is kept
#[tokio::test]
async fn a_changed_table_is_not_noticed_by_the_first_statement_of_a_savepoint() {
    let backend = one_connection().await;
    let db = &backend.db;
    for (id, change) in (1..).zip(CHANGES) {
        names(db).await.unwrap();
        let block = db.atomic(|| async {
            db.execute("select set_config('nestling.before', $1, true)", params![change]).await?;
            // In the same transaction: another one would have to wait for its lock.
            db.batch(change).await?;
            db.atomic(|| async {
                names(db).await?;
                db.execute("insert into item (id, name) values ($1, $2)", params![id, format!("n{id}")]).await
            })
            .await?;
            let before = db.query_one("select current_setting('nestling.before')", ()).await?;
            assert_eq!(before.get::<String>(0)?, change);
            Ok::<_, Error>(())
        });
        block.await.expect(change);
    }
    assert_eq!(db.query_one("select count(*) from item", ()).await.unwrap().get::<i64>(0).unwrap(), 4);
    backend.settled().await;
}

/// rules 31 and 17: in the middle of a block the server has aborted it; rolled back and retried, it works
#[tokio::test]
async fn in_the_middle_of_a_block_it_is_an_error_and_the_block_can_be_tried_again() {
    let backend = one_connection().await;
    let db = &backend.db;
    names(db).await.unwrap();
    let block = || {
        db.atomic(|| async {
            db.execute("insert into item (id, name) values (1, 'one')", ()).await?;
            names(db).await
        })
    };
    backend.observer().batch(CHANGES[0]).await.unwrap();
    let error = block().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("0A000")));
    assert_eq!(backend.items().await, Vec::<String>::new());
    assert_eq!(block().await.unwrap(), ["one"]);
    assert_eq!(backend.items().await, ["one"]);
    // The same inside a savepoint: only that is lost, and may be tried again within the transaction.
    backend.observer().batch(CHANGES[1]).await.unwrap();
    let outer = db.atomic(|| async {
        db.execute("insert into item (id, name) values (2, 'two')", ()).await?;
        let inner = || {
            db.atomic(|| async {
                db.execute("insert into item (id, name) values (3, 'three')", ()).await?;
                names(db).await
            })
        };
        assert_eq!(inner().await.unwrap_err().code(), Some("0A000"));
        inner().await
    });
    assert_eq!(outer.await.unwrap(), ["one", "two", "three"]);
    backend.settled().await;
}

/// rules 2 and 31: a bigger value fits once the column is wider, though the statement was prepared, or described, when it was
/// not
#[tokio::test]
async fn a_parameter_that_fits_by_now_is_taken() {
    for backend in [Backend::postgres().await, Backend::postgres_without_names().await] {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let db = &backend.db;
        let sql = "insert into item values ($1, $2)";
        db.execute(sql, params![1, "one"]).await.unwrap();
        let error = db.execute(sql, params![1_i64 << 40, "big"]).await.unwrap_err();
        assert_eq!(error.to_string(), "parameter $1: i64 does not fit into int4");
        backend.observer().batch("alter table item alter column id type bigint").await.unwrap();
        assert_eq!(db.execute(sql, params![1_i64 << 40, "big"]).await.unwrap(), 1);
        let widen = db.atomic(|| async {
            db.execute("delete from item where id = $1", params![1]).await?;
            db.batch("alter table item alter column id type numeric").await?;
            db.execute(sql, params![u64::MAX, "bigger"]).await
        });
        assert_eq!(widen.await.unwrap(), 1);
        assert_eq!(backend.items().await, ["big", "bigger"]);
        backend.settled().await;
    }
}

/// rule 2: DEALLOCATE and DISCARD take the prepared statements away from under us
#[tokio::test]
async fn statements_that_the_server_has_forgotten_are_prepared_again() {
    let backend = one_connection().await;
    let db = &backend.db;
    db.batch("create type mood as enum ('sad', 'happy'); create type size as enum ('small')").await.unwrap();
    for forget in ["deallocate all", "discard all"] {
        names(db).await.unwrap();
        db.query("select 'sad'::mood", ()).await.unwrap();
        db.batch(forget).await.unwrap();
        names(db).await.expect("outside a block");
        db.query("select 'happy'::mood, 'small'::size", ()).await.expect("a type that must be looked up anew");
        db.batch(forget).await.unwrap();
        db.atomic(|| names(db)).await.expect("first in a root");
        db.batch("deallocate all").await.unwrap();
        let root = db.atomic(|| async {
            db.query("select 1", ()).await?;
            db.atomic(|| names(db)).await
        });
        root.await.expect("first in a savepoint");
    }
    backend.settled().await;
}

/// rule 36: a connection that was lent as it is comes back fit for every later statement
#[tokio::test]
async fn a_connection_that_was_lent_knows_all_types_afterwards() {
    let backend = one_connection().await;
    let db = &backend.db;
    db.batch("create type mood as enum ('sad'); create type size as enum ('small'); create domain name as text")
        .await
        .unwrap();
    db.query("select 'sad'::mood", ()).await.unwrap();
    for ty in ["size", "mood"] {
        let handled = db.with_postgres(|client| async move {
            client
                .batch_execute("create temporary table mine (x integer); set search_path = pg_catalog")
                .await
                .unwrap();
            Ok::<_, Error>(())
        });
        handled.await.unwrap();
        let row = db.query_one(&format!("select enum_first(null::{ty}), 'x'::name"), ()).await.expect(ty);
        row.get::<String>(0).unwrap();
        let mine = db.query_one("select to_regclass('mine')::text", ()).await.unwrap();
        assert_eq!(mine.get::<Option<String>>(0).unwrap(), None, "the temporary table is gone");
    }
    backend.settled().await;
}

/// rule 36: the cache of each connection is bounded, at the server too
#[tokio::test]
async fn the_server_keeps_no_more_statements_than_the_cache() {
    let backend = one_connection().await.with(|options| options.max_connections(1).statement_cache_capacity(5));
    let db = &backend.db;
    for round in 0..3 {
        for number in 0..20 {
            let row = db.query_one(&format!("select {number} + $1::int4"), params![round]).await.unwrap();
            assert_eq!(row.get::<i32>(0).unwrap(), number + round);
        }
        let sql = "select count(*) from pg_prepared_statements where statement like 'select%'";
        let kept: i64 = db.query_one(sql, ()).await.unwrap().get(0).unwrap();
        assert!((1..=5).contains(&kept), "{kept} statements are prepared");
    }
    // The same in a block: a statement that leaves the cache while it is in use is closed behind its use.
    let block = db.atomic(|| async {
        for number in 0..20 {
            db.query(&format!("select {number}"), ()).await?;
        }
        db.query_one("select count(*) from pg_prepared_statements where statement like 'select%'", ())
            .await?
            .get::<i64>(0)
    });
    let kept = block.await.unwrap();
    assert!((1..=5).contains(&kept), "{kept} statements are prepared");
    backend.settled().await;
}

/// rules 36 and 37: it is dropped before it is known whether names are kept, and its block goes on without knowing that
#[tokio::test]
async fn a_first_statement_that_is_dropped_is_not_left_prepared() {
    let backend = one_connection().await;
    let proxy = Proxy::before(&test_servers::postgres_url());
    let db = Database::builder(&proxy.url_for(backend.url())).max_connections(1).build().unwrap();
    db.connect().await.unwrap();
    let block = db.atomic(|| async {
        proxy.stall_when(|message| message.from == Side::Server);
        tokio::select! {
            biased;
            _ = proxy.stalled() => {}
            answer = db.atomic(|| db.query("select 'dropped'", ())) => panic!("its answer is held: {answer:?}"),
        }
        proxy.release();
        db.query("select 'next'", ()).await?;
        let sql = "select statement from pg_prepared_statements where statement like 'select ''%'";
        db.query(sql, ()).await?.iter().map(|row| row.get::<String>(0)).collect::<Result<Vec<_>, _>>()
    });
    assert_eq!(block.await.unwrap(), ["select 'next'"]);
    assert_eq!(proxy.counts().connections, 1, "the block was not begun anew");
}

/// rule 2: seen on the wire, a warm statement is not prepared again, and a stale one exactly once
#[tokio::test]
async fn a_stale_statement_is_prepared_once_more_and_then_warm() {
    let backend = one_connection().await;
    let proxy = Proxy::before(&test_servers::postgres_url());
    let db = Database::builder(&proxy.url_for(backend.url())).max_connections(1).build().unwrap();
    names(&db).await.unwrap();
    proxy.reset();
    names(&db).await.unwrap();
    assert_eq!(proxy.counts().flights, 1);
    backend.observer().batch(CHANGES[0]).await.unwrap();
    proxy.reset();
    names(&db).await.unwrap();
    assert_eq!(proxy.counts().flights, 3, "refused, prepared, executed");
    proxy.reset();
    names(&db).await.unwrap();
    assert_eq!(proxy.counts().flights, 1);
}

test_on! {
    every_backend;

    /// rule 2: the same promise on every back end
    async fn a_table_that_changes_is_read_as_it_is_now(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.execute("insert into item values (1, 'one')", ()).await.unwrap();
        for (count, column) in (3..).zip(["a", "b"]) {
            names(db).await.unwrap();
            backend.observer().batch(&format!("alter table item add column {column} integer default 5")).await.unwrap();
            let row = db.query_one("select * from item", ()).await.unwrap();
            assert_eq!((row.len(), row.get::<i32>(column).unwrap()), (count, 5));
        }
        backend.settled().await;
    }
}
