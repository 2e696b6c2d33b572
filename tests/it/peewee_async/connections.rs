//! Databases that are told later where they are, and their connections.

use std::sync::{Arc, LazyLock, OnceLock};

use nestling::{Database, Manager, Model as _, params};

use super::models::{self, TestModel, create_text};

/// What a static would be: it lives as long as the program, and each test has its own.
fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

test_on! {
    every_backend;

    // There: a database made without a name, which gets it by `init` later on. Here: a static that is set once.
    async fn test_deferred_init(backend) {
        let database: &'static OnceLock<Database> = leaked(OnceLock::new());
        assert!(database.get().is_none(), "deferred");
        let number = async || database.get().expect("it is set by now").query_one("select 1", params![]).await;
        database.set(Database::open(backend.url()).expect("a valid URL")).expect("it is set once");
        assert!(!database.wait().is_connected(), "nothing is connected before it is needed");
        assert_eq!(number().await.unwrap().get::<i64>(0).unwrap(), 1);
        assert!(database.wait().is_connected());
        assert!(database.set(backend.db.clone()).is_err(), "it is set once");
    }

    // There: a manager made for a proxy, which is told its database later on. Here: a manager that is made when it is first
    // used, of an address that is known by then.
    async fn test_proxy_database(backend) {
        models::create(&backend).await;
        let url: &'static OnceLock<String> = leaked(OnceLock::new());
        let objects = leaked(LazyLock::new(move || {
            let url = url.get().expect("the program has read its settings");
            Manager::new(Database::open(url).expect("a valid URL"))
        }));
        let create = async || objects.create([TestModel::TEXT.set("Test")]).await;
        url.set(backend.url().to_owned()).expect("it is set once");
        let obj = create().await.unwrap();
        let seen = Manager::new(backend.observer().clone()).get(TestModel::by_key(obj.id)).await.unwrap();
        assert_eq!(seen, obj);
    }

    // Connecting twice leaves one connection, and three that connect at once share one.
    async fn test_connect_close(backend) {
        let objects = Manager::new(backend.db.clone());
        let connections = || objects.database().stats().connections;
        objects.connect().await.unwrap();
        assert_eq!(connections(), 1);
        objects.connect().await.unwrap();
        assert_eq!(connections(), 1);
        objects.close().await;
        assert_eq!((connections(), objects.database().is_connected()), (0, false));
        let (one, two, three) = tokio::join!(objects.connect(), objects.connect(), objects.connect());
        one.and(two).and(three).unwrap();
        assert_eq!((connections(), objects.database().is_connected()), (1, true));
        objects.close().await;
        objects.close().await;
        assert_eq!((connections(), objects.database().is_connected()), (0, false));
    }

    // Twice as many requests at once as there are connections all come to their end.
    async fn test_many_requests(backend) {
        const MAX: u32 = 5;
        let backend = backend.with(|options| options.max_connections(MAX));
        let objects = models::create(&backend).await;
        let obj = create_text(&objects, "Test").await;
        let objects = Arc::new(objects);
        let tasks: Vec<_> = (0..2 * MAX)
            .map(|_| {
                let (objects, id) = (objects.clone(), obj.id);
                tokio::spawn(async move { objects.get(TestModel::by_key(id)).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap(), obj);
        }
        assert!(objects.database().stats().connections <= MAX.into());
    }
}
