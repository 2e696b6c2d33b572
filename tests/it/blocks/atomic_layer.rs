//! The layer for tower that runs each request in a transaction of its own.

use std::sync::{Arc, Mutex};

use http::{Response, StatusCode};
use nestling::{Database, Error, ErrorKind, Isolation, params, tower::AtomicLayer};
use tokio::sync::oneshot;
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};

use crate::{
    drops::{all_is_well, drop_at_every_await, drop_at_every_message, insert},
    harness::poll_once,
    wire::{Wire, statement},
};

type Answer = Response<String>;

fn answer(status: u16) -> Answer {
    Response::builder().status(status).body(String::new()).unwrap()
}

/// Writes an item of this name and answers with this status.
fn adding(
    db: &Database,
) -> impl Service<(u16, String), Response = Answer, Error = Error, Future: Send> + Clone + use<> {
    let handler = db.clone();
    ServiceBuilder::new().layer(AtomicLayer::new(db.clone())).service_fn(move |(status, name): (u16, String)| {
        let db = handler.clone();
        async move {
            assert_eq!(db.depth(), 1, "the request is a transaction");
            insert(&db, &name).await?;
            let second = format!("{name}'");
            db.atomic(|| insert(&db, &second)).await?;
            Ok(answer(status))
        }
    })
}

test_on! {
    every_backend;

    /// rules 13 and 14: the response decides, and its transaction has ended before it goes out
    async fn a_response_says_whether_its_transaction_is_committed(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        for (status, kept) in [(200, true), (204, true), (302, true), (399, true), (400, false), (404, false), (500, false)] {
            let response = adding(&backend.db).oneshot((status, status.to_string())).await.unwrap();
            assert_eq!(response.status(), status, "the response goes out either way");
            assert_eq!(backend.items().await.contains(&status.to_string()), kept, "{status}");
            backend.db.atomic(|| async { Ok::<_, Error>(()) }).await.unwrap();
        }
        backend.settled().await;
    }

    /// rules 14 and 41: a service that fails, or that panics
    async fn a_service_that_fails_rolls_back(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.clone();
        let service = AtomicLayer::new(db.clone()).layer(service_fn(move |panics: bool| {
            let db = db.clone();
            async move {
                insert(&db, "undone").await?;
                assert!(!panics, "in a handler");
                db.query("nonsense", params![]).await.map(|_| answer(200))
            }
        }));
        assert_eq!(service.clone().oneshot(false).await.unwrap_err().kind(), ErrorKind::Server);
        tokio::spawn(service.oneshot(true)).await.expect_err("it panics");
        all_is_well(&backend, "panic").await;
        assert!(backend.items().await.is_empty());
    }

    /// rules 20 and 45: a mark rolls back whatever the status; hooks run before the response goes out
    async fn marks_and_hooks_are_those_of_the_transaction(backend) {
        let backend = backend.with_items().await;
        let (db, told) = (backend.db.clone(), Arc::new(Mutex::new(Vec::new())));
        let diary = Arc::clone(&told);
        let service = AtomicLayer::new(db.clone()).layer(service_fn(move |mark: bool| {
            let (db, diary) = (db.clone(), Arc::clone(&diary));
            async move {
                insert(&db, if mark { "undone" } else { "kept" }).await?;
                db.on_commit(move || async move { diary.lock().unwrap().push("committed") }).await?;
                if mark {
                    db.set_rollback_only()?;
                }
                Ok::<_, Error>(answer(200))
            }
        }));
        assert_eq!(service.clone().oneshot(true).await.unwrap().status(), 200);
        assert!(told.lock().unwrap().is_empty());
        assert_eq!(service.oneshot(false).await.unwrap().status(), 200);
        assert_eq!(*told.lock().unwrap(), ["committed"]);
        assert_eq!(backend.items().await, ["kept"]);
    }

    /// rule 48: what is committed is told so
    async fn a_hook_that_fails_takes_no_response_along(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.clone();
        let service = AtomicLayer::new(db.clone()).layer(service_fn(move |()| {
            let db = db.clone();
            async move {
                insert(&db, "kept").await?;
                db.on_commit(|| async { Err::<(), _>("no mail") }).await?;
                Ok::<_, Error>(answer(201))
            }
        }));
        assert_eq!(service.oneshot(()).await.unwrap().status(), 201);
        assert_eq!(backend.items().await, ["kept"]);
    }

    /// rule 17: a commit that fails is never a 200; one's own response in its place; one's own decision
    async fn a_transaction_that_cannot_be_committed_is_a_5xx(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.clone();
        let joining = service_fn(move |()| {
            let db = db.clone();
            async move {
                insert(&db, "undone").await?;
                let inner = db.clone();
                // A failure that joined, and that the handler makes nothing of.
                let joined = db.transaction(|| async move { inner.query("nonsense", params![]).await.map_err(|_| refused()) });
                assert!(joined.await.is_err());
                Ok::<_, Error>(answer(200))
            }
        });
        let layer = AtomicLayer::new(backend.db.clone());
        assert_eq!(layer.layer(joining.clone()).oneshot(()).await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
        let layer = layer.commit_if(|_: &Answer| true).respond_to_failure(|error: Error| {
            assert_eq!(error.kind(), ErrorKind::UnexpectedRollback);
            answer(599)
        });
        assert_eq!(layer.layer(joining).oneshot(()).await.unwrap().status(), 599);
        assert!(backend.items().await.is_empty());
        let never = AtomicLayer::new(backend.db.clone()).commit_if(|_: &Answer| false);
        let db = backend.db.clone();
        let service = never.layer(service_fn(move |()| {
            let db = db.clone();
            async move { insert(&db, "undone").await.map(|()| answer(200)) }
        }));
        assert_eq!(service.oneshot(()).await.unwrap().status(), 200);
        assert!(backend.items().await.is_empty());
    }

    /// rule 37: a client that hangs up, at each await point
    async fn a_request_that_is_dropped_is_rolled_back(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let name = |point: usize| format!("point {point}");
        drop_at_every_await(
            |point| adding(&backend.db).oneshot((200, name(point))),
            async |point, out| check(&backend, &name(point), out).await,
        )
        .await;
    }

    /// rules 6 and 9: a stream of the transaction cannot be the body, as it keeps the transaction from its end; one that is made while the
    /// body is read is outside the transaction, and sees what that has committed
    async fn a_body_that_is_streamed_is_read_behind_the_transaction(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let handler = backend.db.clone();
        let layer = AtomicLayer::new(handler.clone()).respond_to_failure(|error: Error| {
            assert_eq!(error.kind(), ErrorKind::TurnTimeout);
            Response::builder().status(503).body(None).unwrap()
        });
        let service = layer.layer(service_fn(move |within: bool| {
            let db = handler.clone();
            async move {
                insert(&db, if within { "undone" } else { "kept" }).await?;
                let rows = if within { Some(db.stream("select name from item", params![]).await?) } else { None };
                Ok::<_, Error>(Response::new(rows))
            }
        }));
        let response = service.clone().oneshot(true).await.unwrap();
        assert_eq!(response.status(), 503);
        let response = service.oneshot(false).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut rows = backend.db.stream("select name from item", params![]).await.unwrap();
        assert_eq!(rows.next().await.unwrap().unwrap().get::<String>(0).unwrap(), "kept");
        assert!(rows.next().await.is_none());
        backend.settled().await;
    }
}

/// An error that is not the server's.
fn refused() -> Error {
    Database::open("nowhere:").unwrap_err()
}

/// Checks that a request is kept whole or not at all, and that a 200 is kept.
async fn check(backend: &crate::harness::Backend, name: &str, out: Option<Result<Answer, Error>>) {
    all_is_well(backend, name).await;
    let items = backend.items().await;
    let kept = [name.to_owned(), format!("{name}'")].map(|item| items.contains(&item));
    assert_eq!(kept[0], kept[1], "{name}: half of it is kept");
    if let Some(response) = out {
        assert_eq!(response.unwrap_or_else(|error| panic!("{name}: {error:?}")).status(), 200);
        assert!(kept[0], "{name}: a 200 that is not there");
    }
}

test_on! {
    every_server;

    /// rules 37, 38 and 40: at each message on the wire
    async fn a_request_whose_client_hangs_up_at_any_message_is_kept_whole_or_not_at_all(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        adding(&backend.db).oneshot((200, "warm".into())).await.unwrap();
        backend.settled().await;
        let name = |message: usize| format!("message {message}");
        let dropped = drop_at_every_message(
            &proxy,
            |message| adding(&backend.db).oneshot((200, name(message))),
            async |message, out| check(&backend, &name(message), out).await,
        )
        .await;
        assert!(dropped > 5, "held {dropped} times only");
    }

    /// rules 16 and 40: the connection breaks during COMMIT
    async fn a_commit_whose_outcome_is_unknown_is_no_200(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let (at, reached) = oneshot::channel::<()>();
        let at = Arc::new(Mutex::new(Some(at)));
        let db = backend.db.clone();
        let service = AtomicLayer::new(db.clone()).layer(service_fn(move |()| {
            let (db, at) = (db.clone(), Arc::clone(&at));
            async move {
                insert(&db, "who knows").await?;
                at.lock().unwrap().take().unwrap().send(()).unwrap();
                tokio::task::yield_now().await;
                Ok::<_, Error>(answer(200))
            }
        }));
        let mut request = Box::pin(service.oneshot(()));
        // In this order: told so, the request is not polled again before its COMMIT can be held.
        tokio::select! {
            biased;
            inside = reached => inside.unwrap(),
            out = &mut request => panic!("it yields: {out:?}"),
        }
        proxy.stall_at(1);
        tokio::select! {
            biased;
            _ = proxy.stalled() => {}
            out = &mut request => panic!("its COMMIT is held: {out:?}"),
        }
        assert!(poll_once(request.as_mut()).await.is_pending());
        proxy.cut();
        assert_eq!(request.await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}

/// rules 55 and 56: no connection and no round trip for a request without queries; options ride with BEGIN
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_request_costs_what_its_transaction_costs() {
    let wire = Wire::open().await;
    let db = wire.db.clone();
    let layer = AtomicLayer::new(db.clone()).transaction(|options| options.isolation(Isolation::Serializable));
    let service = layer.layer(service_fn(move |queries: usize| {
        let db = db.clone();
        async move {
            for _ in 0..queries {
                statement(&db).await?;
            }
            Ok::<_, Error>(answer(200))
        }
    }));
    let (counts, cost) = wire.cold(async || drop(service.clone().oneshot(0).await.unwrap())).await;
    assert_eq!((counts.flights, cost.flights, wire.db.stats().connections), (0, 0, 0));
    let (counts, _) = wire.warm(async || drop(service.clone().oneshot(3).await.unwrap())).await;
    assert_eq!(counts.flights, 4, "three statements and COMMIT: {:?}", counts.sequence());
}
