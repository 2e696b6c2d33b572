//! Transactions that the server rolls back by itself: statements that were already on their way go with them.

use futures_util::future::join;
use nestling::{Error, ErrorKind, params};

use crate::harness::Backend;

/// An insert that makes SQLite roll the whole transaction back, with others right behind it.
async fn rolled_back_by_sqlite(backend: Backend) {
    let backend = backend.with_items().await.with(|options| options.max_connections(1));
    let db = &backend.db;
    let insert = |id: i64, name: &'static str| db.execute("insert into item values ($1, $2)", params![id, name]);
    insert(0, "taken").await.expect("it is alone");
    let ended = db.atomic(|| async {
        insert(1, "lost").await?;
        let conflict = db.execute("insert or rollback into item values (2, 'taken')", params![]);
        let (told, behind) = join(conflict, join(insert(3, "stray"), insert(4, "stray too"))).await;
        assert!(told.expect_err("the name is taken").is_unique_violation());
        for behind in [behind.0, behind.1] {
            assert_eq!(behind.expect_err("its transaction is gone").kind(), ErrorKind::Aborted);
        }
        assert_eq!(insert(5, "late").await.expect_err("its transaction is gone").kind(), ErrorKind::Aborted);
        Ok::<_, Error>(())
    });
    let error = ended.await.expect_err("nothing can be kept");
    assert_eq!(error.kind(), ErrorKind::RolledBack);
    assert!(error.is_unique_violation(), "the conflict is the source");
    assert_eq!(backend.items().await, ["taken"]);
    // The one connection is as good as new, for a statement and for a block.
    insert(6, "alone").await.expect("nothing is left over");
    db.atomic(|| insert(7, "in a block")).await.expect("nothing is left over");
    assert_eq!(backend.items().await, ["alone", "in a block", "taken"]);
    backend.settled().await;
}

/// rule 32
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_behind_an_error_that_rolled_all_back_do_not_commit_on_their_own_sqlite() {
    rolled_back_by_sqlite(Backend::sqlite().await).await;
}

/// rule 32
#[tokio::test]
async fn statements_behind_an_error_that_rolled_all_back_do_not_commit_on_their_own_sqlite_on_one_thread() {
    rolled_back_by_sqlite(Backend::sqlite().await).await;
}

/// rules 32, 36
#[tokio::test]
async fn a_dropped_block_that_sqlite_had_rolled_back_leaves_its_connection_fit_for_use() {
    let backend = Backend::sqlite().await.with_items().await.with(|options| options.max_connections(1));
    let db = &backend.db;
    let insert = |id: i64, name: &'static str| db.execute("insert into item values ($1, $2)", params![id, name]);
    insert(0, "taken").await.expect("it is alone");
    let reached = tokio::sync::Notify::new();
    let body = db.atomic(|| async {
        let conflict = db.execute("insert or rollback into item values (2, 'taken')", params![]).await;
        assert!(conflict.is_err());
        reached.notify_one();
        std::future::pending::<Result<(), Error>>().await
    });
    tokio::select! {
        _ = body => panic!("the body never ends"),
        () = reached.notified() => {}
    }
    insert(1, "next").await.expect("nothing is left over");
    assert_eq!(backend.items().await, ["next", "taken"]);
    backend.settled().await;
}
