//! A retry within other blocks, and what is left of it in a pause.

use std::{sync::Arc, time::Duration};

use nestling::{Error, ErrorKind, blocks::Retry, params, status::Status};

use super::{Conflicts as _, Runs, at_once, conflict};
use crate::{
    drops::{BOUND, all_is_well},
    harness::{insert, poll_once},
};

test_on! {
    every_backend;

    /// rule 52: inside another transaction it runs once, and lets the root retry
    async fn a_retry_in_a_transaction_is_that_of_the_root(backend) {
        let backend = backend.with_items().await.with_conflicts().await;
        let db = &backend.db;
        let (outer, nested, joined) = (Runs::default(), Runs::default(), Arc::new(Runs::default()));
        let work = db.build_transaction().retry(at_once()).atomic(|| async {
            let run = outer.next();
            insert(db, 1, "outer").await?;
            db.build_transaction().retry(at_once()).atomic(|| async {
                assert_eq!((db.depth(), nested.next()), (2, run));
                insert(db, 2, "nested").await?;
                if run == 1 { conflict(db).await } else { Ok(()) }
            })
            .await?;
            let (own, counted) = (db.clone(), Arc::clone(&joined));
            db.build_transaction().retry(at_once()).transaction(move || {
                let (db, counted) = (own.clone(), Arc::clone(&counted));
                async move {
                    assert_eq!(db.depth(), 1);
                    if counted.next() == 1 { conflict(&db).await } else { Ok(()) }
                }
            })
            .await
        });
        work.await.expect("the third attempt commits");
        assert_eq!((outer.count(), nested.count(), joined.count()), (3, 3, 2));
        assert_eq!(backend.items().await, ["nested", "outer"]);

        // The root does not retry: the error goes out as it is, and the root may go on, as behind any nested block.
        let nested = Runs::default();
        let work = db.atomic(|| async {
            let inner = db.build_transaction().retry(at_once()).atomic(|| async {
                nested.next();
                conflict(db).await
            });
            assert_eq!(inner.await.expect_err("its own").kind(), ErrorKind::Server);
            assert_eq!(db.status(), Status::Open);
            insert(db, 3, "behind it").await
        });
        work.await.expect("it commits");
        assert_eq!(nested.count(), 1);
        backend.settled().await;
    }

    /// rule 52: with a pinned connection around
    async fn a_retry_on_a_pinned_connection_begins_anew_there(backend) {
        let backend = backend.with_items().await.with_conflicts().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let runs = Runs::default();
        let pinned = db.connection(|| async {
            let work = db.build_transaction().retry(at_once()).atomic(|| async {
                insert(db, 1, "kept").await?;
                if runs.next() < 3 { conflict(db).await } else { Ok(()) }
            });
            work.await?;
            Ok::<_, Error>(db.depth())
        });
        assert_eq!(pinned.await.expect("it commits"), 0);
        assert_eq!(runs.count(), 3);
        assert_eq!(backend.items().await, ["kept"]);
        backend.settled().await;
    }

    /// rule 52: nothing is open in a pause, and no connection is held
    async fn a_pause_holds_nothing(backend) {
        let backend = backend.with_items().await.with_conflicts().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let runs = Runs::default();
        let patient = Retry::serialization().backoff(Duration::MAX, Duration::MAX);
        let mut work = Box::pin(db.build_transaction().retry(patient).atomic(|| async {
            insert(db, 1, "lost").await?;
            runs.next();
            conflict(db).await
        }));
        // It is polled on meanwhile, as its rollback is.
        tokio::select! {
            out = &mut work => panic!("it pauses for years: {out:?}"),
            () = async {
                wait_while!(runs.count() == 0);
                backend.settled().await;
            } => {}
        }
        assert!(poll_once(work.as_mut()).await.is_pending());
        assert_eq!(runs.count(), 1);
        tokio::time::timeout(BOUND, insert(db, 2, "meanwhile")).await.expect("the connection is free").expect("it writes");
        drop(work);
        all_is_well(&backend, "after the pause").await;
        assert_eq!(backend.items().await, ["meanwhile"]);
    }

    /// rule 52: the options of the builder hold for each attempt, those that were given before it and behind it
    async fn each_attempt_has_the_options_of_the_builder(backend) {
        let backend = backend.with_items().await.with_conflicts().await;
        let db = &backend.db;
        let runs = Runs::default();
        let refused = db.build_transaction().read_only().retry(at_once()).name("report").eager().atomic(|| async {
            if runs.next() < 3 {
                conflict(db).await?;
            }
            insert(db, 1, "refused").await
        });
        let error = refused.await.expect_err("it only reads");
        assert_eq!((error.kind(), runs.count()), (ErrorKind::Server, 3));
        let inside = db.atomic(|| async {
            let durable = db.build_transaction().retry(at_once()).durable();
            durable.atomic(|| async { Ok::<_, Error>(runs.next()) }).await
        });
        assert_eq!(inside.await.expect_err("not the outermost").kind(), ErrorKind::NotDurable);
        assert_eq!(runs.count(), 3);
        let sum = db.build_transaction().retry(at_once()).read_only().atomic(|| async {
            db.query_one("select 1 + 1", params![]).await?.get::<i64>(0)
        });
        assert_eq!(sum.await.expect("it reads"), 2);
        backend.settled().await;
    }
}
