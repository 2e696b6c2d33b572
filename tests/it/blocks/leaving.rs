//! Leaving a block: rules 14 to 18 of the specification.

use std::time::Duration;

use nestling::{Error, ErrorKind, params, status::Status};

use crate::{
    harness::{Backend, insert, poll_once},
    proxy::{Proxy, Side},
};

/// The caller's own error.
#[derive(Debug)]
enum Mine {
    Db(Error),
    No(u8),
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Db(error)
    }
}

async fn wired() -> (Backend, Proxy) {
    let (backend, proxy) =
        Backend::postgres().await.with_items().await.behind_proxy_with(|options| options.max_connections(1));
    insert(&backend.db, 0, "warm").await.expect("an insert");
    proxy.reset();
    (backend, proxy)
}

/// The next transaction works, on a connection that is not the one that broke.
async fn works_again(backend: &Backend, id: i64) {
    backend.settled().await;
    let name = format!("after {id}");
    backend.db.atomic(|| insert(&backend.db, id, &name)).await.expect("the next transaction works");
}

/// Holds the first message of the client that contains `text`.
fn hold(proxy: &Proxy, text: &'static str) {
    proxy.stall_when(move |message| message.from == Side::Client && message.text.contains(text));
}

/// rule 15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_is_returned_as_it_is_though_the_rollback_behind_it_fails() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    hold(&proxy, "ROLLBACK");
    let work = db.atomic(|| async {
        insert(db, 1, "lost").await?;
        Err::<(), _>(Mine::No(7))
    });
    let cut = async {
        proxy.stalled().await;
        proxy.cut();
    };
    let (result, ()) = tokio::join!(work, cut);
    assert!(matches!(result, Err(Mine::No(7))), "{result:?}");
    works_again(&backend, 1).await;
    assert_eq!(backend.items().await, ["after 1", "warm"]);
    assert_eq!(proxy.counts().connections, 1, "the connection was thrown away");
}

/// rules 15 and 18: the savepoint is gone behind our back
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_savepoint_that_cannot_be_ended_aborts_the_parent() {
    for (inner_ok, statement_after) in [(false, true), (false, false), (true, true)] {
        let (backend, proxy) = wired().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "lost").await?;
            let inner = db.atomic(|| async {
                insert(db, 2, "lost too").await?;
                // It takes our savepoint away, and puts one of the guard's name in place so that this is not noticed.
                let steal = "ROLLBACK TO SAVEPOINT _n1; RELEASE SAVEPOINT _n1; SAVEPOINT nestling_native";
                db.with_postgres(|client| async move { client.batch_execute(steal).await.map_err(|_| Mine::No(1)) })
                    .await?;
                if inner_ok { Ok(()) } else { Err(Mine::No(7)) }
            });
            let result = inner.await;
            assert_eq!(result.is_ok(), inner_ok);
            assert!(inner_ok || matches!(result, Err(Mine::No(7))), "the error itself: {result:?}");
            proxy.reset();
            if statement_after {
                let error = insert(db, 3, "never").await.expect_err("the savepoint could not be ended");
                assert_eq!(error.code(), Some("3B001"), "{error:?}");
                let flights = proxy.counts().flights;
                assert_eq!(insert(db, 4, "never").await.expect_err("aborted").kind(), ErrorKind::Aborted);
                assert_eq!(proxy.counts().flights, flights, "without a round trip");
            }
            Ok::<_, Mine>(())
        });
        match work.await {
            Err(Mine::Db(error)) => assert_eq!(error.code(), Some("3B001"), "{error:?}"),
            other => panic!("the parent cannot commit: {other:?}"),
        }
        works_again(&backend, 9).await;
        assert_eq!(backend.items().await, ["after 9", "warm"]);
    }
}

test_on! {
    postgres_and_sqlite;

    /// rule 16: a constraint that is checked at COMMIT, which MySQL does not have
    async fn a_commit_that_fails_returns_its_error_and_keeps_nothing(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let sql = "create table part (item integer references item (id) deferrable initially deferred)";
        backend.observer().batch(sql).await.expect("the table of the test");
        let db = &backend.db;
        let work = || db.atomic(|| async {
            insert(db, 1, "lost").await?;
            db.atomic(|| db.execute("insert into part values ($1)", params![77])).await?;
            Ok::<_, Mine>("never seen")
        });
        for _ in 0..2 {
            match work().await {
                Err(Mine::Db(error)) => {
                    assert!(error.is_foreign_key_violation(), "{error:?}");
                    assert_eq!(error.kind(), ErrorKind::Server);
                }
                other => panic!("it cannot commit: {other:?}"),
            }
            assert_eq!(db.depth(), 0);
            backend.settled().await;
            assert!(backend.items().await.is_empty());
            assert_eq!(db.stats().connections, 1, "it is known to be idle, and kept");
        }
        db.atomic(|| insert(db, 1, "kept")).await.expect("the next transaction works");
        assert_eq!(backend.items().await, ["kept"]);
    }
}

/// rule 16: cut before the server has the COMMIT, and after it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_during_commit_makes_the_outcome_unknown() {
    for committed in [false, true] {
        let (backend, proxy) = wired().await;
        let db = &backend.db;
        let side = if committed { Side::Server } else { Side::Client };
        proxy.stall_when(move |message| message.from == side && message.text.contains("COMMIT"));
        let work = db.atomic(|| async {
            insert(db, 1, "who knows").await?;
            db.atomic(|| insert(db, 2, "who knows too")).await?;
            Ok::<_, Mine>(())
        });
        let cut = async {
            proxy.stalled().await;
            proxy.cut();
        };
        let (result, ()) = tokio::join!(work, cut);
        let Err(Mine::Db(error)) = result else { panic!("nobody knows: {result:?}") };
        assert_eq!(error.kind(), ErrorKind::CommitUnknown);
        assert!(error.is_connection_lost() && !error.is_retryable());
        works_again(&backend, 3).await;
        assert_eq!(backend.items().await.len(), if committed { 4 } else { 2 }, "both outcomes are consistent");
    }
}

/// rule 16: known to be dead before COMMIT is sent
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_lost_before_commit_is_no_unknown_outcome() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let work = db.atomic(|| async {
        insert(db, 1, "lost").await?;
        proxy.cut();
        // The client has heard of it when its task has read the end of the stream.
        let is_closed = || db.with_postgres(|client| async move { Ok::<_, Error>(client.is_closed()) });
        wait_while!(is_closed().await.is_ok_and(|closed| !closed));
        Ok::<_, Mine>(())
    });
    let Err(Mine::Db(error)) = work.await else { panic!("nothing was committed") };
    assert_ne!(error.kind(), ErrorKind::CommitUnknown);
    assert!(error.is_connection_lost(), "{error:?}");
    assert!(!proxy.counts().sequence().iter().any(|text| text.contains("COMMIT")), "it was not sent");
    works_again(&backend, 2).await;
    assert_eq!(backend.items().await, ["after 2", "warm"]);
}

/// rule 16: the same without any call in between that could notice
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_died_quietly_before_commit_is_no_unknown_outcome() {
    let backend = Backend::postgres().await.with_items().await.with(|options| options.max_connections(1));
    let db = &backend.db;
    let mut held = None;
    let work = db.atomic(|| async {
        insert(db, 1, "lost").await?;
        held = Some(db.with_postgres(|client| async move { Ok::<_, Error>(client) }).await?);
        assert_eq!(backend.terminate_sessions().await, 1);
        wait_while!(!held.as_ref().expect("just kept").is_closed());
        Ok::<_, Mine>(())
    });
    let Err(Mine::Db(error)) = work.await else { panic!("nothing was committed") };
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error:?}");
    drop(held);
    works_again(&backend, 2).await;
    assert_eq!(backend.items().await, ["after 2"]);
}

/// rule 17: an error that no call of ours has seen, and no extra round trip
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_the_server_turned_into_a_rollback_is_an_error() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let mut kept = None;
    let work = db.atomic(|| async {
        insert(db, 1, "lost").await?;
        let client = db.with_postgres(|client| async move { Ok::<_, Error>(client) }).await?;
        client.batch_execute("select no_such_column").await.expect_err("there is none");
        kept = Some(client);
        assert_eq!(db.status(), Status::Open, "we cannot know");
        proxy.reset();
        Ok::<_, Mine>(())
    });
    let Err(Mine::Db(error)) = work.await else { panic!("it cannot commit") };
    assert_eq!(error.kind(), ErrorKind::RolledBack);
    let source = std::error::Error::source(&error).expect("what the server said");
    assert_eq!(Error::find_in(source).and_then(Error::code), Some("25P02"));
    // The session is made as new behind it, maybe by now.
    assert_eq!(proxy.counts().sequence()[0], "COMMIT", "its tag tells");
    drop(kept);
    works_again(&backend, 2).await;
    assert_eq!(backend.items().await, ["after 2", "warm"]);
}

/// rule 17: the native client swallows an error, and so does the caller
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_a_native_client_swallowed_never_commits_silently() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let work = db.atomic(|| async {
        insert(db, 1, "lost").await?;
        let lent = db.with_postgres(|client| async move {
            client.batch_execute("insert into item values (0, 'taken')").await.expect_err("the id is taken");
            Ok::<_, Error>(())
        });
        assert_eq!(lent.await.expect_err("it is found out").kind(), ErrorKind::Aborted);
        assert_eq!(db.status(), Status::Aborted);
        proxy.reset();
        assert_eq!(insert(db, 2, "never").await.expect_err("aborted").kind(), ErrorKind::Aborted);
        assert_eq!(proxy.counts().flights, 0);
        Ok::<_, Mine>(())
    });
    let Err(Mine::Db(error)) = work.await else { panic!("it cannot commit") };
    assert_eq!(error.kind(), ErrorKind::RolledBack);
    assert_eq!(proxy.counts().sequence()[0], "ROLLBACK", "there is no COMMIT to be turned round");
    works_again(&backend, 3).await;
    assert_eq!(backend.items().await, ["after 3", "warm"]);
}

/// rule 17: the first statement's error is the source, and the COMMIT of a good transaction costs one round trip
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_of_rolled_back_is_the_first_error() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let work = db.atomic(|| async {
        let (first, second) =
            tokio::join!(biased; insert(db, 0, "taken"), db.query("select no_such_column", params![]));
        assert!(first.expect_err("the id is taken").is_unique_violation());
        second.expect_err("the block is aborted, or the column is not there");
        Ok::<_, Error>(())
    });
    let error = work.await.expect_err("it cannot commit");
    assert_eq!(error.kind(), ErrorKind::RolledBack);
    assert!(error.is_unique_violation(), "{error:?}");
    // Behind a delay no answer comes between two requests of one poll, however busy the machine is.
    proxy.set_delay(Duration::from_millis(500));
    proxy.reset();
    db.atomic(|| insert(db, 1, "kept")).await.expect("it commits");
    assert_eq!(proxy.counts().flights, 2);
}

test_on! {
    every_backend;

    /// rule 14: a block that fails at any depth gives its own error, and the ones around decide for themselves
    async fn an_error_passes_through_the_blocks_that_pass_it_on(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "lost").await?;
            db.atomic(|| async {
                insert(db, 2, "lost too").await?;
                db.atomic(|| async { Err::<(), _>(Mine::No(9)) }).await
            })
            .await
        });
        assert!(matches!(work.await, Err(Mine::No(9))));
        backend.settled().await;
        assert!(backend.items().await.is_empty());
    }
}

/// rules 14 and 16: the outcome of a COMMIT that nobody waits for any more is one of two
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_under_way_is_not_undone_by_a_drop() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    hold(&proxy, "COMMIT");
    let mut work = Box::pin(db.atomic(|| insert(db, 1, "kept")));
    tokio::select! {
        _ = &mut work => panic!("the COMMIT is held"),
        _ = proxy.stalled() => {}
    }
    assert!(poll_once(work.as_mut()).await.is_pending());
    drop(work);
    proxy.release();
    backend.settled().await;
    assert_eq!(backend.items().await, ["kept", "warm"]);
}
