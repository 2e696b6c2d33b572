//! Connections that are thrown away inside a transaction while somebody keeps what has them: they are rolled back all the
//! same, and do not wait for whoever keeps it. Fault kind: what is thrown away was left to its last holder.

use std::{sync::mpsc, time::Duration};

use nestling::{Error, ErrorKind, params};

use crate::{
    harness::{Backend, insert, poll_once},
    proxy::Side,
};

/// Waits until the server sees no transaction, though its connection is kept.
async fn rolled_back(backend: &Backend) {
    wait_while!(backend.open_at_server().await > 0);
}

test_on! {
    mysql_and_mariadb;

    /// rules 6 and 36: a ROLLBACK that is not answered, and a statement that was begun before it and is kept
    async fn a_connection_whose_rollback_hangs_is_rolled_back_while_a_child_is_kept(backend) {
        let (backend, proxy) =
            backend.with_items().await.behind_proxy_with(|options| options.turn_timeout(Duration::from_millis(40)));
        let db = &backend.db;
        let mut child = None;
        let result = db.atomic(|| async {
            insert(db, 1, "lost").await?;
            let mut open = Box::pin(db.atomic(|| db.query("select sleep(300)", params![])));
            wait_while!(backend.count_running("%sleep(300)%").await == 0, {
                assert!(poll_once(open.as_mut()).await.is_pending());
            });
            proxy.stall_when(|message| message.from == Side::Client && message.text.contains("ROLLBACK"));
            child = Some(open);
            Ok::<_, Error>(())
        });
        result.await.expect_err("the child is open still");
        rolled_back(&backend).await;
        let late = child.expect("it was carried out").await.expect_err("its parent has ended");
        assert_eq!(late.kind(), ErrorKind::FrameClosed);
        assert!(backend.items().await.is_empty());
        proxy.release();
        backend.settled().await;
    }

    /// rules 6 and 36: a native client that is kept beyond the block that it was lent in
    async fn a_connection_whose_native_client_is_kept_is_rolled_back(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let mut kept = None;
        let result = db.atomic(|| async {
            insert(db, 1, "lost").await?;
            db.with_mysql(|client| async {
                kept = Some(client);
                Ok::<_, Error>(())
            })
            .await
        });
        assert!(result.await.expect_err("the client was kept").is_connection_lost());
        rolled_back(&backend).await;
        drop(kept.expect("it is kept until now"));
        assert!(backend.items().await.is_empty());
        backend.settled().await;
    }
}

/// rules 6 and 36: SQLite cannot stop a closure, which ends when its block has been given up
#[tokio::test]
async fn a_connection_of_sqlite_that_was_given_up_is_rolled_back_while_a_child_is_kept() {
    let backend = Backend::sqlite().await.with_items().await;
    let backend = backend.with(|options| options.turn_timeout(Duration::from_millis(40)));
    let db = &backend.db;
    let (begin, begun) = mpsc::channel();
    let (leave, stays) = mpsc::channel::<()>();
    let mut child = None;
    let result = db.atomic(|| async {
        insert(db, 1, "lost").await?;
        let mut open = Box::pin(db.atomic(|| {
            db.with_sqlite(move |_| {
                begin.send(()).expect("it is waited for");
                // Until it is let go, or the test has failed.
                let _ = stays.recv();
                Ok::<_, Error>(())
            })
        }));
        wait_while!(begun.try_recv().is_err(), {
            assert!(poll_once(open.as_mut()).await.is_pending());
            tokio::task::yield_now().await;
        });
        child = Some(open);
        Ok::<_, Error>(())
    });
    let error = result.await.expect_err("the child is open still");
    assert_eq!(error.kind(), ErrorKind::TurnTimeout, "{error}");
    leave.send(()).expect("the closure waits");
    rolled_back(&backend).await;
    let late = child.expect("it was carried out").await.expect_err("its parent has ended");
    assert_eq!(late.kind(), ErrorKind::FrameClosed);
    assert!(backend.items().await.is_empty());
    backend.settled().await;
}
