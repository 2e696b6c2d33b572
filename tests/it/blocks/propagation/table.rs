//! What goes over the wire: each mode, without a transaction and within one, with bodies that succeed and fail.

use nestling::{Database, Error, ErrorKind, blocks::Propagation};

use super::{ALL, with};
use crate::{harness::Backend, proxy::Proxy};

/// An error that is not ours, or one of ours.
#[derive(Debug, PartialEq)]
enum Mine {
    Db(ErrorKind),
    No,
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Db(error.kind())
    }
}

const ROOT: [&str; 3] = ["BEGIN", "select 'inside'", "COMMIT"];
const ROOT_FAILS: [&str; 3] = ["BEGIN", "select 'inside'", "ROLLBACK"];
const JOINED: [&str; 5] = ["BEGIN", "select 'before'", "select 'inside'", "select 'after'", "COMMIT"];
const JOINED_FAILS: [&str; 4] = ["BEGIN", "select 'before'", "select 'inside'", "ROLLBACK"];
const ALONE: [&str; 4] = ["BEGIN", "select 'before'", "select 'after'", "COMMIT"];

/// What is sent, and what comes out of a body that succeeds.
fn expected(propagation: Propagation, is_inside: bool, fails: bool) -> (Vec<&'static str>, Result<(), Mine>) {
    use Propagation::{Mandatory, Nested, Never, NotSupported, Required, RequiresNew, Supports};
    let sent: &[&str] = match (propagation, is_inside, fails) {
        (Required | Nested | RequiresNew, false, false) => &ROOT,
        (Required | Nested | RequiresNew, false, true) => &ROOT_FAILS,
        (Required | Mandatory | Supports, true, false) => &JOINED,
        (Required | Mandatory | Supports, true, true) => &JOINED_FAILS,
        (Nested, true, false) => &[
            "BEGIN",
            "select 'before'",
            "SAVEPOINT _n1",
            "select 'inside'",
            "RELEASE SAVEPOINT _n1",
            "select 'after'",
            "COMMIT",
        ],
        (Nested, true, true) => &[
            "BEGIN",
            "select 'before'",
            "SAVEPOINT _n1",
            "select 'inside'",
            "ROLLBACK TO SAVEPOINT _n1; RELEASE SAVEPOINT _n1",
            "select 'after'",
            "COMMIT",
        ],
        (RequiresNew, true, false) => {
            &["BEGIN", "select 'before'", "BEGIN", "select 'inside'", "COMMIT", "select 'after'", "COMMIT"]
        }
        (RequiresNew, true, true) => {
            &["BEGIN", "select 'before'", "BEGIN", "select 'inside'", "ROLLBACK", "select 'after'", "COMMIT"]
        }
        (Mandatory, false, _) => return (Vec::new(), Err(Mine::Db(ErrorKind::NoTransaction))),
        (Never, true, _) => return (ALONE.to_vec(), Err(Mine::Db(ErrorKind::TransactionOpen))),
        (Never | Supports | NotSupported, false, _) => &["select 'inside'"],
        (NotSupported, true, _) => &JOINED,
        (other, ..) => panic!("{other:?} is new"),
    };
    (sent.to_vec(), if fails { Err(Mine::No) } else { Ok(()) })
}

/// Runs a body that makes one statement.
async fn run(db: &Database, propagation: Propagation, fails: bool, by_transaction: bool) -> Result<(), Mine> {
    let own = db.clone();
    let body = move || async move {
        own.batch("select 'inside'").await?;
        if fails { Err(Mine::No) } else { Ok(()) }
    };
    if by_transaction {
        with(db, propagation).transaction(body).await
    } else {
        with(db, propagation).atomic(body).await
    }
}

/// Two connections, so that one is free beside a transaction.
async fn wired() -> (Backend, Proxy) {
    let (backend, proxy) = Backend::postgres().await.behind_proxy_with(|options| options.max_connections(2));
    // Both are made, and their control statements prepared.
    let db = &backend.db;
    let both = async || {
        let one = async || {
            db.atomic(|| async {
                db.atomic(|| db.batch("select 1")).await?;
                let undone = db.atomic(|| async {
                    db.batch("select 1").await?;
                    Err::<(), _>(Mine::No)
                });
                assert_eq!(undone.await, Err(Mine::No));
                db.batch("select 1").await
            })
            .await
        };
        one().await?;
        with(db, Propagation::RequiresNew).atomic(one).await
    };
    db.atomic(both).await.expect("two transactions");
    (backend, proxy)
}

/// rule 28
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mode_sends_what_the_table_says() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    for propagation in ALL {
        for (fails, by_transaction) in [(false, false), (false, true), (true, false), (true, true)] {
            let what = format!("{propagation:?}, fails: {fails}, by `transaction`: {by_transaction}");
            let (sent, result) = expected(propagation, false, fails);
            backend.settled().await;
            proxy.reset();
            assert_eq!(run(db, propagation, fails, by_transaction).await, result, "{what}");
            backend.settled().await;
            assert_eq!(proxy.counts().sequence(), sent, "{what}");

            let (sent, result) = expected(propagation, true, fails);
            let is_marked = sent.last() == Some(&"ROLLBACK");
            proxy.reset();
            let outer = db.atomic(|| async {
                db.batch("select 'before'").await?;
                assert_eq!(run(db, propagation, fails, by_transaction).await, result, "inside: {what}");
                assert_eq!(db.depth(), 1, "{what}");
                let after = db.batch("select 'after'").await;
                assert_eq!(after.is_err(), is_marked, "inside: {what}");
                Ok::<_, Mine>(())
            });
            let marked = Err(Mine::Db(ErrorKind::UnexpectedRollback));
            assert_eq!(outer.await, if is_marked { marked } else { Ok(()) }, "inside: {what}");
            backend.settled().await;
            assert_eq!(proxy.counts().sequence(), sent, "inside: {what}");
        }
    }
}

/// rule 28: on a pinned connection, which is no transaction, a block begins there; a new one beside it goes elsewhere
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_connection_is_no_transaction() {
    let backend = Backend::postgres().await.with(|options| options.max_connections(2));
    let db = &backend.db;
    let pid = || async { db.query_one("select pg_backend_pid()", ()).await?.get::<i32>(0) };
    let pinned = db.connection(|| async {
        let own = pid().await?;
        for propagation in ALL {
            match with(db, propagation).atomic(pid).await {
                Ok(there) => assert_eq!(there, own, "{propagation:?}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::NoTransaction, "{propagation:?}"),
            }
        }
        db.atomic(|| async {
            for propagation in ALL {
                let is_elsewhere = matches!(propagation, Propagation::RequiresNew | Propagation::NotSupported);
                match with(db, propagation).atomic(pid).await {
                    Ok(there) => assert_eq!(there != own, is_elsewhere, "{propagation:?}"),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::TransactionOpen, "{propagation:?}"),
                }
            }
            Ok::<_, Error>(())
        })
        .await
    });
    pinned.await.expect("nothing fails");
    backend.settled().await;
}

/// rule 30
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_checked_or_held_and_never_ignored() {
    use Propagation::{Mandatory, Nested, Never, NotSupported, Required, RequiresNew, Supports};
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    let read_only = || async { db.query_one("show transaction_read_only", ()).await?.get::<String>(0) };
    let kind = async |propagation| {
        let result = with(db, propagation).read_only().atomic(read_only).await;
        result.map_err(|error| error.kind())
    };
    for propagation in [Required, Nested, RequiresNew] {
        assert_eq!(kind(propagation).await.as_deref(), Ok("on"), "{propagation:?}");
    }
    for propagation in [Never, Supports, NotSupported] {
        assert_eq!(kind(propagation).await, Err(ErrorKind::SettingsMismatch), "{propagation:?}");
    }
    let outer = db.atomic(|| async {
        for propagation in [Required, Nested, Mandatory, Supports] {
            assert_eq!(kind(propagation).await, Err(ErrorKind::SettingsMismatch), "{propagation:?}");
            let durable = with(db, propagation).durable().atomic(read_only).await;
            assert_eq!(durable.expect_err("not the outermost").kind(), ErrorKind::NotDurable, "{propagation:?}");
        }
        assert_eq!(kind(RequiresNew).await.as_deref(), Ok("on"), "it has its own");
        assert_eq!(with(db, RequiresNew).durable().atomic(read_only).await?, "off", "it is the outermost of its own");
        assert_eq!(read_only().await?, "off", "the outer one is as it was");
        let joined = with(db, Required).set_local("app.tenant", "7").atomic(read_only).await;
        assert_eq!(joined.expect_err("no savepoint to end it with").kind(), ErrorKind::SettingsMismatch);
        with(db, Nested).set_local("app.tenant", "7").atomic(read_only).await?;
        Ok::<_, Error>(())
    });
    outer.await.expect("the outer one commits");
    backend.settled().await;
}
