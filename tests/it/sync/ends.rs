//! Ends: of the handle, of the database, of a connection, and calls that would wait for themselves.

use std::time::Duration;

use futures_util::FutureExt as _;
use nestling::{ErrorKind, params};

use crate::harness::Backend;

test_on! {
    every_server;

    /// Connections go with the last clone of the handle, or when it is closed.
    async fn connections_go_with_the_handle(backend) {
        let backend = backend.with_items().await;
        let sync = backend.db.sync();
        assert_eq!(backend.sessions_at_server().await, 0, "nothing is connected before it is needed");
        sync.query("select 1", params![]).unwrap();
        let other = sync.clone();
        drop(sync);
        other.query("select 1", params![]).unwrap();
        assert_eq!(backend.sessions_at_server().await, 1, "clones share it");
        other.close();
        backend.sessions_come_to(0).await;
        other.query("select 1", params![]).unwrap();
        backend.sessions_come_to(1).await;
        let rows = other.stream("select 1 union select 2", params![]).unwrap();
        drop(other);
        assert_eq!(rows.count(), 2, "rows hold on to what brings them");
        backend.sessions_come_to(0).await;
    }
}

test_on! {
    every_backend;

    /// rule 58
    async fn a_closed_database_is_closed_for_blocking_calls_too(backend) {
        let backend = backend.with_items().await;
        let (db, sync) = (&backend.db, backend.db.sync());
        sync.query("select 1", params![]).unwrap();
        db.close().await;
        assert_eq!(sync.query("select 1", params![]).unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(sync.atomic(|| Ok::<_, nestling::Error>(())).unwrap_err().kind(), ErrorKind::Closed);
        if backend.is_postgres() || backend.is_mysql() {
            backend.sessions_come_to(0).await;
        }
        db.connect().await.unwrap();
        assert_eq!(sync.query("select 1", params![]).unwrap().len(), 1);
        let never = backend.builder().autoconnect(false).build().unwrap();
        assert_eq!(never.sync().query("select 1", params![]).unwrap_err().kind(), ErrorKind::Closed);
        never.connect().await.unwrap();
        assert_eq!(never.sync().query("select 1", params![]).unwrap().len(), 1);
    }
}

test_on! {
    every_backend;

    /// rule 34: what is open is waited for
    async fn closing_the_database_waits_for_open_blocking_transactions(backend) {
        let backend = backend.with_items().await.with(|options| options.close_timeout(Duration::from_secs(30)));
        let (db, sync) = (backend.db.clone(), backend.db.sync());
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (go_on, goes_on) = std::sync::mpsc::channel();
        let block = std::thread::spawn(move || {
            sync.atomic(|| {
                sync.execute("insert into item values (1, 'one')", params![])?;
                begun.send(()).expect("the test waits for it");
                goes_on.recv().expect("the test lets it go on");
                sync.execute("insert into item values (2, 'two')", params![])
            })
        });
        begins.await.unwrap();
        if backend.is_postgres() || backend.is_mysql() {
            let mut closing = std::pin::pin!(db.close());
            assert!(closing.as_mut().now_or_never().is_none(), "the block is open");
            go_on.send(()).expect("the block waits for it");
            closing.await;
            assert_eq!(backend.items().await, ["one", "two"], "committed before the database is closed");
        } else {
            go_on.send(()).expect("the block waits for it");
        }
        let joined = tokio::task::spawn_blocking(|| block.join()).await.unwrap().expect("no panic");
        assert_eq!(joined.unwrap(), 1);
        assert_eq!(backend.items().await, ["one", "two"]);
    }
}

/// rule 33
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_lost_connection_ends_the_block() {
    let backend = Backend::postgres().await.with_items().await;
    let sync = backend.db.sync();
    let (lost, handle) = (sync.clone(), tokio::runtime::Handle::current());
    let block = tokio::task::spawn_blocking(move || {
        let block = lost.atomic(|| {
            lost.execute("insert into item values (1, 'one')", params![])?;
            handle.block_on(async { backend.terminate_sessions().await });
            let error = lost.execute("insert into item values (2, 'two')", params![]).unwrap_err();
            assert!(error.is_connection_lost(), "{error:?}");
            Ok::<_, nestling::Error>(())
        });
        (block, backend)
    });
    let (block, backend) = block.await.expect("no panic");
    assert!(block.is_err());
    assert_eq!(sync.query("select 1", params![]).unwrap().len(), 1, "the next one works");
    assert!(backend.items().await.is_empty());
}
