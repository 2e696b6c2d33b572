//! Blocks whose outer block ends before them, because another task opened them in a captured context: rules 6 and 22.
//! What they do later must not be taken for the end of a sibling that has their name by then.

use std::{future::pending, pin::Pin};

use nestling::{Context, Database, Error, ErrorKind, params};
use tokio::sync::oneshot;

use crate::harness::{Backend, insert};

type Orphan = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// How a block comes to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Ok,
    Err,
    Dropped,
}

const ALL: [(End, End); 6] = [
    (End::Err, End::Ok),
    (End::Err, End::Err),
    (End::Err, End::Dropped),
    (End::Dropped, End::Ok),
    (End::Dropped, End::Err),
    (End::Dropped, End::Dropped),
];

/// Opens a block, and in it, by a future of its own in the captured context, an inner one. Both run a statement. Then
/// the outer one ends, and the inner one is handed over: it is open, and goes on when told to.
async fn orphan(db: &Database, id: i64, outer: End, inner: End) -> (Orphan, oneshot::Sender<()>) {
    let (tell, told) = oneshot::channel::<()>();
    let (ready, is_ready) = oneshot::channel::<Orphan>();
    let body = || async {
        insert(db, id, &format!("outer {id}")).await?;
        let (own, (here, is_here)) = (db.clone(), oneshot::channel::<()>());
        let mut open: Orphan = Box::pin(Context::current().enter(async move {
            own.atomic(|| async {
                insert(&own, id + 1, &format!("inner {id}")).await?;
                here.send(()).expect("it is waited for");
                told.await.expect("it is told");
                match inner {
                    End::Ok => Ok(()),
                    End::Err => own.query("select 1", params![]).await.map(|_| ()),
                    End::Dropped => pending().await,
                }
            })
            .await
        }));
        tokio::select! {
            _ = &mut open => panic!("it has not been told"),
            here = is_here => here.expect("it is there"),
        }
        ready.send(open).ok().expect("it is waited for");
        match outer {
            End::Ok => Ok(()),
            End::Err => nestling::scope(db.query_one("select 1 where 1 = 2", params![])).await.map(|_| ()),
            End::Dropped => pending().await,
        }
    };
    let mut block = Box::pin(db.atomic(body));
    let orphan = if outer == End::Dropped {
        tokio::select! {
            _ = &mut block => panic!("it waits for ever"),
            orphan = is_ready => orphan.expect("it is open"),
        }
    } else {
        assert_eq!(block.as_mut().await.expect_err("its own").kind(), ErrorKind::NoRow);
        is_ready.await.expect("it is open")
    };
    (orphan, tell)
}

/// Lets an orphan end.
async fn end(orphan: Orphan, tell: oneshot::Sender<()>, inner: End) {
    if inner == End::Dropped {
        return drop(orphan);
    }
    tell.send(()).expect("it waits");
    assert_eq!(orphan.await.expect_err("its block has ended with the outer one").kind(), ErrorKind::FrameClosed);
}

test_on! {
    every_backend;

    /// rules 6 and 22
    async fn the_end_of_an_orphan_does_not_end_a_sibling_of_its_name(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for (round, (outer, inner)) in (1..).zip(ALL) {
            let id = 100 * round;
            let work = db.atomic(|| async {
                let (orphan, tell) = orphan(db, id, outer, inner).await;
                db.atomic(|| async {
                    insert(db, id + 10, &format!("sibling {id}")).await?;
                    let undone = db.atomic(|| async {
                        assert_eq!(db.current_savepoint().as_deref(), Some("_n2"), "the name that the orphan had");
                        insert(db, id + 11, "undone").await?;
                        end(orphan, tell, inner).await;
                        insert(db, id + 12, "undone too").await?;
                        nestling::scope(db.query_one("select 1 where 1 = 2", params![])).await.map(|_| ())
                    });
                    assert_eq!(undone.await.expect_err("its own").kind(), ErrorKind::NoRow);
                    insert(db, id + 13, &format!("sibling {id} too")).await
                })
                .await?;
                Ok::<_, Error>(db.query("select id from item where id >= $1", params![id]).await?.len())
            });
            assert_eq!(work.await.expect("it commits"), 2, "{outer:?}, {inner:?}");
        }
        assert_eq!(backend.items().await.len(), 2 * ALL.len());
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 6: the outer block is the root, and the connection is pinned
    async fn the_end_of_an_orphan_does_not_reach_the_next_transaction_of_a_pinned_connection(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for (round, (outer, inner)) in (1..).zip(ALL) {
            let id = 100 * round;
            let work = db.connection(|| async {
                let (orphan, tell) = orphan(db, id, outer, inner).await;
                db.atomic(|| async {
                    insert(db, id + 10, &format!("kept {id}")).await?;
                    let undone = db.atomic(|| async {
                        assert_eq!(db.current_savepoint().as_deref(), Some("_n1"), "the name that the orphan had");
                        insert(db, id + 11, "undone").await?;
                        end(orphan, tell, inner).await;
                        nestling::scope(db.query_one("select 1 where 1 = 2", params![])).await.map(|_| ())
                    });
                    assert_eq!(undone.await.expect_err("its own").kind(), ErrorKind::NoRow);
                    insert(db, id + 12, &format!("kept {id} too")).await
                })
                .await
            });
            work.await.expect("it commits");
        }
        assert_eq!(backend.items().await.len(), 2 * ALL.len());
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 6: a statement of the orphan neither joins the parent's transaction nor is committed on its own
    async fn a_statement_of_an_orphan_is_not_run(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for outer in [End::Err, End::Dropped] {
            let in_parent = db.atomic(|| async {
                let (orphan, tell) = orphan(db, 1, outer, End::Err).await;
                end(orphan, tell, End::Err).await;
                Ok::<_, Error>(db.query("select id from item", params![]).await?.len())
            });
            assert_eq!(in_parent.await.expect("it commits"), 0);
            let pinned = db.connection(|| async {
                let (orphan, tell) = orphan(db, 1, outer, End::Err).await;
                end(orphan, tell, End::Err).await;
                Ok::<_, Error>(db.query("select id from item", params![]).await?.len())
            });
            assert_eq!(pinned.await.expect("nothing fails"), 0);
            let (orphan, tell) = orphan(db, 1, outer, End::Err).await;
            end(orphan, tell, End::Err).await;
            backend.settled().await;
        }
        assert!(backend.items().await.is_empty());
    }
}

/// rules 6 and 22: nothing of the orphan's end is on the wire
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn an_orphan_writes_nothing_to_the_wire() {
    for inner in [End::Ok, End::Err, End::Dropped] {
        let (backend, proxy) = Backend::postgres().await.with_items().await.behind_proxy_with(|options| options);
        let db = &backend.db;
        let work = db.atomic(|| async {
            let (orphan, tell) = orphan(db, 1, End::Dropped, inner).await;
            db.atomic(|| async {
                db.batch("select 'sibling'").await?;
                db.atomic(|| async {
                    db.batch("select 'inside'").await?;
                    end(orphan, tell, inner).await;
                    db.batch("select 'still inside'").await
                })
                .await
            })
            .await
        });
        work.await.expect("it commits");
        let insert = "insert into item values ($1, $2)";
        let steps = proxy.counts().steps;
        let sent: Vec<_> = steps.iter().filter(|step| !step.text.is_empty()).map(|step| step.text.as_str()).collect();
        let mut expected = vec!["BEGIN; SAVEPOINT _n1", insert, insert, "SAVEPOINT _n2", insert];
        expected.extend(["ROLLBACK TO SAVEPOINT _n1", "select 'sibling'", "SAVEPOINT _n2", "select 'inside'"]);
        expected.extend(["select 'still inside'", "COMMIT"]);
        assert_eq!(sent, expected, "{inner:?}");
    }
}
