//! A retry that is dropped at each await, and at each message on the wire: rules 37, 40 and 52.

use futures_util::future::LocalBoxFuture;
use nestling::{Database, Error, blocks::Retry};

use super::{Conflicts as _, Runs, at_once, conflict};
use crate::{
    drops::{all_is_well, drop_at_every_await, drop_at_every_message, insert},
    harness::Backend,
};

/// A policy with pauses that are over soon.
fn soon() -> Retry {
    let milli = std::time::Duration::from_millis(1);
    at_once().backoff(milli, milli)
}

/// What a body does that meets another transaction in its first attempt.
async fn body(db: &Database, runs: &Runs, name: &str) -> Result<(), Error> {
    insert(db, name).await?;
    db.atomic(|| async { insert(db, &format!("{name}'")).await }).await?;
    if runs.next() == 1 { conflict(db).await } else { Ok(()) }
}

/// A transaction that commits at its second attempt.
fn call(in_task: bool, db: Database, name: String) -> LocalBoxFuture<'static, Result<(), Error>> {
    let runs = std::sync::Arc::new(Runs::default());
    if !in_task {
        return Box::pin(async move { db.build_transaction().retry(soon()).atomic(|| body(&db, &runs, &name)).await });
    }
    Box::pin(async move {
        let own = db.clone();
        let work = db.build_transaction().retry(soon()).transaction(move || {
            let (db, runs, name) = (own.clone(), std::sync::Arc::clone(&runs), name.clone());
            async move { body(&db, &runs, &name).await }
        });
        work.await
    })
}

/// Whether both items of a transaction are there, which must not be one of them alone.
async fn is_kept(backend: &Backend, name: &str) -> bool {
    let items = backend.items().await;
    let kept = [name.to_owned(), format!("{name}'")].map(|item| items.contains(&item));
    assert_eq!(kept[0], kept[1], "{name}: half of it is kept");
    kept[0]
}

test_on! {
    every_backend;

    /// rules 37, 40 and 52
    async fn a_retry_may_be_dropped_at_each_await(backend) {
        let backend = backend.with_items().await.with_conflicts().await.with(|options| options.max_connections(1));
        for in_task in [false, true] {
            let name = |point: usize| format!("{in_task} {point}");
            let dropped = drop_at_every_await(
                |point| call(in_task, backend.db.clone(), name(point)),
                async |point, out| {
                    backend.settled().await;
                    let is_kept = is_kept(&backend, &name(point)).await;
                    if let Some(out) = out {
                        out.expect("the second attempt commits");
                        assert!(is_kept);
                    }
                    all_is_well(&backend, &name(point)).await;
                },
            )
            .await;
            assert!(dropped > 0, "it was never dropped");
        }
    }
}

test_on! {
    every_server;

    /// rules 37, 40 and 52
    async fn a_retry_may_be_dropped_at_each_message(backend) {
        let (backend, proxy) = backend
            .with_items()
            .await
            .with_conflicts()
            .await
            .behind_proxy_with(|options| options.max_connections(1));
        call(false, backend.db.clone(), "warm".into()).await.expect("it commits");
        backend.settled().await;
        for in_task in [false, true] {
            let name = |message: usize| format!("{in_task} {message}");
            let dropped = drop_at_every_message(
                &proxy,
                |message| call(in_task, backend.db.clone(), name(message)),
                async |message, out| {
                    backend.settled().await;
                    let committing = proxy.counts().queries().iter().any(|sql| sql.contains("COMMIT"));
                    let is_kept = is_kept(&backend, &name(message)).await;
                    assert!(!is_kept || committing, "{}: kept without a COMMIT", name(message));
                    if let Some(out) = out {
                        out.expect("the second attempt commits");
                        assert!(is_kept);
                    }
                    all_is_well(&backend, &name(message)).await;
                },
            )
            .await;
            assert!(dropped > 10, "it was held {dropped} times only");
        }
    }
}
