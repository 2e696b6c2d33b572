//! COMMITs whose outcome is not known: never retried, unless the caller can find out (rules 16 and 52).

use std::sync::Mutex;

use nestling::{Database, Error, ErrorKind, params};

use super::{Runs, at_once};
use crate::{
    harness::{Backend, insert},
    proxy::{Proxy, Side},
};

/// What the caller finds out.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Check {
    None,
    Truth,
    Fails,
}

/// Cuts the connection at the next COMMIT: at its request, or at its answer.
async fn cut_at_commit(proxy: &Proxy, side: Side) {
    proxy.stall_when(move |message| message.from == side && message.text.contains("COMMIT"));
    proxy.stalled().await;
    proxy.cut();
}

/// A transaction whose first COMMIT is cut off; with what it returned, and how often it ran and the caller checked.
async fn cut_off(backend: &Backend, proxy: &Proxy, side: Side, check: Check) -> (Result<u32, Error>, u32, u32) {
    let db = &backend.db;
    let (runs, checks) = (Runs::default(), Runs::default());
    let builder = db.build_transaction().retry(at_once());
    let builder = match check {
        Check::None => builder,
        Check::Truth => builder.on_unknown(|| async {
            checks.next();
            assert_eq!(db.depth(), 0);
            is_there(db).await
        }),
        Check::Fails => builder.on_unknown(|| async {
            checks.next();
            db.query("select * from nowhere", params![]).await.map(|_| true)
        }),
    };
    let work = builder.atomic(|| async {
        let run = runs.next();
        insert(db, 1, "once").await?;
        Ok::<_, Error>(run)
    });
    let mut cut = Box::pin(cut_at_commit(proxy, side));
    let mut work = Box::pin(work);
    let result = tokio::select! {
        biased;
        () = &mut cut => work.await,
        result = &mut work => panic!("the COMMIT is held: {result:?}"),
    };
    (result, runs.count(), checks.count())
}

async fn is_there(db: &Database) -> Result<bool, Error> {
    Ok(db.query_opt("select 1 from item where id = 1", params![]).await?.is_some())
}

async fn wired() -> (Backend, Proxy) {
    Backend::postgres().await.with_items().await.behind_proxy_with(|options| options.max_connections(1))
}

/// rules 16 and 52
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_outcome_is_not_retried_unless_the_caller_finds_out() {
    for (side, committed) in [(Side::Client, false), (Side::Server, true)] {
        for check in [Check::None, Check::Truth, Check::Fails] {
            let (backend, proxy) = wired().await;
            let (result, runs, checks) = cut_off(&backend, &proxy, side, check).await;
            match (check, committed) {
                (Check::None, _) => {
                    assert_eq!(result.expect_err("nobody knows").kind(), ErrorKind::CommitUnknown);
                    assert_eq!((runs, checks), (1, 0));
                }
                (Check::Truth, true) => assert_eq!((result.expect("it was committed"), runs, checks), (1, 1, 1)),
                (Check::Truth, false) => assert_eq!((result.expect("once more"), runs, checks), (2, 2, 1)),
                (Check::Fails, _) => {
                    let error = result.expect_err("nobody knows");
                    assert_eq!((error.kind(), runs, checks), (ErrorKind::CommitUnknown, 1, 1));
                    let source = std::error::Error::source(&error).expect("that of the check");
                    assert_eq!(Error::find_in(source).expect("ours").kind(), ErrorKind::Server);
                }
            }
            backend.settled().await;
            let is_kept = committed || check == Check::Truth;
            assert_eq!(backend.items().await.len(), usize::from(is_kept), "{check:?}, committed: {committed}");
        }
    }
}

test_on! {
    mysql_and_mariadb;

    /// rules 16 and 52: the COMMIT does not reach the server
    async fn an_unknown_outcome_is_retried_if_it_was_not_committed(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let (result, runs, checks) = cut_off(&backend, &proxy, Side::Client, Check::None).await;
        assert_eq!((result.expect_err("nobody knows").kind(), runs, checks), (ErrorKind::CommitUnknown, 1, 0));
        backend.settled().await;
        let (result, runs, checks) = cut_off(&backend, &proxy, Side::Client, Check::Truth).await;
        assert_eq!((result.expect("once more"), runs, checks), (2, 2, 1));
        assert_eq!(backend.items().await, ["once"]);
        backend.settled().await;
    }
}

/// rule 52: an attempt whose COMMIT is known to be lost counts as one
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_commits_use_attempts_up() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let runs = Runs::default();
    let work = db.build_transaction().retry(at_once().attempts(1)).on_unknown(|| is_there(db)).atomic(|| async {
        runs.next();
        insert(db, 1, "lost").await
    });
    let (result, ()) = tokio::join!(work, cut_at_commit(&proxy, Side::Client));
    let error = result.expect_err("its only attempt is lost");
    assert_eq!((error.kind(), error.attempts(), runs.count()), (ErrorKind::RetriesExhausted, Some(1), 1));
    assert!(error.is_connection_lost());
    backend.settled().await;
    assert!(backend.items().await.is_empty());
}

/// rules 1 and 52: an unknown outcome of another database's transaction, in the body, is not that of this one
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_outcome_of_another_database_is_not_retried() {
    let (backend, proxy) = wired().await;
    let (inner, outer) = (&backend.db, backend.observer());
    let (runs, checks) = (Mutex::new(0), Runs::default());
    let retry = at_once().when(|_| true);
    let builder = outer.build_transaction().retry(retry).on_unknown(|| async {
        checks.next();
        Ok(false)
    });
    let work = builder.atomic(|| async {
        *runs.lock().expect("no panic") += 1;
        inner.atomic(|| insert(inner, 1, "who knows")).await
    });
    let (result, ()) = tokio::join!(work, cut_at_commit(&proxy, Side::Client));
    assert_eq!(result.expect_err("nobody knows").kind(), ErrorKind::CommitUnknown);
    assert_eq!((runs.into_inner().expect("no panic"), checks.count()), (1, 0));
    backend.settled().await;
}
