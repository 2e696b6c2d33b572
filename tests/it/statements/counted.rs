//! `nestling::testing`: what a piece of code has sent, and the assertions about it.

use futures_util::FutureExt as _;
use nestling::{
    Error, params,
    testing::{assert_flights, assert_statements, counted},
};

test_on! { every_backend;

/// rule 56
async fn what_a_block_sends_is_counted(backend) {
    let backend = backend.with(|options| options.max_connections(1));
    let db = &backend.db;
    db.batch("create table counted (name varchar(9))").await.unwrap();
    let block = || async {
        db.atomic(|| async {
            for name in ["ada", "bob"] {
                db.atomic(|| async { db.execute("insert into counted values ($1)", params![name]).await }).await?;
            }
            Ok::<_, Error>(())
        })
        .await
    };
    block().await.unwrap();                          // the server has prepared the statement
    let (done, counts) = counted(db, block).await;
    done.unwrap();
    // BEGIN, twice SAVEPOINT and RELEASE, of which the last is void, and COMMIT.
    assert_eq!((counts.statements, counts.steps), (2, 5), "{counts}");
    assert_statements(db, 2, block).await.unwrap();
    assert_flights(db, counts.flights, block).await.unwrap();
    assert_flights(db, 0, || async { db.atomic(|| async { Ok::<_, Error>(()) }).await }).await.unwrap();
}

/// rule 56
async fn an_assertion_that_fails_tells_the_counts_and_its_place(backend) {
    let db = &backend.db;
    let query = || async { db.query("select 1", ()).await };
    let wrong = std::panic::AssertUnwindSafe(assert_statements(db, 3, query)).catch_unwind().await;
    let told = *wrong.unwrap_err().downcast::<String>().unwrap();
    assert!(told.contains("counted.rs:") && told.contains(": 3 statements were expected; there were 1 statements"), "{told}");
}

}
