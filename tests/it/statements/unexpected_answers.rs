//! Answers that a driver does not follow: what comes of them is an error that says so, and the connection is nobody else's
//! afterwards. Fault kind: an error that is neither the server's nor the network's was taken for "nothing happened".

use nestling::{Database, Error, ErrorKind, params};

use crate::harness::{Backend, insert};

/// COPY from and to the client, by a statement that reads and one that writes.
const COPIES: [&str; 3] = [
    "copy (delete from item returning id) to stdout",
    "copy item from stdin",
    "copy item to stdout with (format binary)",
];

async fn one_connection() -> Backend {
    let backend = Backend::postgres().await.with(|options| options.max_connections(1)).with_items().await;
    insert(&backend.db, 1, "first").await.expect("an item");
    backend
}

/// Runs a text by each of the calls.
async fn run(db: &Database, sql: &str, call: usize) -> Result<(), Error> {
    match call {
        0 => db.execute(sql, ()).await.map(drop),
        1 => db.query(sql, ()).await.map(drop),
        2 => db.batch(sql).await,
        _ => {
            let mut rows = db.stream(sql, ()).await?;
            rows.next().await.map_or(Ok(()), |row| row.map(drop))
        }
    }
}

fn assert_says_how(error: &Error, what: &str) {
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}: {error:?}");
    assert!(error.to_string().contains("with_postgres"), "{what}: {error}");
}

async fn session(db: &Database) -> i32 {
    db.query_one("select pg_backend_pid()", ()).await.expect("a session").get(0).expect("a number")
}

/// rules 36: an answer that the driver does not understand throws the connection away
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_outside_a_block_is_an_error_and_costs_its_connection() {
    let backend = one_connection().await;
    let db = &backend.db;
    for sql in COPIES {
        for call in 0..4 {
            let what = format!("{sql}, call {call}");
            let before = session(db).await;
            assert_says_how(&run(db, sql, call).await.expect_err(&what), &what);
            // The next user has a connection that works, and the server does not wait for data any more.
            assert_ne!(session(db).await, before, "{what}");
            backend.sessions_come_to(1).await;
            backend.settled().await;
        }
    }
}

/// rules 33, 36: a block that passes over the error cannot be kept
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_a_block_undoes_it_whoever_passes_over_the_error() {
    let backend = one_connection().await;
    let db = &backend.db;
    for sql in COPIES {
        for call in 0..4 {
            for nested in [false, true] {
                let what = format!("{sql}, call {call}, nested {nested}");
                let copy = || async {
                    assert_says_how(&run(db, sql, call).await.expect_err(&what), &what);
                    Ok::<_, Error>(())
                };
                let block = db.atomic(|| async {
                    insert(db, 2, "lost").await?;
                    if nested { db.atomic(copy).await } else { copy().await }
                });
                block.await.expect_err(&what);
                assert_eq!(backend.items().await, ["first"], "{what}");
                backend.settled().await;
            }
            // As the first statement of a block: it is not tried again on another connection.
            db.atomic(|| run(db, sql, call)).await.expect_err("the first statement");
            assert_eq!(backend.items().await, ["first"]);
        }
    }
    backend.sessions_come_to(0).await;
}

/// fault kind, the inverse: what never left the client costs nothing
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_cannot_be_sent_leaves_the_block_as_it_was() {
    let backend = one_connection().await;
    let db = &backend.db;
    let before = session(db).await;
    let block = db.atomic(|| async {
        insert(db, 2, "kept").await?;
        for call in 0..4 {
            let error = run(db, "select 'a\0b'", call).await.expect_err("a NUL ends a text");
            assert_eq!(error.kind(), ErrorKind::Parameter, "{error:?}");
        }
        let error = db.query("select $1::text", params!["a\0b"]).await.expect_err("no text of PostgreSQL's");
        assert_eq!(error.kind(), ErrorKind::Parameter, "{error:?}");
        insert(db, 3, "kept too").await
    });
    block.await.expect("nothing was sent");
    assert_eq!(backend.items().await, ["first", "kept", "kept too"]);
    let error = run(db, "select '\0'", 0).await.expect_err("outside a block");
    assert_eq!(error.kind(), ErrorKind::Parameter);
    assert_eq!(session(db).await, before, "the connection is as good as it was");
}
