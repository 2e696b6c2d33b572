//! Broken transactions: rules 31, 32 (SQLite) and 33 of the specification.

use nestling::{Database, Error, ErrorKind, params, status::Status};

use crate::{
    harness::{Backend, insert},
    proxy::Proxy,
};

async fn wired() -> (Backend, Proxy) {
    let (backend, proxy) =
        Backend::postgres().await.with_items().await.behind_proxy_with(|options| options.max_connections(1));
    insert(&backend.db, 0, "warm").await.expect("an insert");
    proxy.reset();
    (backend, proxy)
}

/// The code of the first error in the sources of another.
fn source_code(error: &Error) -> Option<String> {
    let source = std::error::Error::source(error)?;
    Error::find_in(source)?.code().map(str::to_owned)
}

/// All that can be asked of a block that is aborted, none of which is sent.
async fn all_aborted(db: &Database, proxy: &Proxy, code: &str) {
    let (before, own) = (proxy.counts(), db.clone());
    let results = [
        insert(db, 9, "never").await.map(|_| ()),
        db.query("select 1", params![]).await.map(|_| ()),
        db.stream("select 1", params![]).await.map(|_| ()),
        db.batch("select 1").await,
        db.atomic(|| insert(db, 9, "never")).await.map(|_| ()),
        db.savepoint_named("mine", || insert(db, 9, "never")).await.map(|_| ()),
        db.transaction(move || async move { insert(&own, 9, "never").await.map(|_| ()) }).await,
        db.with_postgres(|_| async { Ok::<_, Error>(()) }).await,
    ];
    for result in results {
        let error = result.expect_err("aborted");
        assert_eq!(error.kind(), ErrorKind::Aborted);
        assert_eq!(source_code(&error).as_deref(), Some(code), "the error that aborted it is the source");
    }
    assert_eq!((proxy.counts().flights, proxy.counts().bytes), (before.flights, before.bytes), "without a round trip");
    assert_eq!(db.status(), Status::Aborted);
}

/// rule 31
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_error_aborts_the_innermost_block_and_rolling_it_back_clears_it_for_the_parent() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let failing =
        [("insert into item values (0, 'taken')", "23505"), ("select no_such_column", "42703"), ("selec", "42601")];
    let work = db.atomic(|| async {
        for (id, (sql, code)) in (10..).zip(failing) {
            insert(db, id, &format!("kept {id}")).await?;
            let inner = db.atomic(|| async {
                insert(db, 2 * id, "undone").await?;
                let error = db.execute(sql, params![]).await.expect_err("it fails");
                assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some(code)));
                all_aborted(db, &proxy, code).await;
                // Swallowed: the block cannot be kept all the same.
                Ok::<_, Error>(())
            });
            let error = inner.await.expect_err("it cannot be kept");
            assert_eq!((error.kind(), error.code()), (ErrorKind::RolledBack, Some(code)));
            assert_eq!(db.status(), Status::Open, "the parent is whole");
        }
        insert(db, 20, "kept last").await
    });
    work.await.expect("it commits");
    assert_eq!(backend.items().await, ["kept 10", "kept 11", "kept 12", "kept last", "warm"]);
    let rollbacks = proxy
        .counts()
        .queries()
        .iter()
        .filter(|sql| **sql == "ROLLBACK TO SAVEPOINT _n1; RELEASE SAVEPOINT _n1")
        .count();
    assert!(rollbacks <= failing.len());
    backend.settled().await;
}

/// rule 31: of two levels only the inner one
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_in_a_child_does_not_abort_the_block_around_and_one_around_aborts_both() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let work = db.atomic(|| async {
        let middle = db.atomic(|| async {
            let inner = db.atomic(|| async { insert(db, 0, "taken").await });
            assert!(inner.await.expect_err("the id is taken").is_unique_violation());
            insert(db, 1, "undone with the middle").await?;
            db.query("select no_such_column", params![]).await.expect_err("no such column");
            all_aborted(db, &proxy, "42703").await;
            insert(db, 2, "never").await
        });
        assert_eq!(middle.await.expect_err("aborted").kind(), ErrorKind::Aborted);
        insert(db, 3, "kept").await
    });
    work.await.expect("it commits");
    assert_eq!(backend.items().await, ["kept", "warm"]);
}

/// rule 31: statements that were in flight together with the one that failed
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_in_flight_with_the_first_error_fails_because_of_it() {
    let (backend, _proxy) = wired().await;
    let db = &backend.db;
    for _ in 0..30 {
        let work = db.atomic(|| async {
            let (first, second, third) =
                tokio::join!(biased; insert(db, 0, "taken"), insert(db, 1, "never"), insert(db, 2, "never"));
            assert!(first.expect_err("the id is taken").is_unique_violation());
            for late in [second, third] {
                assert_eq!(late.expect_err("aborted").kind(), ErrorKind::Aborted);
            }
            let later = insert(db, 3, "never").await.expect_err("aborted");
            assert_eq!(source_code(&later).as_deref(), Some("23505"), "the cause, not an echo of it: {later:?}");
            Ok::<_, Error>(())
        });
        let error = work.await.expect_err("it cannot commit");
        assert_eq!((error.kind(), error.code()), (ErrorKind::RolledBack, Some("23505")));
    }
    assert_eq!(backend.items().await, ["warm"]);
}

test_on! {
    every_backend;

    /// rules 31 and 32: an error before anything is sent, such as a parameter that does not fit, changes nothing
    async fn an_error_of_the_client_aborts_nothing(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "kept").await?;
            let too_few = db.execute("insert into item values ($1, $2)", params![2]).await;
            assert_eq!(too_few.expect_err("one is missing").kind(), ErrorKind::Parameter);
            assert_eq!(db.query_one("select 1 where 1 = 2", params![]).await.expect_err("none").kind(), ErrorKind::NoRow);
            assert_eq!(db.status(), Status::Open);
            insert(db, 2, "kept too").await
        });
        work.await.expect("it commits");
        assert_eq!(backend.items().await, ["kept", "kept too"]);
    }
}

test_on! {
    sqlite;

    /// rule 32
    async fn a_failed_statement_does_not_abort_on_sqlite(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "one").await?;
            insert(db, 1, "again").await.expect_err("the id is taken");
            db.query("select no_such_column", params![]).await.expect_err("no such column");
            assert_eq!(db.status(), Status::Open);
            db.atomic(|| async {
                insert(db, 2, "one").await.expect_err("the name is taken");
                insert(db, 2, "two").await
            })
            .await?;
            insert(db, 3, "three").await
        });
        work.await.expect("it commits");
        assert_eq!(backend.items().await, ["one", "three", "two"]);
        backend.settled().await;
    }
}

test_on! {
    sqlite;

    /// rule 32: it is the whole transaction that is gone
    async fn an_error_that_rolls_everything_back_marks_all_frames_and_nothing_later_autocommits(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        insert(db, 0, "taken").await.expect("an insert");
        let fatal = "insert or rollback into item values (0, 'again')";
        for how in 0..3 {
            let work = db.atomic(|| async {
                insert(db, 1, "lost").await?;
                let middle = db.atomic(|| async {
                    insert(db, 2, "lost too").await?;
                    let inner = db.atomic(|| async {
                        insert(db, 3, "lost as well").await?;
                        let error = match how {
                            0 => db.execute(fatal, params![]).await.expect_err("the id is taken"),
                            1 => db.batch(&format!("{fatal}; insert into item values (7, 'late')")).await.expect_err("taken"),
                            _ => {
                                let sql = format!("{fatal} returning id");
                                let mut rows = db.stream(&sql, params![]).await?;
                                rows.next().await.expect("an answer").expect_err("the id is taken")
                            }
                        };
                        assert!(error.is_unique_violation(), "the error itself is what the caller sees");
                        assert_eq!(insert(db, 4, "late").await.expect_err("gone").kind(), ErrorKind::Aborted);
                        Ok::<_, Error>(())
                    });
                    let error = inner.await.expect_err("it is gone");
                    assert_eq!(error.kind(), ErrorKind::RolledBack);
                    assert!(error.is_unique_violation());
                    assert_eq!(db.status(), Status::Aborted);
                    assert_eq!(insert(db, 5, "late").await.expect_err("gone").kind(), ErrorKind::Aborted);
                    Ok::<_, Error>(())
                });
                assert_eq!(middle.await.expect_err("it is gone").kind(), ErrorKind::RolledBack);
                let late = insert(db, 6, "late").await.expect_err("gone");
                assert_eq!(late.kind(), ErrorKind::Aborted);
                assert!(late.is_unique_violation(), "never that a savepoint does not exist");
                db.atomic(|| insert(db, 6, "late")).await.expect_err("gone");
                Ok::<_, Error>(())
            });
            let error = work.await.expect_err("it is gone");
            assert_eq!(error.kind(), ErrorKind::RolledBack);
            assert!(error.is_unique_violation());
            assert_eq!(backend.items().await, ["taken"]);
            backend.settled().await;
        }
        db.atomic(|| insert(db, 1, "kept")).await.expect("the next transaction works");
        assert_eq!(backend.items().await, ["kept", "taken"]);
    }
}

/// rule 33
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_fails_all_that_comes_later_at_every_depth() {
    let backend = Backend::postgres().await.with_items().await.with(|options| options.max_connections(2));
    let db = &backend.db;
    for lost_at in 1..=3 {
        for swallowed in [false, true] {
            let level = async |depth: u32| {
                insert(db, i64::from(depth), &format!("lost {depth}")).await?;
                if depth == lost_at {
                    // That of the round before may still be about to end.
                    backend.sessions_come_to(1).await;
                    assert_eq!(backend.terminate_sessions().await, 1);
                    let error = insert(db, 10, "late").await.expect_err("the session has ended");
                    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
                }
                Ok::<_, Error>(())
            };
            let after = async || {
                let error = insert(db, 11, "late").await.expect_err("the connection is lost");
                assert!(error.is_connection_lost());
                db.atomic(|| insert(db, 12, "late")).await.expect_err("the connection is lost");
                assert_eq!(db.status(), Status::Aborted);
                if swallowed { Ok(()) } else { Err(error) }
            };
            let work = db.atomic(|| async {
                level(1).await?;
                if lost_at > 1 {
                    let two = db.atomic(|| async {
                        level(2).await?;
                        if lost_at > 2 {
                            let three = db.atomic(|| async {
                                level(3).await?;
                                after().await
                            });
                            assert!(three.await.expect_err("lost").is_connection_lost());
                        }
                        after().await
                    });
                    assert!(two.await.expect_err("lost").is_connection_lost(), "never an Ok");
                }
                after().await
            });
            let error = work.await.expect_err("it was not committed");
            assert!(error.is_connection_lost(), "{error:?}");
            assert_ne!(error.kind(), ErrorKind::CommitUnknown, "no COMMIT was sent");
            assert_eq!(db.depth(), 0);
            db.atomic(|| async { db.query("select 1", params![]).await }).await.expect("the next transaction works");
            backend.settled().await;
            assert!(backend.items().await.is_empty(), "nothing was committed on its own");
        }
    }
}

/// rule 33: between two statements, noticed by nobody, with blocks ending in between
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_that_is_noticed_late_does_not_let_the_rest_of_a_block_run_on_another_connection() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let work = db.atomic(|| async {
        insert(db, 1, "lost").await?;
        db.atomic(|| insert(db, 2, "lost too")).await?;
        proxy.cut();
        let late = db.atomic(|| insert(db, 3, "late")).await.expect_err("lost");
        assert!(late.is_connection_lost());
        insert(db, 4, "late").await.expect_err("lost");
        Ok::<_, Error>(())
    });
    assert!(work.await.expect_err("lost").is_connection_lost());
    assert_eq!(proxy.counts().connections, 0, "nothing was tried anew");
    db.atomic(|| insert(db, 5, "works")).await.expect("the next transaction works");
    assert_eq!(backend.items().await, ["warm", "works"]);
    backend.settled().await;
}
