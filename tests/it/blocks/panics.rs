//! Panics in bodies: they roll back, and go on unwinding (rule 41).

use std::{
    any::Any,
    panic::{AssertUnwindSafe, panic_any},
};

use futures_util::FutureExt as _;
use nestling::{Error, ErrorKind, params, status::Status};

use crate::{
    drops::{all_is_well, insert},
    harness::Backend,
};

/// What the bodies panic with, so that it can be told from every other panic.
#[derive(Debug, PartialEq)]
struct Mine(u8);

async fn payload<T>(future: impl Future<Output = T>) -> Mine {
    let caught: Box<dyn Any + Send> = match AssertUnwindSafe(future).catch_unwind().await {
        Ok(_) => panic!("it did not panic"),
        Err(caught) => caught,
    };
    *caught.downcast().unwrap_or_else(|other| panic!("another panic: {:?}", other.downcast_ref::<String>()))
}

test_on! {
    every_backend;

    /// rule 41: at each depth, the panic is caught outside and all of it is rolled back
    async fn a_panic_goes_through_all_blocks_and_rolls_them_back(backend) {
        let backend = backend.with(|b| b.max_connections(1)).with_items().await;
        let db = &backend.db;
        for depth in 1..=3 {
            let body = db.atomic(|| async {
                insert(db, "at 1").await?;
                if depth == 1 { panic_any(Mine(1)) }
                db.atomic(|| async {
                    insert(db, "at 2").await?;
                    if depth == 2 { panic_any(Mine(2)) }
                    db.savepoint(|| async {
                        insert(db, "at 3").await?;
                        if depth == 3 { panic_any(Mine(3)) }
                        Ok::<_, Error>(())
                    })
                    .await
                })
                .await
            });
            assert_eq!(payload(body).await, Mine(depth));
            assert_eq!((db.depth(), db.status()), (0, Status::None));
            all_is_well(&backend, "panic").await;
            assert!(backend.items().await.is_empty());
        }
    }
}

test_on! {
    every_backend;

    /// rules 41 and 43: caught inside, it has rolled back the block that it left, and no other
    async fn a_panic_that_a_parent_catches_rolls_back_the_child_alone(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let result = db.atomic(|| async {
            insert(db, "root").await?;
            db.atomic(|| async {
                insert(db, "second").await?;
                let third = db.atomic(|| async {
                    insert(db, "third").await?;
                    panic_any(Mine(3));
                    #[allow(unreachable_code)]
                    Ok::<_, Error>(())
                });
                assert_eq!(payload(third).await, Mine(3));
                assert_eq!(db.depth(), 2);
                insert(db, "second again").await
            })
            .await?;
            // In the middle of a statement, with another in flight.
            let flying = db.atomic(|| async {
                tokio::join!(insert(db, "flying"), async {
                    tokio::task::yield_now().await;
                    panic_any(Mine(4))
                });
                Ok::<_, Error>(())
            });
            assert_eq!(payload(flying).await, Mine(4));
            insert(db, "root again").await
        });
        result.await.expect("it commits");
        assert_eq!(backend.items().await, ["root", "root again", "second", "second again"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 10 and 41: it comes back from the task of a `transaction` with its payload
    async fn a_panic_in_a_transaction_reaches_its_caller(backend) {
        let backend = backend.with(|b| b.max_connections(1)).with_items().await;
        let db = backend.db.clone();
        let spawned = backend.db.transaction(|| async move {
            insert(&db, "lost").await?;
            if db.depth() == 1 { panic_any(Mine(1)) }
            Ok::<_, Error>(())
        });
        assert_eq!(payload(spawned).await, Mine(1));
        all_is_well(&backend, "spawned").await;
        let db = backend.db.clone();
        let in_place = nestling::scope(backend.db.transaction(|| async move {
            insert(&db, "lost").await?;
            if db.depth() == 1 { panic_any(Mine(2)) }
            Ok::<_, Error>(())
        }));
        assert_eq!(payload(in_place).await, Mine(2));
        all_is_well(&backend, "in place").await;
        assert!(backend.items().await.is_empty());
    }
}

test_on! {
    every_backend;

    /// rules 26 and 41: a joined transaction has no savepoint to go back to
    async fn a_panic_in_a_joined_transaction_marks_the_root(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let result = db.atomic(|| async {
            insert(db, "root").await?;
            let inner = db.clone();
            let joined = db.transaction(|| async move {
                insert(&inner, "joined").await?;
                if inner.depth() == 1 { panic_any(Mine(5)) }
                Ok::<_, Error>(())
            });
            assert_eq!(payload(joined).await, Mine(5));
            assert_eq!(db.status(), Status::RollbackOnly);
            let next = insert(db, "next").await.expect_err("the root is marked");
            assert_eq!(next.kind(), ErrorKind::RollbackOnly);
            Ok::<_, Error>(())
        });
        assert_eq!(result.await.expect_err("nothing was committed").kind(), ErrorKind::UnexpectedRollback);
        assert!(backend.items().await.is_empty());
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 41: closures that panic before there is a future, on a pinned connection, and in the native client
    async fn a_panic_elsewhere_leaves_a_clean_connection(backend) {
        let backend = backend.with(|b| b.max_connections(1)).with_items().await;
        let db = &backend.db;
        let eager = db.build_transaction().eager().atomic(|| -> std::future::Ready<Result<(), Error>> { panic_any(Mine(1)) });
        assert_eq!(payload(eager).await, Mine(1));
        all_is_well(&backend, "eager").await;
        let pinned = db.connection(|| async {
            insert(db, "autocommitted").await?;
            db.atomic(|| async {
                insert(db, "lost").await?;
                if db.depth() == 1 { panic_any(Mine(2)) }
                Ok::<_, Error>(())
            })
            .await
        });
        assert_eq!(payload(pinned).await, Mine(2));
        all_is_well(&backend, "pinned").await;
        let scoped = nestling::scope(async {
            let mut rows = db.stream("select 1 union all select 2", params![]).await?;
            let first: i64 = rows.next().await.expect("a row")?.get(0)?;
            if first > 0 { panic_any(Mine(3)) }
            Ok::<_, Error>(())
        });
        assert_eq!(payload(scoped).await, Mine(3));
        all_is_well(&backend, "streaming").await;
        assert_eq!(backend.items().await, ["autocommitted"]);
    }
}

/// rule 41: the native client of PostgreSQL, inside a block
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_with_the_native_client_rolls_back_its_block() {
    let backend = Backend::postgres().await.with(|b| b.max_connections(1)).with_items().await;
    let db = &backend.db;
    let result = db.atomic(|| async {
        insert(db, "root").await?;
        let inner = db.atomic(|| {
            db.with_postgres(|client| async move {
                client.batch_execute("insert into item values (-1, 'native')").await.expect("it inserts");
                if !client.is_closed() {
                    panic_any(Mine(1))
                }
                Ok::<_, Error>(())
            })
        });
        assert_eq!(payload(inner).await, Mine(1));
        insert(db, "root again").await
    });
    result.await.expect("it commits");
    assert_eq!(backend.items().await, ["root", "root again"]);
    all_is_well(&backend, "native").await;
}
