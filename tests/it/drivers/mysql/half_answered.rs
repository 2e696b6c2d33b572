//! Texts of several statements that the server leaves half answered: a KILL QUERY that comes just between two of them makes it
//! go on with neither, though it has promised another answer. The proxy holds that answer in its place.

use std::time::Duration;

use nestling::{Database, Error, ErrorKind, params};
use tokio::time::timeout;

use crate::{
    harness::{Backend, insert},
    proxy::{Proxy, Side},
};

/// Far longer than it takes to find out, also on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

/// Holds the second answer to the next text for which this is true.
fn hold_the_second_answer(proxy: &Proxy, is_meant: fn(&str) -> bool) {
    let mut meant = None;
    let mut answers = 0;
    proxy.stall_when(move |message| {
        if message.from == Side::Client && is_meant(&message.text) {
            meant = Some(message.connection);
        } else if message.from == Side::Server && meant == Some(message.connection) {
            answers += 1;
        }
        answers == 2
    });
}

/// A block inside a transaction that writes and fails: its rollback is owed.
async fn fail(db: &Database) {
    let inner = db.atomic(|| async {
        insert(db, 2, "two").await?;
        insert(db, 1, "again").await
    });
    inner.await.expect_err("the id is taken");
}

async fn prepared(backend: Backend) -> (Backend, Proxy) {
    let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
    backend.db.ping().await.expect("a connection");
    (backend, proxy)
}

test_on! {
    mysql_and_mariadb;

    /// rules 17 and 40: the rollback of a nested block and COMMIT are one text
    async fn a_commit_that_is_not_answered_is_given_up_as_unknown(backend) {
        let (backend, proxy) = prepared(backend).await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "one").await?;
            fail(db).await;
            hold_the_second_answer(&proxy, |text| text.ends_with("COMMIT"));
            Ok::<_, Error>(())
        });
        let error = timeout(BOUND, work).await.expect("it is given up").expect_err("nobody knows");
        assert_eq!(error.kind(), ErrorKind::CommitUnknown, "{error:?}");
        proxy.release();
        backend.settled().await;
        insert(db, 3, "three").await.expect("on another connection");
    }

    /// rules 38 and 60: owed steps ahead of a statement
    async fn steps_that_are_not_answered_cost_the_connection_alone(backend) {
        let (backend, proxy) = prepared(backend).await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "one").await?;
            fail(db).await;
            hold_the_second_answer(&proxy, |text| text.contains("ROLLBACK TO") && text.contains("; SAVEPOINT"));
            db.atomic(|| db.atomic(|| insert(db, 3, "three"))).await
        });
        let error = timeout(BOUND, work).await.expect("it is given up").expect_err("the connection is lost");
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error:?}");
        proxy.release();
        backend.settled().await;
        assert!(backend.items().await.is_empty(), "the transaction was rolled back");
        insert(db, 4, "four").await.expect("on another connection");
    }

    /// rule 38: a statement of a text may take as long as it likes
    async fn a_text_that_is_at_work_is_not_given_up(backend) {
        let db = &backend.db;
        let start = std::time::Instant::now();
        let work = db.atomic(|| async {
            db.batch("set @a = 1; do sleep(5); set @b = 2").await?;
            db.query_one("select @b", params![]).await?.get::<i64>(0)
        });
        assert_eq!(work.await.expect("it runs to its end, in one session"), 2);
        assert!(start.elapsed() >= Duration::from_secs(5));
    }
}
