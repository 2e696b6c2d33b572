//! Prepared statements and changes of the schema that their own session makes, or that change what their parameters are:
//! prepared anew wherever nothing can have been done, and never failing twice for one change. Fault kind: a cached
//! statement that no longer fits.

use nestling::{Database, Error, params};

use crate::harness::Backend;

async fn one_connection() -> Backend {
    let backend = Backend::postgres().await.with(|options| options.max_connections(1)).with_items().await;
    backend.db.execute("insert into item values (1, 'one')", ()).await.expect("an item");
    backend
}

/// How many columns `item` has, by a statement that is prepared for them.
async fn columns(db: &Database) -> Result<usize, Error> {
    let row = db.query_one("select item.* from (select 1) as x left join item on true limit 1", ()).await?;
    Ok(row.len())
}

/// What changes the columns of `item`, and how many there are then.
const CHANGES: [(&str, usize); 5] = [
    ("alter table item add column a integer", 3),
    ("alter table item alter column a type text", 3),
    ("do $$ begin alter table item drop column a; end $$", 2),
    ("create temporary table item (x integer, y integer, z integer, w integer)", 4),
    ("drop table item", 2),
];

/// The ways to run a text.
const CALLS: [&str; 3] = ["execute", "batch", "native"];

async fn run(db: &Database, sql: &str, call: &str) -> Result<(), Error> {
    match call {
        "execute" => db.execute(sql, ()).await.map(drop),
        "batch" => db.batch(sql).await,
        _ => {
            let sql = sql.to_owned();
            db.with_postgres(|client| async move {
                client.batch_execute(&sql).await.expect("the native client runs it");
                Ok(())
            })
            .await
        }
    }
}

/// rule 3: in the middle of a block, by all the ways to run a text
#[tokio::test]
async fn a_block_that_changes_a_table_reads_it_as_it_is_then() {
    for call in CALLS {
        let backend = one_connection().await;
        let db = &backend.db;
        let block = db.atomic(|| async {
            assert_eq!(columns(db).await?, 2);
            for (change, wanted) in CHANGES {
                run(db, change, call).await?;
                assert_eq!(columns(db).await?, wanted, "{call}: {change}");
                assert_eq!(columns(db).await?, wanted, "{call}: {change}, once more");
            }
            Ok::<_, Error>(())
        });
        block.await.unwrap_or_else(|error| panic!("{call}: {error:?}"));
        backend.settled().await;
    }
}

/// rules 13, 31: a change that is undone with its savepoint
#[tokio::test]
async fn a_change_that_is_rolled_back_is_not_noticed_by_the_block_around_it() {
    for call in CALLS {
        let backend = one_connection().await;
        let db = &backend.db;
        let block = db.atomic(|| async {
            for (change, wanted) in CHANGES.into_iter().take(1).chain([CHANGES[3]]) {
                assert_eq!(columns(db).await?, 2);
                let nested = db.atomic(|| async {
                    run(db, change, call).await?;
                    assert_eq!(columns(db).await?, wanted);
                    db.atomic(|| async { columns(db).await.map(|seen| assert_eq!(seen, wanted)) }).await?;
                    Err::<(), _>(Stop)
                });
                nested.await.expect_err("it was stopped");
                assert_eq!(columns(db).await?, 2, "{call}: {change}");
            }
            Ok::<_, Error>(())
        });
        block.await.unwrap_or_else(|error| panic!("{call}: {error:?}"));
        assert_eq!(columns(db).await.expect("outside"), 2);
        backend.settled().await;
    }
}

/// rule 31: a table that was made, undone, and made anew with another type
#[tokio::test]
async fn a_table_that_is_made_anew_after_a_rollback_is_read_as_it_is_now() {
    let backend = one_connection().await;
    let db = &backend.db;
    let read = || async { db.query("select * from fresh", ()).await?.first().map_or(Ok(None), |row| row.get(0)) };
    let block = db.atomic(|| async {
        for (make, wanted) in [("integer", "7"), ("text", "seven"), ("numeric", "7.0")] {
            let make = format!("create table fresh (x {make}); insert into fresh values ('{wanted}')");
            let nested: Result<(), Stop> = db
                .atomic(|| async {
                    db.batch(&make).await?;
                    let text = db.query_one("select x::text from fresh", ()).await?.get::<String>(0)?;
                    assert_eq!(text, wanted);
                    db.query("select * from fresh", ()).await?;
                    Err(Stop)
                })
                .await;
            nested.expect_err("it was stopped");
        }
        db.batch("create table fresh (x bigint); insert into fresh values (8)").await?;
        read().await
    });
    assert_eq!(block.await.expect("no statement is stale"), Some(8_i64));
    backend.settled().await;
}

/// An error that a block is left by.
#[derive(Debug)]
struct Stop;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        panic!("no other error is meant: {error:?}")
    }
}

/// rule 31: the root as a whole
#[tokio::test]
async fn a_change_that_is_rolled_back_with_its_root_is_not_noticed_by_the_next() {
    let backend = one_connection().await;
    let db = &backend.db;
    for (change, wanted) in [CHANGES[0], CHANGES[3]] {
        let root: Result<(), Stop> = db
            .atomic(|| async {
                db.execute(change, ()).await?;
                assert_eq!(columns(db).await?, wanted);
                Err(Stop)
            })
            .await;
        root.expect_err("it was stopped");
        let next = db.atomic(|| async {
            db.query("select 1", ()).await?;
            columns(db).await
        });
        assert_eq!(next.await.expect("not the first statement of its block"), 2);
    }
}

/// rule 31: DEALLOCATE and DISCARD in the middle of a block
#[tokio::test]
async fn a_block_that_throws_prepared_statements_away_goes_on() {
    let backend = one_connection().await;
    let db = &backend.db;
    for forget in ["deallocate all", "discard plans", "discard temp", "reset all"] {
        for call in CALLS {
            let block = db.atomic(|| async {
                columns(db).await?;
                run(db, forget, call).await?;
                db.execute("set local search_path to default", ()).await?;
                db.execute(&format!("set local search_path = {}", backend.name()), ()).await?;
                columns(db).await
            });
            assert_eq!(block.await.unwrap_or_else(|error| panic!("{forget}, {call}: {error:?}")), 2);
        }
    }
    backend.settled().await;
}

/// rule 2: another session has changed the type of a column, so that the parameter is of another type
#[tokio::test]
async fn a_parameter_whose_type_has_changed_costs_nobody_an_error_outside_a_block() {
    let backend = one_connection().await;
    let db = &backend.db;
    let statements = [
        "select name from item where id = $1",
        "update item set name = name where id = $1",
        "insert into item (id, name) values ($1, 'n') on conflict (id) do nothing",
        "select coalesce(id, $1) from item",
        "select id from item union all select $1",
    ];
    for ty in ["bigint", "text", "numeric", "text", "bigint"] {
        let alter = format!("alter table item alter column id type {ty} using id::text::{ty}");
        backend.observer().batch(&alter).await.expect(&alter);
        for sql in statements {
            db.query(sql, params![1]).await.unwrap_or_else(|error| panic!("{ty}, {sql}: {error:?}"));
        }
        let block = db.atomic(|| db.query(statements[0], params![1]));
        assert_eq!(block.await.expect("the first of a block").len(), 1);
    }
    backend.settled().await;
}

/// rule 31: in the middle of a block it is an error once, and not at each later call
#[tokio::test]
async fn a_parameter_whose_type_has_changed_fails_a_block_once() {
    let backend = one_connection().await;
    let db = &backend.db;
    let find = "select name from item where id = $1";
    let block = || {
        db.atomic(|| async {
            db.query("select 1", ()).await?;
            db.query(find, params![1]).await
        })
    };
    block().await.expect("it is prepared");
    backend.observer().batch("alter table item alter column id type text").await.expect("another type");
    assert_eq!(block().await.expect_err("it was prepared for a number").code(), Some("42883"));
    assert_eq!(block().await.expect("it was forgotten").len(), 1);
}

/// rule 2: what a function has done before it failed is not done once more
#[tokio::test]
async fn an_error_from_within_a_function_runs_nothing_twice() {
    let backend = one_connection().await;
    let db = &backend.db;
    db.batch(
        "create sequence calls;
         create function fails() returns integer language plpgsql as $$
         begin perform nextval('calls'); execute 'select no_such_function(1)'; return 1; end $$;
         create procedure commits() language plpgsql as $$
         begin insert into item values ((select max(id) + 1 from item)); commit; execute 'select no_such_column'; end $$",
    )
    .await
    .expect("the functions");
    for calls in 1..4_i64 {
        let code = db.query("select fails()", ()).await.expect_err("it fails").code().map(str::to_owned);
        assert_eq!(code.as_deref(), Some("42883"));
        let last = db.query_one("select last_value from calls", ()).await.expect("a number");
        assert_eq!(last.get::<i64>(0).expect("a number"), calls);
        db.execute("call commits()", ()).await.expect_err("it fails behind its COMMIT");
        let count = db.query_one("select count(*) from item", ()).await.expect("a count");
        assert_eq!(count.get::<i64>(0).expect("a count"), calls + 1);
    }
}
