//! Futures that are kept, neither polled nor dropped, while they wait for the connection of their transaction (rule 6):
//! whoever else needs that connection gets it, and the pool loses none.

use std::{pin::Pin, time::Duration};

use nestling::{Context, Database, Error, ErrorKind, Row, params};
use tokio::time::timeout;

use crate::{
    dialects::numbers,
    harness::{Backend, insert, poll_once},
};

/// Far longer than any of this takes if nothing waits in vain.
const BOUND: Duration = Duration::from_secs(20);

type Query = Pin<Box<dyn Future<Output = Result<Vec<Row>, Error>> + Send>>;

/// The only connection of the pool is somebody else's, until what is returned is dropped.
async fn busy(db: &Database) -> tokio::sync::oneshot::Sender<()> {
    let (give_back, given_back) = tokio::sync::oneshot::channel::<()>();
    let (tell, told) = tokio::sync::oneshot::channel();
    let db = db.clone();
    tokio::spawn(async move {
        let pinned = db.connection(|| async {
            db.query("select 1", params![]).await?;
            tell.send(()).expect("it is waited for");
            let _ = given_back.await;
            Ok::<_, Error>(())
        });
        pinned.await.expect("a connection");
    });
    told.await.expect("the connection is there");
    give_back
}

/// A statement of the current context, polled once.
async fn begun(db: &Database) -> Query {
    let own = db.clone();
    let sql = numbers(db.dialect());
    let mut query: Query = Box::pin(Context::current().enter(async move { own.query(sql, params![1]).await }));
    assert!(poll_once(query.as_mut()).await.is_pending(), "it waits for a connection");
    query
}

async fn with_one_connection(backend: Backend) -> Backend {
    let short = Duration::from_millis(400);
    backend.with_items().await.with(|options| options.max_connections(1).acquire_timeout(BOUND).turn_timeout(short))
}

/// An error of the body's own, which needs no connection.
fn own_error() -> Error {
    Database::open("no such scheme").expect_err("it is no URL")
}

test_on! {
    every_backend;

    /// rule 6: the statement was the first of its transaction, in a nested block
    async fn what_is_kept_beyond_a_nested_block_while_it_waits_for_a_connection_holds_up_nobody(backend) {
        let backend = with_one_connection(backend).await;
        let db = &backend.db;
        let give_back = busy(db).await;
        let outer = db.atomic(|| async {
            let mut kept = None;
            let nested = db.atomic(|| async {
                kept = Some(begun(db).await);
                Err::<(), _>(own_error())
            });
            nested.await.expect_err("its own error");
            drop(give_back);
            insert(db, 1, "after").await.map(|_| kept)
        });
        let kept = timeout(BOUND, outer).await.expect("the parent does not wait for what is kept").unwrap();
        let late = kept.expect("it is kept").await.expect_err("its block has ended");
        assert_eq!(late.kind(), ErrorKind::FrameClosed, "{late}");
        assert_eq!(backend.items().await, ["after"]);
    }

    /// rules 6, 39: the transaction ends while the statement waits, and the connection goes to the next one
    async fn what_is_kept_beyond_a_root_while_it_waits_for_a_connection_takes_none(backend) {
        let backend = with_one_connection(backend).await;
        let db = &backend.db;
        let give_back = busy(db).await;
        let mut kept = None;
        let root = db.atomic(|| async {
            kept = Some(begun(db).await);
            Err::<(), _>(own_error())
        });
        root.await.expect_err("its own error");
        drop(give_back);
        timeout(BOUND, insert(db, 2, "next")).await.expect("the connection is not lost").unwrap();
        let late = kept.expect("it is kept").await.expect_err("its block has ended");
        assert_eq!(late.kind(), ErrorKind::FrameClosed, "{late}");
        assert_eq!(backend.items().await, ["next"]);
        backend.settled().await;
    }
}

/// rule 6: another statement of the same block takes the wait on. (On the other servers it waits for its turn.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_statement_goes_on_beside_one_that_is_kept_while_it_waits_for_a_connection() {
    let backend = with_one_connection(Backend::postgres().await).await;
    let db = &backend.db;
    let give_back = busy(db).await;
    let root = db.atomic(|| async {
        let kept = begun(db).await;
        let next = begun(db).await;
        drop(give_back);
        let rows = next.await?;
        assert_eq!(rows.len(), 1);
        drop(kept);
        Ok::<_, Error>(())
    });
    let _aborted = timeout(BOUND, root).await.expect("it does not wait for what is kept");
    backend.settled().await;
}
