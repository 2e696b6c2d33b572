//! Procedures of MySQL and MariaDB that end a transaction, begin one, or change their session.

use nestling::{Database, Error, ErrorKind, params};

use super::text;
use crate::harness::{Backend, insert};

async fn with_procedures(backend: Backend, bodies: &[(&str, &str)]) -> Backend {
    let backend = backend.with_items().await.with(|options| options.max_connections(1));
    for (name, body) in bodies {
        let procedure = format!("create procedure {name}() begin {body}; end");
        backend.observer().batch(&procedure).await.expect("a procedure");
    }
    backend
}

/// Runs a text in one of the ways that there are.
async fn run(db: &Database, way: &str, sql: &str) -> Result<(), Error> {
    match way {
        "execute" => db.execute(sql, params![]).await.map(drop),
        "query" => db.query(sql, params![]).await.map(drop),
        "batch" => db.batch(sql).await,
        _ => {
            let mut rows = db.stream(sql, params![]).await?;
            while let Some(row) = rows.next().await {
                row?;
            }
            Ok(())
        }
    }
}

const WAYS: [&str; 4] = ["execute", "query", "batch", "stream"];

test_on! {
    mysql_and_mariadb;

    /// fault 3.1: later statements said `Ok`, and were rolled back by our own clean-up
    async fn autocommit_that_a_procedure_switches_off_loses_no_write_of_others(backend) {
        let off = "set autocommit = 0; insert into item values (10, 'inside'); commit";
        let backend = with_procedures(backend, &[("off", off), ("twice", "set autocommit = 0")]).await;
        let db = &backend.db;
        for way in WAYS {
            for (procedure, inside) in [("off", 1), ("twice", 0)] {
                run(db, way, &format!("call {procedure}()")).await.expect("it commits what it does");
                for id in 1..=3 {
                    insert(db, id, &format!("outside {id}")).await.expect("an insert");
                }
                assert_eq!(backend.items().await.len(), 3 + inside, "{way} {procedure}");
                db.execute("delete from item", params![]).await.expect("an empty table");
                let pinned = db.connection(|| async {
                    run(db, way, &format!("call {procedure}()")).await?;
                    insert(db, 1, "outside 1").await?;
                    db.atomic(|| insert(db, 2, "outside 2")).await?;
                    insert(db, 3, "outside 3").await
                });
                pinned.await.expect("inserts");
                assert_eq!(backend.items().await.len(), 3 + inside, "{way} {procedure} on a pinned connection");
                db.execute("delete from item", params![]).await.expect("an empty table");
                let block = db.connection(|| async {
                    db.atomic(|| async {
                        insert(db, 1, "outside 1").await?;
                        run(db, way, "call twice()").await
                    })
                    .await?;
                    insert(db, 2, "outside 2").await
                });
                block.await.expect("inserts");
                assert_eq!(backend.items().await.len(), 2, "{way} in a block");
                db.execute("delete from item", params![]).await.expect("an empty table");
            }
        }
        backend.settled().await;
    }

    /// fault 3.1: nobody can commit what is open outside any block
    async fn a_procedure_that_leaves_a_transaction_open_is_told(backend) {
        let bodies = [
            ("opens", "start transaction; insert into item values (10, 'inside')"),
            ("opens_without", "set autocommit = 0; insert into item values (10, 'inside')"),
        ];
        let backend = with_procedures(backend, &bodies).await;
        let db = &backend.db;
        for way in WAYS {
            for (procedure, _) in bodies {
                let call = format!("call {procedure}()");
                let told = run(db, way, &call).await.expect_err("it is rolled back");
                assert_eq!(told.kind(), ErrorKind::RolledBack, "{way} {call}: {told:?}");
                assert_eq!(told.statement(), Some(&*call));
                let pinned = db.connection(|| async {
                    run(db, way, &call).await.expect_err("it is rolled back");
                    insert(db, 1, "outside").await
                });
                pinned.await.expect("an insert");
                assert_eq!(backend.items().await, ["outside"], "{way} {call}");
                db.execute("delete from item", params![]).await.expect("an empty table");
            }
        }
        backend.settled().await;
    }

    /// rule 35, fault 3.2: the status flags are the same before and after
    async fn a_procedure_that_begins_a_transaction_in_a_block_is_told(backend) {
        let fails = "start transaction; signal sqlstate '45000' set message_text = 'its own'";
        let bodies = [
            ("begins", "start transaction"),
            ("commits", "commit; start transaction"),
            ("undoes", "rollback; start transaction"),
            ("without", "commit; set autocommit = 0; insert into item values (90, 'inside'); delete from item where id = 90"),
            ("chains", "commit and chain"),
            ("fails", fails),
            ("leaves", "commit"),
            ("loses", "rollback"),
        ];
        let backend = with_procedures(backend, &bodies).await;
        let db = &backend.db;
        for way in WAYS {
            for (procedure, _) in bodies {
                let call = format!("call {procedure}()");
                let told = std::sync::Mutex::new(None);
                let block = db.atomic(|| async {
                    insert(db, 1, "before").await?;
                    let nested = db.atomic(|| async {
                        let error = run(db, way, &call).await.expect_err("it has ended the transaction");
                        *told.lock().expect("no panic") = Some((error.kind(), error.to_string()));
                        Ok::<_, Error>(())
                    });
                    nested.await.expect_err("the transaction is gone");
                    insert(db, 2, "behind").await.expect_err("the transaction is gone");
                    Ok::<_, Error>(())
                });
                let error = block.await.expect_err("the block is not what was committed");
                assert_eq!(error.kind(), ErrorKind::RolledBack, "{way} {call}: {error:?}");
                let (kind, message) = told.lock().expect("no panic").take().expect("it was told");
                if procedure == "fails" {
                    assert_eq!(kind, ErrorKind::Server, "{way} {call}: {message}");
                } else {
                    assert_eq!(kind, ErrorKind::ImplicitCommit, "{way} {call}: {message}");
                    assert!(!message.contains("has committed"), "it may have rolled back: {message}");
                }
                assert!(!backend.items().await.contains(&"behind".to_owned()), "{way} {call}");
                db.execute("delete from item", params![]).await.expect("an empty table");
            }
        }
        backend.settled().await;
    }

    /// rules 13 and 35: the marker is in nobody's way
    async fn a_procedure_that_keeps_its_transaction_is_part_of_the_block(backend) {
        let writes = "insert into item values (10, 'inside'); select 1";
        let backend = with_procedures(backend, &[("writes", writes), ("undoes", "savepoint a; delete from item; rollback to a")]).await;
        let db = &backend.db;
        for way in WAYS {
            let kept = db.atomic(|| async {
                // First in its transaction, in a block inside, and behind an error.
                run(db, way, "call writes()").await?;
                db.atomic(|| async {
                    run(db, way, "call undoes()").await?;
                    let error = run(db, way, "call writes()").await.expect_err("the item is there");
                    assert!(error.is_unique_violation(), "{error:?}");
                    insert(db, 11, "nested").await
                })
                .await?;
                let undone = db.atomic(|| async {
                    db.execute("delete from item", params![]).await?;
                    run(db, way, "call writes()").await?;
                    Err::<(), _>(db.query_one("select 1 from item where id = 0", params![]).await.expect_err("no row"))
                });
                undone.await.expect_err("its own");
                Ok::<_, Error>(())
            });
            kept.await.unwrap_or_else(|error| panic!("{way}: {error:?}"));
            assert_eq!(backend.items().await, ["inside", "nested"], "{way}");
            db.execute("delete from item", params![]).await.expect("an empty table");
        }
        assert_eq!(text(db, "select 'idle'").await, "idle");
        backend.settled().await;
    }
}

/// rule 35: MariaDB runs texts that are made at the server
#[tokio::test]
async fn a_text_that_the_server_runs_is_found_out_like_a_procedure() {
    let backend = with_procedures(Backend::mariadb().await, &[]).await;
    let db = &backend.db;
    for sql in [
        "execute immediate 'commit'",
        "begin not atomic commit; start transaction; end",
        "set statement max_statement_time = 9 for commit",
    ] {
        let block = db.atomic(|| async {
            insert(db, 1, "before").await?;
            let error = db.execute(sql, params![]).await.expect_err("it has ended the transaction");
            assert!(matches!(error.kind(), ErrorKind::ImplicitCommit | ErrorKind::Server), "{sql}: {error:?}");
            Err::<(), _>(error)
        });
        block.await.expect_err("its own");
        db.execute("delete from item", params![]).await.expect("an empty table");
    }
    backend.settled().await;
}
