//! Sandboxes for services, whose work is done in many tasks: rule 74.

use nestling::{Error, ErrorKind, params, spawn};
use tokio::{sync::oneshot, task::JoinSet};

use crate::harness::insert;

test_on! {
    every_backend;

    /// rules 5, 10 and 74: whoever has the handle works inside, in whichever task
    async fn every_user_of_the_handle_works_inside(backend) {
        let backend = backend.with_items().await;
        let sandbox = backend.db.begin_sandbox().await.unwrap();
        let mut tasks = JoinSet::new();
        for id in 0..24 {
            let db = sandbox.database().clone();
            tasks.spawn(async move {
                let name = format!("item {id:02}");
                match id % 4 {
                    0 => insert(&db, id, &name).await,
                    1 => db.atomic(|| async { db.atomic(|| insert(&db, id, &name)).await }).await,
                    2 => {
                        let inner = db.clone();
                        db.transaction(move || async move { insert(&inner, id, &name).await }).await
                    }
                    _ => spawn(async move { db.atomic(|| insert(&db, id, &name)).await }).await.unwrap(),
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap().unwrap();
        }
        let count: i64 = sandbox.query_one("select count(*) from item", params![]).await.unwrap().get(0).unwrap();
        assert_eq!(count, 24);
        sandbox.close().await;
        insert(&sandbox, 24, "close does nothing to it").await.unwrap();
        sandbox.end().await;
        assert!(backend.items().await.is_empty());
        insert(&backend.db, 1, "kept").await.unwrap();
        backend.settled().await;
    }

    /// rules 5 and 74: with no block open, the tasks of a set are inside as well
    async fn tasks_of_a_set_work_inside(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.sandbox(|| async {
            let mut tasks = nestling::join_set();
            for id in 0..4 {
                let db = db.clone();
                let name = format!("item {id}");
                tasks.spawn(async move { db.atomic(|| insert(&db, id, &name)).await });
            }
            while let Some(task) = tasks.join_next().await {
                task.unwrap().unwrap();
            }
            let count: i64 = db.query_one("select count(*) from item", params![]).await.unwrap().get(0).unwrap();
            assert_eq!(count, 4);
        })
        .await;
        assert!(backend.items().await.is_empty());
    }

    /// rules 9 and 74: a block of one task waits for that of another, and sees what that has kept
    async fn blocks_of_tasks_take_turns(backend) {
        let backend = backend.with_items().await;
        let sandbox = backend.db.begin_sandbox().await.unwrap();
        let ((at, reached), (go, gone)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
        let db = sandbox.database().clone();
        let first = tokio::spawn(async move {
            db.atomic(|| async {
                insert(&db, 1, "first").await?;
                at.send(()).unwrap();
                gone.await.unwrap();
                Ok::<_, Error>(())
            })
            .await
        });
        reached.await.unwrap();
        let db = sandbox.database().clone();
        let second = tokio::spawn(async move { insert(&db, 1, "second").await });
        tokio::task::yield_now().await;
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        assert!(second.await.unwrap().unwrap_err().is_unique_violation(), "the first was there before");
        sandbox.end().await;
    }

    /// rules 6 and 74: nothing is written behind the end, and never on a connection of the pool
    async fn what_is_kept_beyond_the_end_is_closed(backend) {
        let backend = backend.with_items().await;
        let sandbox = backend.db.begin_sandbox().await.unwrap();
        let kept = sandbox.database().clone();
        insert(&kept, 1, "undone").await.unwrap();
        sandbox.end().await;
        let closed = |result: Result<u64, Error>| assert_eq!(result.unwrap_err().kind(), ErrorKind::FrameClosed);
        closed(insert(&kept, 1, "late").await);
        closed(kept.atomic(|| insert(&kept, 1, "late")).await);
        closed(kept.transaction({ let db = kept.clone(); || async move { insert(&db, 1, "late").await } }).await);
        closed(kept.connection(|| insert(&kept, 1, "late")).await);
        assert_eq!(kept.ping().await.unwrap_err().kind(), ErrorKind::FrameClosed);
        assert!(kept.stream("select 1", params![]).await.is_err_and(|error| error.kind() == ErrorKind::FrameClosed));
        assert!(backend.items().await.is_empty());
    }
}

test_on! {
    every_server;

    /// rules 4 and 74: tests that run at the same time do not see each other
    async fn two_sandboxes_do_not_see_each_other(backend) {
        let backend = backend.with_items().await;
        let (one, two) = (backend.db.begin_sandbox().await.unwrap(), backend.db.begin_sandbox().await.unwrap());
        insert(&one, 1, "one").await.unwrap();
        insert(&two, 2, "two").await.unwrap();
        for (sandbox, name) in [(&one, "one"), (&two, "two")] {
            let row = sandbox.query_one("select name from item", params![]).await.unwrap();
            assert_eq!(row.get::<String>(0).unwrap(), name);
        }
        one.end().await;
        two.end().await;
        assert!(backend.items().await.is_empty());
    }
}

test_on! {
    sqlite;

    /// rules 4 and 74: one writes at a time on SQLite, so that sandboxes of one file take turns
    async fn two_sandboxes_of_one_file_take_turns(backend) {
        let backend = backend.with_items().await;
        let one = backend.db.begin_sandbox().await.unwrap();
        insert(&one, 1, "one").await.unwrap();
        let db = backend.db.clone();
        let two = tokio::spawn(async move {
            let two = db.begin_sandbox().await?;
            insert(&two, 1, "two").await?;
            two.end().await;
            Ok::<_, Error>(())
        });
        tokio::task::yield_now().await;
        one.end().await;
        two.await.unwrap().unwrap();
        assert!(backend.items().await.is_empty());
    }
}
