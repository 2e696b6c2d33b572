//! Round trips on MySQL and MariaDB, counted on the wire for warm statements: the debt is one message, the statement another.

use std::{future::Future, pin::Pin};

use nestling::{Database, Error, Isolation, params};

use super::in_one_go;
use crate::{harness::Backend, proxy::Counts};

const RENAME: &str = "update item set name = $1 where id = $2";

/// What a piece of work sends once its statements are warm.
async fn counted<F, Fut>(backend: Backend, work: F) -> Counts
where
    F: Fn(Database) -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
    backend.db.execute("insert into item values (1, 'a')", params![]).await.expect("a row");
    let counted = in_one_go(async || {
        work(backend.db.clone()).await.expect("the first time");
        proxy.reset();
        work(backend.db.clone()).await.expect("the second time");
        proxy.counts()
    });
    let counts = counted.await;
    assert_eq!(counts.connections, 0, "the connection is used again");
    backend.settled().await;
    counts
}

async fn rename(db: &Database, number: i64) -> Result<(), Error> {
    db.execute(RENAME, params![format!("n{number}"), 1]).await.map(|_| ())
}

/// Blocks inside one another, each with a statement that may have parameters.
fn nest(db: &Database, left: i64, bare: bool) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + '_>> {
    Box::pin(async move {
        if left == 0 {
            return Ok(());
        }
        db.atomic(|| async {
            if bare {
                db.execute("update item set name = 'bare'", params![]).await?;
            } else {
                rename(db, left).await?;
            }
            nest(db, left - 1, bare).await
        })
        .await
    })
}

test_on! {
    mysql_and_mariadb;

    /// rule 56: n statements with parameters cost n + 2
    async fn a_flat_block_costs_two_more_than_its_statements(backend) {
        let counts = counted(backend, |db| async move {
            db.atomic(|| async {
                for number in 0..4 {
                    rename(&db, number).await?;
                }
                Ok(())
            })
            .await
        });
        let counts = counts.await;
        assert_eq!(counts.flights, 6, "{:?}", counts.steps);
        assert_eq!(counts.sequence(), ["START TRANSACTION", RENAME_SENT, RENAME_SENT, RENAME_SENT, RENAME_SENT, "COMMIT"]);
    }

    /// rules 13 and 56
    async fn five_savepoints_inside_one_another_cost_eleven(backend) {
        let counts = counted(backend, |db| async move { db.atomic(|| nest(&db, 5, false)).await }).await;
        assert!(counts.flights <= 11, "{}: {:?}", counts.flights, counts.steps);
        assert_eq!(counts.queries().first(), Some(&"START TRANSACTION; SAVEPOINT _n1"));
        assert_eq!(counts.queries().last(), Some(&"COMMIT"), "a COMMIT releases them all");
    }

    /// rules 13 and 56
    async fn ten_siblings_cost_twenty_one(backend) {
        let counts = counted(backend, |db| async move {
            db.atomic(|| async {
                for number in 0..10 {
                    db.atomic(|| rename(&db, number)).await?;
                }
                Ok(())
            })
            .await
        });
        let counts = counts.await;
        assert!(counts.flights <= 21, "{}: {:?}", counts.flights, counts.steps);
        assert_eq!(counts.executed().len(), 10);
    }

    /// rule 56
    async fn empty_blocks_send_nothing(backend) {
        let counts = counted(backend, |db| async move {
            db.atomic(|| async { Ok::<_, Error>(()) }).await?;
            db.atomic(|| async { db.atomic(|| async { db.atomic(|| async { Ok::<_, Error>(()) }).await }).await }).await
        });
        let counts = counts.await;
        assert_eq!((counts.flights, counts.bytes), (0, 0), "{:?}", counts.steps);
    }

    /// rule 56: a statement without parameters rides with its owed steps
    async fn a_statement_without_parameters_rides_along(backend) {
        let counts = counted(backend, |db| async move { db.atomic(|| nest(&db, 5, true)).await }).await;
        assert_eq!(counts.flights, 6, "{:?}", counts.steps);
        let text = "START TRANSACTION; SAVEPOINT _n1; update item set name = 'bare'";
        assert_eq!(counts.sequence().first(), Some(&text));
    }

    /// rules 13 and 43: what is owed goes with the COMMIT
    async fn a_commit_takes_owed_steps_along(backend) {
        let counts = counted(backend, |db| async move {
            db.atomic(|| async {
                rename(&db, 1).await?;
                let undone = db.atomic(|| async {
                    rename(&db, 2).await?;
                    Err::<(), _>(db.query_one("select 1 from item where id = -1", params![]).await.expect_err("no row"))
                });
                undone.await.expect_err("its own error");
                Ok(())
            })
            .await
        });
        let counts = counts.await;
        let last = counts.queries().last().copied();
        assert_eq!(last, Some("ROLLBACK TO SAVEPOINT _n1; COMMIT"), "{:?}", counts.steps);
    }

    /// rule 55
    async fn settings_cost_nothing(backend) {
        let counts = counted(backend, |db| async move {
            db.build_transaction()
                .isolation(Isolation::ReadCommitted)
                .read_write()
                .set_local("lock_wait_timeout", "7")
                .atomic(|| rename(&db, 1))
                .await
        });
        let counts = counts.await;
        assert_eq!(counts.flights, 3, "{:?}", counts.steps);
        assert_eq!(
            counts.queries(),
            [
                "SET SESSION lock_wait_timeout = 7; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                 START TRANSACTION READ WRITE",
                "COMMIT; SET SESSION lock_wait_timeout = DEFAULT",
            ]
        );
    }

    /// rules 2 and 60
    async fn a_query_outside_any_block_costs_one(backend) {
        let counts = counted(backend, |db| async move { rename(&db, 1).await }).await;
        assert_eq!(counts.flights, 1, "{:?}", counts.steps);
    }
}

const RENAME_SENT: &str = "update item set name = ? where id = ?";
