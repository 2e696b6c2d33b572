//! Closing and opening again. Section H, rule 58.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use nestling::{Database, Error, ErrorKind, params};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{support::waits::PATIENCE, wire::statement};

/// A transaction in a task of its own, which has inserted an item and ends when it is told to.
async fn open_transaction(db: &Database, id: i64) -> (oneshot::Sender<()>, JoinHandle<nestling::Result<()>>) {
    let db = db.clone();
    let (begun, has_begun) = oneshot::channel();
    let (end, ends) = oneshot::channel();
    let task = tokio::spawn(async move {
        db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![id, id.to_string()]).await?;
            let _ = begun.send(());
            let _ = ends.await;
            Ok(())
        })
        .await
    });
    has_begun.await.expect("the insert succeeds");
    (end, task)
}

async fn kind_of<T>(query: impl Future<Output = nestling::Result<T>>) -> Option<ErrorKind> {
    query.await.err().map(|error| error.kind())
}

test_on! {
    every_backend;

    /// rule 58
    async fn closing_is_idempotent_and_connect_opens_again(backend) {
        let db = &backend.db;
        db.close().await;
        assert_eq!(kind_of(statement(db)).await, Some(ErrorKind::Closed));
        db.connect().await.expect("opened");
        statement(db).await.expect("a query");
        assert!(db.is_connected());
        for _ in 0..2 {
            db.close().await;
            assert!(!db.is_connected());
            assert_eq!((db.stats().connections, db.stats().idle), (0, 0));
            assert_eq!(kind_of(statement(db)).await, Some(ErrorKind::Closed));
            assert_eq!(kind_of(db.atomic(|| statement(db))).await, Some(ErrorKind::Closed));
            assert_eq!(kind_of(db.connection(|| statement(db))).await, Some(ErrorKind::Closed));
            assert_eq!(kind_of(db.stream("select 1", params![])).await, Some(ErrorKind::Closed));
            let eager = db.build_transaction().eager().atomic(|| async { Ok::<_, Error>(()) });
            assert_eq!(kind_of(eager).await, Some(ErrorKind::Closed));
        }
        if backend.choose(true, true, false) {
            wait_while!(backend.sessions_at_server().await > 0);
        }
        db.connect().await.expect("opened again");
        db.atomic(|| statement(db)).await.expect("a block");
        assert_eq!(db.stats().connections, 1);
    }

    /// rule 58: by default a query connects before the first close, and not after it
    async fn autoconnect_is_as_asked_for(backend) {
        let always = backend.builder().autoconnect(true).build().expect("valid options");
        statement(&always).await.expect("connected by the query");
        always.close().await;
        assert!(!always.is_connected());
        statement(&always).await.expect("connected again by the query");
        assert!(always.is_connected());

        let never = backend.builder().autoconnect(false).build().expect("valid options");
        let error = statement(&never).await.expect_err("not connected");
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(error.to_string(), "the database is not connected; call `connect` first");
        never.atomic(|| async { Ok::<_, Error>(()) }).await.expect("rule 56: nothing is asked of the database");
        never.connect().await.expect("connected");
        statement(&never).await.expect("a query");
        never.close().await;
        let error = statement(&never).await.expect_err("closed");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Closed, "the database is closed".into()));
    }

    /// rules 34, 58: every call waits for what is open, also if an earlier one was dropped
    async fn closing_again_waits_for_what_is_left(backend) {
        let backend = backend.with_items().await.with(|builder| builder.close_timeout(PATIENCE));
        let db = &backend.db;
        let (end, task) = open_transaction(db, 1).await;
        {
            let mut dropped = pin!(db.close());
            std::future::poll_fn(|cx| {
                assert!(dropped.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        }
        assert_eq!(kind_of(statement(db)).await, Some(ErrorKind::Closed));
        let mut again = pin!(db.close());
        std::future::poll_fn(|cx| {
            assert!(again.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        end.send(()).expect("the block waits");
        again.await;
        assert_eq!(backend.items().await, ["1"]);
        task.await.expect("no panic").expect("the block had its time");
    }

    /// rules 34, 58: what is begun after a database was opened again is not what the close before waits for
    async fn closing_does_not_touch_what_is_begun_later(backend) {
        let backend = backend.with_items().await.with(|builder| {
            builder.close_timeout(Duration::from_millis(300)).autoconnect(true).busy_timeout(PATIENCE)
        });
        let db = &backend.db;
        let (end_old, old) = open_transaction(db, 1).await;
        let closing = tokio::spawn({
            let db = db.clone();
            async move { db.close().await }
        });
        wait_while!(db.is_connected(), by yielding);
        // SQLite lets it write when the old one has ended, which the close brings about.
        let (end, new) = open_transaction(db, 2).await;
        closing.await.expect("no panic");
        end_old.send(()).expect("the block waits");
        let error = old.await.expect("no panic").expect_err("its time was over");
        assert_eq!(error.kind(), ErrorKind::Closed);
        end.send(()).expect("the block waits");
        new.await.expect("no panic").expect("it was begun after the close");
        assert_eq!(backend.items().await, ["2"]);
    }
}
