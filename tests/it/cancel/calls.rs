//! Every public call, dropped at every await point: rules 37 to 40 and 43.

use std::cell::Cell;

use nestling::{Dialect, Error, ErrorKind};

use crate::{
    drops::{TOO_MANY, all_is_well, blocks, drop_at_every_await, insert, native, polled, statements, transactions},
    support::waits::PATIENCE,
};

test_on! {
    every_backend;

    /// rules 37 and 38: a statement of its own, on the only connection of the pool
    async fn a_statement_alone_leaves_no_trace_wherever_it_is_dropped(backend) {
        let backend = backend.with(|b| b.max_connections(1)).with_items().await.with_put().await;
        for (what, call) in statements().into_iter().chain([native(backend.db.dialect())]) {
            let name = |point: usize| format!("{what} {point}");
            drop_at_every_await(
                |point| call(backend.db.clone(), name(point)),
                async |point, out| {
                    all_is_well(&backend, &name(point)).await;
                    if let Some(out) = out {
                        out.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                        assert!(backend.items().await.contains(&name(point)), "{what} ran to its end");
                    }
                },
            )
            .await;
        }
    }
}

test_on! {
    every_backend;

    /// rules 37, 38 and 40: all rows of a block or none, and none before its body has ended
    async fn a_block_is_kept_whole_or_not_at_all_wherever_it_is_dropped(backend) {
        let backend = backend.with(|b| b.max_connections(1)).with_items().await.with_put().await;
        for (what, call) in blocks().into_iter().chain(transactions()) {
            let name = |point: usize| format!("{what} {point}");
            drop_at_every_await(
                |point| call(backend.db.clone(), name(point)),
                async |point, out| {
                    all_is_well(&backend, &name(point)).await;
                    let items = backend.items().await;
                    let kept = [name(point), format!("{}'", name(point))].map(|item| items.contains(&item));
                    assert_eq!(kept[0], kept[1], "{}: half of the block is kept", name(point));
                    if let Some(out) = out {
                        out.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                        assert!(kept[0], "{what} has committed");
                    }
                },
            )
            .await;
        }
    }
}

test_on! {
    every_backend;

    /// rules 37 and 43: exactly the dropped block is rolled back, and the parent goes on
    async fn a_parent_goes_on_wherever_its_child_is_dropped(backend) {
        let backend = backend.with(|b| b.max_connections(1)).with_items().await.with_put().await;
        let db = &backend.db;
        // A command on the native connection of MySQL that is dropped half-way takes connection and transaction along.
        let native = Some(native(db.dialect())).filter(|_| !backend.is_mysql());
        for (what, call) in statements().into_iter().chain(native).chain(blocks()) {
            for point in 1..TOO_MANY {
                let names = ["parent", "child", "call", "after"].map(|part| format!("{what} {point} {part}"));
                let [parent, child, inner, after] = &names;
                let done = Cell::new(false);
                let result = db.atomic(|| async {
                    insert(db, parent).await?;
                    let block = db.atomic(|| async {
                        insert(db, child).await?;
                        call(db.clone(), inner.clone()).await?;
                        done.set(true);
                        Ok::<_, Error>(())
                    });
                    let out = polled(point, block).await;
                    insert(db, after).await?;
                    out.transpose()
                });
                let ended = result.await.unwrap_or_else(|error| panic!("{what} {point}: {error:?}")).is_some();
                let items = backend.items().await;
                let kept = names.each_ref().map(|name| items.contains(name));
                assert_eq!([kept[0], kept[1], kept[3]], [true, ended, true], "{what} {point}");
                assert!(kept[2] == ended, "{what} {point}: the dropped call is kept: {}", kept[2]);
                assert_eq!(ended, done.get(), "the end of a savepoint has no await point");
                if ended {
                    break;
                }
            }
            all_is_well(&backend, what).await;
        }
    }
}

test_on! {
    every_backend;

    /// rules 37 and 57: connecting leaves nothing behind, and the next one connects
    async fn connect_can_be_dropped_at_every_await(backend) {
        drop_at_every_await(
            |_| {
                let db = backend.builder().build().expect("options");
                async move { db.connect().await.map(|()| db.is_connected()) }
            },
            async |_, out| {
                if let Some(out) = out {
                    assert!(out.expect("it connects"));
                }
                if backend.db.dialect() != Dialect::Sqlite {
                    backend.sessions_come_to(0).await;
                }
            },
        )
        .await;
        let db = backend.builder().build().expect("options");
        assert!(polled(1, db.connect()).await.is_none_or(|out| out.is_ok()));
        db.connect().await.expect("the next one connects");
        assert_eq!(db.stats().connections, 1);
    }
}

test_on! {
    every_backend;

    /// rules 34 and 58: closing that was dropped leaves the database closed, the open transaction alone, and a second
    /// close waits for it
    async fn close_can_be_dropped_and_called_again(backend) {
        let backend = backend.with_items().await.with_put().await.with(|options| options.close_timeout(PATIENCE));
        let db = &backend.db;
        let (inside, entered) = tokio::sync::oneshot::channel();
        let (go, going) = tokio::sync::oneshot::channel();
        let open = {
            let db = db.clone();
            tokio::spawn(async move {
                db.atomic(|| async {
                    insert(&db, "before").await?;
                    inside.send(()).expect("the test waits for it");
                    going.await.expect("the test lets it go on");
                    insert(&db, "after").await
                })
                .await
            })
        };
        entered.await.expect("it is inside");
        assert!(polled(1, db.close()).await.is_none(), "a transaction is open");
        assert_eq!(insert(db, "late").await.expect_err("it is closed").kind(), ErrorKind::Closed);
        let mut again = Box::pin(db.close());
        assert!(polled(1, &mut again).await.is_none(), "it waits as the first one did");
        go.send(()).expect("the transaction waits for it");
        again.await;
        open.await.expect("no panic").expect("it had the time to commit");
        assert_eq!(backend.items().await, ["after", "before"]);
    }
}
