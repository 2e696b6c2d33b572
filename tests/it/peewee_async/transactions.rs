//! `atomic`: what it commits, what it rolls back, and what it does when its connection breaks.

use std::sync::Arc;

use nestling::{Error, Model as _};
use tokio::sync::Barrier;

use super::models::{self, TestModel, create_text};

/// What a body returns where the original raises.
#[derive(Debug)]
enum FakeUpdateError {
    Raised,
    Database { _why: Error },
}

impl From<Error> for FakeUpdateError {
    fn from(error: Error) -> Self {
        Self::Database { _why: error }
    }
}

test_on! {
    every_backend;

    async fn test_atomic_success(backend) {
        let objects = models::create(&backend).await;
        let obj = create_text(&objects, "FOO").await;
        objects
            .atomic(|| async {
                assert_eq!(objects.database().depth(), 1);
                let update = TestModel::update([TestModel::TEXT.set("BAR")]).filter(TestModel::ID.eq(obj.id));
                objects.execute(update).await
            })
            .await
            .unwrap();
        assert_eq!(objects.get(TestModel::by_key(obj.id)).await.unwrap().text, "BAR");
        assert!(!objects.database().in_transaction());
    }

    async fn test_atomic_failed(backend) {
        let objects = models::create(&backend).await;
        let obj = create_text(&objects, "FOO").await;
        let result: Result<(), FakeUpdateError> = objects
            .atomic(|| async {
                let update = TestModel::update([TestModel::TEXT.set("BAR")]).filter(TestModel::ID.eq(obj.id));
                objects.execute(update).await?;
                assert_eq!(objects.get(TestModel::by_key(obj.id)).await?.text, "BAR");
                Err(FakeUpdateError::Raised)
            })
            .await;
        assert!(matches!(result, Err(FakeUpdateError::Raised)), "{result:?}");
        assert_eq!(objects.get(TestModel::by_key(obj.id)).await.unwrap().text, "FOO");
        assert!(!objects.database().in_transaction());
    }

    // Three tasks at once, each with a transaction of its own, and each at depth 1.
    async fn test_several_transactions(backend) {
        let objects = models::create(&backend).await;
        objects.connect().await.unwrap();
        let together = Arc::new(Barrier::new(3));
        let task = |_| {
            let (objects, together) = (objects.clone(), together.clone());
            tokio::spawn(async move {
                let db = objects.database();
                let result = db.atomic(|| async {
                    assert_eq!(db.depth(), 1);
                    together.wait().await;
                    assert_eq!(db.depth(), 1);
                    objects.count(TestModel::select()).await
                });
                result.await.unwrap();
                assert_eq!(db.depth(), 0);
            })
        };
        for task in (0..3).map(task).collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }
}

test_on! {
    every_server;

    // The connection breaks inside: the block fails, nothing is kept, and the next one works.
    async fn test_atomic_fail_with_disconnect(backend) {
        let objects = models::create(&backend).await;
        let (backend, proxy) = backend.behind_proxy();
        let objects = nestling::Manager::new({ drop(objects); backend.db.clone() });
        let result: Result<(), FakeUpdateError> = objects
            .atomic(|| async {
                create_text(&objects, "FOO").await;
                proxy.cut();
                Err(FakeUpdateError::Raised)
            })
            .await;
        assert!(matches!(result, Err(FakeUpdateError::Raised)), "the error of the body is not masked: {result:?}");
        assert!(!objects.database().in_transaction());
        assert_eq!(objects.count(TestModel::select()).await.unwrap(), 0);
        objects.atomic(|| async { objects.create([TestModel::TEXT.set("BAR")]).await }).await.unwrap();
        assert_eq!(objects.count(TestModel::select()).await.unwrap(), 1);
    }

    // What comes behind the break does not commit on its own.
    async fn test_acid_when_connection_has_been_broken(backend) {
        models::create(&backend).await;
        let (backend, proxy) = backend.behind_proxy();
        let objects = nestling::Manager::new(backend.db.clone());
        let result = objects
            .atomic(|| async {
                create_text(&objects, "1").await;
                proxy.cut();
                let second = objects.create([TestModel::TEXT.set("2")]).await;
                assert!(second.as_ref().is_err_and(Error::is_connection_lost), "{second:?}");
                // Swallowed, and tried once more.
                objects.create([TestModel::TEXT.set("3")]).await
            })
            .await;
        assert!(result.is_err_and(|error| error.is_connection_lost()));
        let seen = nestling::Manager::new(backend.observer().clone());
        assert_eq!(seen.count(TestModel::select()).await.unwrap(), 0);
    }
}
