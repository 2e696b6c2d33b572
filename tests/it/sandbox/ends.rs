//! How a sandbox ends: dropped, by a panic, or with its connection. Rules 33, 37, 41 and 74.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use nestling::{Database, Error, ErrorKind};

use crate::drops::{Call, all_is_well, blocks, drop_at_every_await, drop_at_every_message, insert};

/// Works in a sandbox of either kind, by a call that writes an item.
async fn sandboxed(db: Database, name: String, call: Call, by_handle: bool) -> Result<(), Error> {
    if by_handle {
        let sandbox = db.begin_sandbox().await?;
        insert(&sandbox, &format!("{name} alone")).await?;
        call.1(sandbox.database().clone(), name).await?;
        sandbox.end().await;
        return Ok(());
    }
    db.sandbox(|| async {
        insert(&db, &format!("{name} alone")).await?;
        call.1(db.clone(), name).await
    })
    .await
}

test_on! {
    every_backend;

    /// rules 37 and 74: dropped at each await point
    async fn a_sandbox_is_undone_wherever_it_is_dropped(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await.with_put().await;
        for call in blocks() {
            for by_handle in [false, true] {
                let name = |point: usize| format!("{} {by_handle} {point}", call.0);
                drop_at_every_await(
                    |point| sandboxed(backend.db.clone(), name(point), call, by_handle),
                    async |point, out| {
                        all_is_well(&backend, &name(point)).await;
                        out.unwrap_or(Ok(())).unwrap_or_else(|error| panic!("{}: {error:?}", name(point)));
                        assert!(backend.items().await.is_empty(), "{}", name(point));
                    },
                )
                .await;
            }
        }
    }

    /// rules 41 and 74: a test that fails leaves nothing
    async fn a_panic_leaves_nothing(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let db = &backend.db;
        let test = db.sandbox(|| async {
            insert(db, "undone").await.unwrap();
            db.atomic(|| async {
                insert(db, "in a block").await.unwrap();
                if db.depth() == 1 { panic!("a test fails") } else { Ok::<_, Error>(()) }
            })
            .await
        });
        AssertUnwindSafe(test).catch_unwind().await.expect_err("it fails");
        let sandbox = db.begin_sandbox().await.unwrap();
        insert(&sandbox, "undone").await.unwrap();
        drop(sandbox);
        all_is_well(&backend, "panic").await;
        assert!(backend.items().await.is_empty());
    }
}

test_on! {
    every_server;

    /// rules 37, 38 and 74: at each message on the wire
    async fn a_sandbox_is_undone_whichever_message_is_held(backend) {
        let (backend, proxy) =
            backend.with_items().await.with_put().await.behind_proxy_with(|options| options.max_connections(1));
        for call in blocks().into_iter().take(3) {
            let name = |message: usize| format!("{} {message}", call.0);
            sandboxed(backend.db.clone(), name(0), call, false).await.unwrap();
            backend.settled().await;
            let dropped = drop_at_every_message(
                &proxy,
                |message| sandboxed(backend.db.clone(), name(message), call, message % 2 == 0),
                async |message, out| {
                    all_is_well(&backend, &name(message)).await;
                    out.unwrap_or(Ok(())).unwrap_or_else(|error| panic!("{}: {error:?}", name(message)));
                    assert!(backend.items().await.is_empty(), "{}", name(message));
                },
            )
            .await;
            assert!(dropped > 5, "held {dropped} times only");
        }
    }

    /// rules 33 and 74: what comes behind a lost connection fails, and writes nothing by itself
    async fn a_lost_connection_ends_the_sandbox(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let sandbox = backend.db.begin_sandbox().await.unwrap();
        insert(&sandbox, "lost").await.unwrap();
        proxy.cut();
        insert(&sandbox, "lost, too").await.unwrap_err();
        assert_eq!(insert(&sandbox, "refused").await.unwrap_err().kind(), ErrorKind::ConnectionLost);
        let refused = sandbox.atomic(|| insert(&sandbox, "refused")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionLost);
        sandbox.end().await;
        assert!(backend.items().await.is_empty());
        backend.db.begin_sandbox().await.unwrap().end().await;
        backend.settled().await;
    }
}
