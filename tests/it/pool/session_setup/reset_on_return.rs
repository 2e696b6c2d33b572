//! `reset_on_return`: what functions and triggers change in a session, which nobody sees, does not reach its next user either.

use nestling::{Database, Error, ErrorKind, params};

use super::{is_marked, mark, marking, read, session, set};
use crate::harness::{Backend, insert};

/// A function that changes the session, called by a statement that does not look like it. SQLite has none: there it is the
/// plain pragma.
async fn with_function(backend: Backend) -> Backend {
    let function = backend.choose(
        "create function hidden() returns int language plpgsql as $$ begin
             perform set_config('app.mine', 'no', false), pg_advisory_lock(77); return 7; end $$",
        "create function hidden() returns int deterministic reads sql data
             begin set group_concat_max_len = 8888; return 7; end",
        "",
    );
    backend.observer().batch(function).await.expect("the function of the test");
    backend
}

/// A statement that changes the session.
fn changing(backend: &Backend) -> &'static str {
    backend.choose("select hidden()", "select hidden()", mark(nestling::Dialect::Sqlite).set)
}

/// What the next user sees: the mark, and locks that the session holds.
async fn seen(db: &Database) -> Result<(String, i64), Error> {
    let locks = match db.dialect() {
        nestling::Dialect::Postgres => {
            let sql = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";
            db.query_one(sql, params![]).await?.get(0)?
        }
        _ => 0,
    };
    Ok((read(db).await?, locks))
}

test_on! {
    every_backend;

    /// rule 36: by each way back
    async fn what_a_function_has_set_does_not_reach_the_next_user(backend) {
        let backend = with_function(backend).await.with(|options| options.max_connections(1).reset_on_return(true));
        let db = &backend.db;
        let sql = changing(&backend);
        let as_new = seen(db).await.expect("a session");
        let clean = async |what: &str| {
            assert_eq!(seen(db).await.unwrap_or_else(|error| panic!("{what}: {error:?}")), as_new, "{what}");
        };
        db.query(sql, params![]).await.expect("alone");
        clean("alone").await;
        db.batch(&format!("select 1; {sql}")).await.expect("in a batch");
        clean("in a batch").await;
        let mut rows = db.stream(sql, params![]).await.expect("a stream");
        while let Some(row) = rows.next().await {
            row.expect("a row");
        }
        drop(rows);
        clean("in a stream").await;
        db.atomic(|| db.query(sql, params![])).await.expect("in a block");
        clean("in a block").await;
        let undone = db.atomic(|| async {
            db.query(sql, params![]).await?;
            Err::<(), _>(db.query_one("select 1 where 1 = 0", params![]).await.expect_err("no row"))
        });
        undone.await.expect_err("rolled back");
        clean("in a block that is rolled back").await;
        let failed = db.atomic(|| async {
            db.query(sql, params![]).await?;
            db.query("select no_such_column", params![]).await
        });
        failed.await.expect_err("an error of the server");
        clean("in a block that has failed").await;
        {
            let mut dropped = Box::pin(db.atomic(|| async {
                db.query(sql, params![]).await?;
                std::future::pending::<Result<(), Error>>().await
            }));
            for _ in 0..50 {
                assert!(crate::harness::poll_once(dropped.as_mut()).await.is_pending());
                tokio::task::yield_now().await;
            }
        }
        clean("in a block that is dropped").await;
        db.connection(|| async {
            db.query(sql, params![]).await?;
            assert_ne!(seen(db).await?, as_new, "it holds on a pinned connection");
            Ok::<_, Error>(())
        })
        .await
        .expect("on a pinned connection");
        clean("on a pinned connection").await;
        backend.settled().await;
    }

    /// rule 36: statements that were prepared go on working, in blocks and outside, and steps too
    async fn prepared_statements_go_on_working(backend) {
        let backend = with_function(backend).await.with_items().await;
        let backend = backend.with(|options| options.max_connections(2).reset_on_return(true));
        let db = &backend.db;
        for round in 0..6 {
            let id = round * 10;
            insert(db, id, &format!("{id:02}")).await.expect("alone");
            db.atomic(|| async {
                insert(db, id + 1, &format!("{:02}", id + 1)).await?;
                db.atomic(|| async { insert(db, id + 2, &format!("{:02}", id + 2)).await }).await?;
                let undone = db.atomic(|| async { insert(db, id + 2, "twice").await });
                undone.await.expect_err("the key is taken");
                Ok::<_, Error>(())
            })
            .await
            .expect("a block");
            let count: i64 = db.query_one("select count(*) from item", params![]).await.and_then(|row| row.get(0)).expect("a count");
            assert_eq!(count, (round + 1) * 3);
        }
        backend.settled().await;
    }

    /// rules 36 and 60: what each connection runs first is run again behind each reset
    async fn a_session_is_set_up_again_behind_each_reset(backend) {
        let backend = with_function(backend).await;
        let (options, count) = marking(backend.builder().max_connections(1).reset_on_return(true));
        let db = options.build().expect("valid options");
        for round in 1..5 {
            assert!(is_marked(&db).await.expect("a mark"));
            db.atomic(|| is_marked(&db)).await.expect("a block");
            assert!(count.get() >= round * 2, "{}", count.get());
        }
        backend.settled_with(&db).await;
    }
}

test_on! {
    every_server;

    /// rule 36: it is reset, and not replaced; and without the option the crate does not see it, which the documents say
    async fn the_session_is_the_same_one(backend) {
        let backend = with_function(backend).await;
        let db = backend.builder().max_connections(1).reset_on_return(true).build().expect("valid options");
        let before = session(&db).await.expect("a session");
        for _ in 0..3 {
            db.query("select hidden()", params![]).await.expect("a statement");
            assert_eq!(session(&db).await.expect("a session"), before);
        }
        db.close().await;
        let db = backend.builder().max_connections(1).build().expect("valid options");
        let as_new = seen(&db).await.expect("a session");
        db.query("select hidden()", params![]).await.expect("a statement");
        assert_ne!(seen(&db).await.expect("a session"), as_new);
        db.close().await;
    }

    /// rules 36 and 59
    async fn many_users_find_a_session_that_is_as_new(backend) {
        let backend = with_function(backend).await.with(|options| options.max_connections(4).reset_on_return(true));
        let as_new = seen(&backend.db).await.expect("a session");
        let users: Vec<_> = (0..16)
            .map(|user| {
                let (db, as_new) = (backend.db.clone(), as_new.clone());
                tokio::spawn(async move {
                    for round in 0..6 {
                        let found = db.atomic(|| async {
                            let found = read(&db).await?;
                            if (user + round) % 2 == 0 {
                                // Not the function with the lock, for which they would wait.
                                db.query(mark(db.dialect()).read, params![]).await?;
                            } else {
                                db.execute(mark(db.dialect()).unset, params![]).await?;
                            }
                            Ok::<_, Error>(found)
                        });
                        assert_eq!(found.await?, as_new.0);
                    }
                    Ok::<_, Error>(())
                })
            })
            .collect();
        for user in users {
            user.await.expect("no panic").expect("it runs");
        }
        backend.settled().await;
    }
}

/// rule 36: behind a pooler that gives each transaction another session there is nothing to reset
#[test]
#[cfg(feature = "postgres")]
fn behind_a_pooler_it_is_refused() {
    let options = |url: &str| Database::builder(url).reset_on_return(true).after_connect(set).build();
    let refused = options("postgres://u@localhost/d?pgbouncer=true").expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    options("postgres://u@localhost/d?pgbouncer=false").expect("a pooler with a session for each client");
}
