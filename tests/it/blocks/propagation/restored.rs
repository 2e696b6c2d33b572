//! The outer transaction is in place again, on every way out of a body in which it was suspended (rule 28).

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use nestling::{Context, Database, Error, ErrorKind, blocks::Propagation, params, status::Status};

use super::{ALL, with};
use crate::{
    drops::{all_is_well, drop_at_every_await, drop_at_every_message},
    harness::{insert, poll_once},
};

const SUSPENDING: [Propagation; 2] = [Propagation::RequiresNew, Propagation::NotSupported];

async fn count(db: &Database) -> Result<i64, Error> {
    db.query_one("select count(*) from item", params![]).await?.get(0)
}

/// What a body sees of the outer transaction, which has written one row.
async fn assert_suspended(db: &Database, propagation: Propagation) -> Result<(), Error> {
    assert_eq!(db.depth(), u32::from(propagation == Propagation::RequiresNew));
    assert_eq!(db.in_transaction(), propagation == Propagation::RequiresNew);
    assert_eq!((db.current_savepoint(), count(db).await?), (None, 0));
    Ok(())
}

/// That the outer transaction, two blocks deep, is in place.
async fn assert_restored(db: &Database, what: &str) -> Result<(), Error> {
    assert_eq!((db.depth(), db.status()), (2, Status::Open), "{what}");
    assert_eq!(count(db).await?, 1, "{what}");
    Ok(())
}

test_on! {
    every_backend;

    /// rules 12, 28 and 41
    async fn the_outer_transaction_is_restored_on_every_way_out(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for propagation in SUSPENDING {
            // SQLite has one writer, which is the outer one.
            let options = || match propagation {
                Propagation::RequiresNew => with(db, propagation).read_only(),
                _ => with(db, propagation),
            };
            let outer = db.atomic(|| async {
                insert(db, 1, "outer").await?;
                db.atomic(|| async {
                    options().atomic(|| assert_suspended(db, propagation)).await?;
                    assert_restored(db, "Ok").await?;
                    let own = db.clone();
                    options().transaction(move || async move { assert_suspended(&own, propagation).await }).await?;
                    assert_restored(db, "Ok of a transaction").await?;
                    let fails = options().atomic(|| async {
                        assert_suspended(db, propagation).await?;
                        db.query_one("select 1 where 1 = 2", params![]).await
                    });
                    assert_eq!(fails.await.expect_err("its own").kind(), ErrorKind::NoRow);
                    assert_restored(db, "Err").await?;
                    let panics = options().atomic(|| async {
                        assert_suspended(db, propagation).await?;
                        if propagation != Propagation::Never {
                            panic!("on purpose");
                        }
                        Ok::<_, Error>(())
                    });
                    AssertUnwindSafe(panics).catch_unwind().await.expect_err("it panics");
                    assert_restored(db, "a panic").await?;
                    let mut dropped = Box::pin(options().atomic(|| async {
                        assert_suspended(db, propagation).await?;
                        std::future::pending::<Result<(), Error>>().await
                    }));
                    for _ in 0..20 {
                        assert!(poll_once(dropped.as_mut()).await.is_pending());
                        assert_eq!(db.depth(), 2, "between two polls");
                        tokio::task::yield_now().await;
                    }
                    drop(dropped);
                    assert_restored(db, "a drop").await
                })
                .await?;
                db.execute("delete from item", params![]).await
            });
            outer.await.expect("the outer one commits");
            backend.settled().await;
        }
        assert_eq!(db.depth(), 0);
    }

    /// rules 6 and 28: the end of the block around is the end for all that was begun behind it
    async fn nothing_begins_behind_the_end_of_the_block_around(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let mut kept = None;
        db.atomic(|| async {
            kept = Some(Context::current());
            insert(db, 1, "kept").await
        })
        .await
        .expect("it commits");
        let before = db.stats();
        kept.expect("it was kept")
            .enter(async {
                for propagation in ALL {
                    let late = with(db, propagation).atomic(|| insert(db, 2, "late")).await;
                    assert_eq!(late.expect_err("it has ended").kind(), ErrorKind::FrameClosed, "{propagation:?}");
                }
            })
            .await;
        assert_eq!(db.stats().flights, before.flights);
        assert_eq!(backend.items().await, ["kept"]);
    }
}

test_on! {
    every_server;

    /// rules 28 and 37
    async fn a_new_transaction_may_be_dropped_at_each_await(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(2));
        let db = &backend.db;
        let mut ended = 0;
        let name = |point: usize| format!("inner {point}");
        for propagation in SUSPENDING {
            let dropped = drop_at_every_await(
                |point| async move {
                    let own = name(point);
                    with(db, propagation)
                        .atomic(|| async {
                            // An answer may be there at once: this is one await at least.
                            tokio::task::yield_now().await;
                            insert(db, point as i64, &own).await
                        })
                        .await
                },
                async |point, out| {
                    backend.settled().await;
                    let kept = backend.items().await.contains(&name(point));
                    if let Some(out) = out {
                        out.expect("it is not dropped");
                        ended += 1;
                        assert!(kept);
                    }
                    backend.observer().batch("delete from item").await.expect("nothing is locked");
                    all_is_well(&backend, &name(point)).await;
                },
            )
            .await;
            assert!(dropped > 0, "{propagation:?} was never dropped");
        }
        assert_eq!(ended, 2);
    }

    /// rules 28, 37 and 40: whichever message of the inner one is held, the outer one commits
    async fn the_outer_transaction_goes_on_whichever_message_is_held(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(2));
        let db = &backend.db;
        for propagation in SUSPENDING {
            let ids = |message: usize| {
                let first = 1_000 * message as i64 + if propagation == Propagation::NotSupported { 500 } else { 0 };
                [first, first + 1, first + 2]
            };
            let dropped = drop_at_every_message(
                &proxy,
                |message| async move {
                    let [outer, inner, after] = ids(message);
                    db.atomic(|| async {
                        insert(db, outer, &outer.to_string()).await?;
                        let name = inner.to_string();
                        with(db, propagation).atomic(|| insert(db, inner, &name)).await?;
                        insert(db, after, &after.to_string()).await
                    })
                    .await
                },
                async |message, out| {
                    backend.settled().await;
                    let items = backend.items().await;
                    let [outer, inner, after] = ids(message).map(|id| items.contains(&id.to_string()));
                    assert_eq!(outer, after, "{propagation:?} {message}: half of it");
                    assert!(inner || !outer, "{propagation:?} {message}: the outer one without the inner one");
                    if let Some(out) = out {
                        out.expect("it commits");
                        assert!(outer);
                    }
                    all_is_well(&backend, &format!("{propagation:?} {message}")).await;
                    // The next one begins with one connection at most, as the harness waits for that.
                    db.close().await;
                    db.connect().await.expect("it is opened anew");
                },
            )
            .await;
            assert!(dropped > 5, "it was held {dropped} times only");
        }
    }
}
