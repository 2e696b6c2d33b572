//! A deadlock takes the whole transaction of its loser, savepoints and all.

use std::sync::Arc;

use nestling::{Database, Error, ErrorKind, params};
use tokio::sync::Barrier;

use super::value;
use crate::harness::Backend;

/// Takes the rows in the order given, the second in a block of its own; swallows what goes wrong there, and writes on.
async fn cross(db: Database, met: Arc<Barrier>, who: &'static str, ids: [i64; 2]) -> (Result<(), Error>, bool) {
    let mut lost = false;
    let result = db.atomic(|| async {
        db.execute("insert into item values ($1, $2)", params![ids[0] + 10, format!("{who} was here")]).await?;
        db.execute("update item set name = $1 where id = $2", params![format!("{who} first"), ids[0]]).await?;
        met.wait().await;
        let inner = db.atomic(|| async {
            db.execute("update item set name = $1 where id = $2", params![format!("{who} second"), ids[1]]).await
        });
        let Err(error) = inner.await else { return Ok(()) };
        lost = true;
        assert!(error.is_deadlock() && error.is_retryable(), "{error:?}");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("1213")));
        for _ in 0..2 {
            let later = db.execute("insert into item values (99, 'later')", params![]).await.expect_err("it is gone");
            assert_eq!(later.kind(), ErrorKind::Aborted);
            assert!(later.is_deadlock(), "the deadlock is the source: {later:?}");
            let later = db.atomic(|| async { db.query("select 1", params![]).await }).await.expect_err("it is gone");
            assert!(later.is_deadlock(), "{later:?}");
        }
        Ok(())
    });
    (result.await, lost)
}

test_on! {
    mysql_and_mariadb;

    /// rule 32
    async fn the_loser_of_two_crossing_nested_blocks_is_told_and_keeps_nothing(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.batch("insert into item values (1, 'one'), (2, 'two')").await.expect("two rows");
        let met = Arc::new(Barrier::new(2));
        let ada = tokio::spawn(cross(db.clone(), Arc::clone(&met), "ada", [1, 2]));
        let bob = tokio::spawn(cross(db.clone(), met, "bob", [2, 1]));
        let (ada, bob) = (ada.await.expect("no panic"), bob.await.expect("no panic"));
        assert_ne!(ada.1, bob.1, "one of them loses");
        let (winner, won, lost) = if ada.1 { ("bob", bob.0, ada.0) } else { ("ada", ada.0, bob.0) };
        won.expect("the winner commits");
        let lost = lost.expect_err("a swallowed deadlock does not commit");
        assert_eq!(lost.kind(), ErrorKind::RolledBack);
        assert!(lost.is_deadlock() && !lost.to_string().contains("SAVEPOINT"), "{lost:?}");
        let items = backend.items().await;
        assert_eq!(items, ["first", "second", "was here"].map(|what| format!("{winner} {what}")));
        backend.settled().await;
    }

    /// rule 32
    async fn a_failed_statement_alone_does_not_abort(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let done = db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![1, "outer"]).await?;
            let inner = db.atomic(|| async {
                db.execute("insert into item values ($1, $2)", params![2, "inner"]).await?;
                let again = db.execute("insert into item values ($1, $2)", params![2, "again"]).await;
                assert!(again.expect_err("the key is taken").is_unique_violation());
                db.execute("insert into item values ($1, $2)", params![3, "behind it"]).await
            });
            inner.await
        });
        assert_eq!(done.await.expect("all of it stands"), 1);
        assert_eq!(backend.items().await, ["behind it", "inner", "outer"]);
        backend.settled().await;
    }

    /// rules 32 and 38: nobody heard of the deadlock, as its statement was dropped
    async fn a_deadlock_of_a_dropped_statement_is_told_to_the_next(backend) {
        let backend = backend.with_items().await;
        lose_unheard(&backend).await;
        assert_eq!(backend.items().await, ["two, by the other", "one, by the other"].map(String::from).into_iter().rev().collect::<Vec<_>>());
        backend.settled().await;
    }
}

/// Waits until a statement with this in its text is executed: the server shows the text while it prepares it, too.
async fn executes_at_server(backend: &Backend, part: &str) {
    let table = if backend.is_mariadb().await {
        "information_schema.processlist"
    } else {
        "(select processlist_id as id, processlist_db as db, processlist_command as command, processlist_info as info
          from performance_schema.threads) as p"
    };
    let sql = format!(
        "select count(*) from {table} where db = $1 and command = 'Execute' and info like $2 and id <> connection_id()"
    );
    let values = || params![backend.name(), format!("%{part}%")];
    wait_while!(value::<i64>(backend.observer(), &sql, values()).await == 0);
}

/// A statement that is waiting for a lock is dropped in the very moment that it is chosen as the loser.
async fn lose_unheard(backend: &Backend) {
    let db = &backend.db;
    db.batch("insert into item values (1, 'one'), (2, 'two')").await.expect("two rows");
    let other = backend.builder().build().expect("the same options");
    let result = db.atomic(|| async {
        db.execute("update item set name = $1 where id = $2", params!["mine", 1]).await?;
        let crossed = other.atomic(|| async {
            // It has written more: the server makes the other one the loser.
            for number in 0..20 {
                other.execute("insert into item values ($1, null)", params![100 + number]).await?;
            }
            other.execute("update item set name = $1 where id = $2", params!["two, by the other", 2]).await?;
            // A text of its own: the server may show the other's last one for a moment longer than it runs.
            let update = "update item set name = $1 where id = $2 and 'mine' <> ''";
            let waiting = db.atomic(|| db.execute(update, params!["mine too", 2]));
            let mut waiting = std::pin::pin!(waiting);
            tokio::select! {
                _ = &mut waiting => panic!("the row is locked"),
                () = executes_at_server(backend, "'mine' <> ''") => {}
            }
            // The deadlock happens with this, while nobody polls the loser.
            other.execute("update item set name = $1 where id = $2", params!["one, by the other", 1]).await?;
            other.execute("delete from item where name is null", params![]).await
        });
        crossed.await?;
        let next = db.execute("insert into item values (50, 'next')", params![]).await.expect_err("it is gone");
        assert!(next.code() != Some("1305"), "{next:?}");
        Ok::<_, Error>(())
    });
    let error = result.await.expect_err("nothing can be committed");
    assert_ne!(error.code(), Some("1305"), "never that a savepoint does not exist: {error:?}");
}
