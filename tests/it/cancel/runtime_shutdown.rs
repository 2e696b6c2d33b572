//! The end of a runtime with transactions open: no commit, no panic, and nothing left at the server (rule 44).

use std::{
    panic,
    sync::{Mutex, Once},
    thread,
    time::Duration,
};

use futures_util::future::BoxFuture;
use nestling::{Database, Dialect, Error, params};
use tokio::{
    runtime::{Builder, Runtime, RuntimeFlavor},
    sync::oneshot,
};

use crate::{
    dialects::{numbers, sleeps},
    drops::{BOUND, insert, polled},
    harness::Backend,
    proxy::Proxy,
};

/// The panics on the threads of these tests, which are told by their names. SQLite's thread is everybody's, and another test
/// has a closure panic there.
fn panics() -> Vec<String> {
    static HOOK: Once = Once::new();
    static SEEN: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let name = thread::current().name().unwrap_or_default().to_owned();
            SEEN.lock().expect("no panic in the hook").push((name, info.to_string()));
            before(info);
        }));
    });
    let mine = thread::current().name().unwrap_or_default().to_owned();
    let seen = SEEN.lock().expect("no panic in the hook");
    let ours = |(name, text): &&(String, String)| {
        *name == mine || name.starts_with("nestling") && !text.ends_with("the closure's own")
    };
    seen.iter().filter(ours).map(|(_, text)| text.clone()).collect()
}

/// A runtime whose threads have the name of the test.
fn runtime(workers: usize) -> Runtime {
    let name = thread::current().name().unwrap_or_default().to_owned();
    match workers {
        0 => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread().worker_threads(workers).thread_name(name).enable_all().build(),
    }
    .expect("a runtime")
}

type End = (&'static str, fn(Runtime));

/// The ways in which a runtime ends.
const ENDS: [End; 3] = [
    ("drop", |runtime| drop(runtime)),
    ("shutdown_background", |runtime| runtime.shutdown_background()),
    ("shutdown_timeout", |runtime| runtime.shutdown_timeout(Duration::from_millis(50))),
];

type Body = fn(Database, oneshot::Sender<()>) -> BoxFuture<'static, Result<(), Error>>;

async fn wait_here(at: oneshot::Sender<()>) -> Result<(), Error> {
    let _ = at.send(());
    std::future::pending().await
}

/// Where a runtime may find a task when it ends.
const PLACES: [(&str, Body); 5] = [
    ("root", |db, at| {
        Box::pin(async move {
            db.atomic(|| async {
                insert(&db, "lost").await?;
                wait_here(at).await
            })
            .await
        })
    }),
    ("third level", |db, at| {
        Box::pin(async move {
            db.atomic(|| {
                db.atomic(|| async {
                    insert(&db, "lost").await?;
                    db.atomic(|| async {
                        insert(&db, "lost too").await?;
                        wait_here(at).await
                    })
                    .await
                })
            })
            .await
        })
    }),
    ("task of its own", |db, at| {
        Box::pin(async move {
            let inner = db.clone();
            db.transaction(|| async move {
                insert(&inner, "lost").await?;
                wait_here(at).await
            })
            .await
        })
    }),
    ("stream", |db, at| {
        Box::pin(async move {
            db.atomic(|| async {
                insert(&db, "lost").await?;
                let mut rows = db.stream(&many(&db), params![]).await?;
                rows.next().await.transpose()?;
                wait_here(at).await
            })
            .await
        })
    }),
    ("statement", |db, at| {
        Box::pin(async move {
            db.atomic(|| async {
                insert(&db, "lost").await?;
                let sql = long(&db);
                let mut running = Box::pin(db.query(&sql, params![]));
                if polled(1, &mut running).await.is_some() {
                    // On the spot it keeps the runtime from ending.
                    return wait_here(at).await;
                }
                let _ = at.send(());
                running.await.map(|_| ())
            })
            .await
        })
    }),
];

fn many(db: &Database) -> String {
    numbers(db.dialect()).replace("$1", "1000000")
}

/// A statement that takes long wherever it does not block the runtime.
fn long(db: &Database) -> String {
    if db.dialect() != Dialect::Sqlite {
        return sleeps(db.dialect(), 300.0);
    }
    let limit = match tokio::runtime::Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => -1,
        _ => 1_000,
    };
    format!("with recursive n(x) as (select 1 union all select x + 1 from n limit {limit}) select count(*) from n")
}

fn check(outer: &Runtime, backend: &Backend, what: &str) {
    outer.block_on(async {
        backend.settled().await;
        if backend.db.dialect() != Dialect::Sqlite {
            backend.sessions_come_to(0).await;
        }
        assert!(backend.items().await.is_empty(), "{what}: something was committed");
        tokio::time::timeout(BOUND, insert(backend.observer(), "free")).await.expect("no lock is left").expect(what);
        backend.observer().batch("delete from item").await.expect("no lock is left");
    });
    let panics = panics();
    assert!(panics.is_empty(), "{what}: {panics:?}");
}

/// Ends runtimes of all sorts in all ways, with a task at every place, in the runtime or kept beyond it.
fn end_at_every_place(make: impl AsyncFn() -> Backend) {
    assert!(panics().is_empty());
    let outer = runtime(1);
    let backend = outer.block_on(async { make().await.with_items().await });
    for workers in [0, 2] {
        for (place, body) in PLACES {
            for (how, end) in ENDS {
                for kept in [false, true] {
                    let what = format!("{how} in a {place} with {workers} workers, kept: {kept}");
                    let inner = runtime(workers);
                    let db = {
                        let _entered = inner.enter();
                        backend.builder().min_connections(2).max_connections(2).build().expect("options")
                    };
                    let (at, reached) = oneshot::channel();
                    let mut task = Some(body(db.clone(), at));
                    inner.block_on(async {
                        if !kept {
                            drop(tokio::spawn(task.take().expect("it is there")));
                            return reached.await.expect("it is inside");
                        }
                        tokio::select! {
                            out = task.as_mut().expect("it is there") => panic!("{what}: {out:?}"),
                            inside = reached => inside.expect("it is inside"),
                        }
                    });
                    end(inner);
                    drop(task);
                    drop(db);
                    check(&outer, &backend, &what);
                }
            }
        }
    }
}

#[test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
fn nothing_is_left_on_postgres_when_a_runtime_ends() {
    end_at_every_place(Backend::postgres);
}

#[test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
fn nothing_is_left_on_mariadb_when_a_runtime_ends() {
    end_at_every_place(Backend::mariadb);
}

#[test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
fn nothing_is_left_on_mysql9_when_a_runtime_ends() {
    end_at_every_place(Backend::mysql);
}

#[test]
fn nothing_is_left_on_sqlite_when_a_runtime_ends() {
    end_at_every_place(Backend::sqlite);
}

/// rule 44: with the start-up, BEGIN, an answer, or the COMMIT on its way; only what had reached COMMIT may be kept
#[test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
fn nothing_is_left_when_a_runtime_ends_with_a_message_on_its_way() {
    assert!(panics().is_empty());
    let outer = runtime(1);
    let backend = outer.block_on(async { Backend::postgres().await.with_items().await });
    let proxy = Proxy::before(backend.url());
    let url = proxy.url_for(backend.url());
    for message in (1..).step_by(2) {
        let (how, end) = ENDS[message / 2 % ENDS.len()];
        let what = format!("{how} at message {message}");
        let inner = runtime(message / 2 % 3);
        proxy.stall_at(message);
        let ended = inner.block_on(async {
            let db = Database::builder(&url).min_connections(1).build().expect("the proxy's URL");
            let task = tokio::spawn(async move { db.atomic(|| db.atomic(|| insert(&db, "a row"))).await });
            tokio::select! {
                biased;
                _ = proxy.stalled() => None,
                out = task => Some(out),
            }
        });
        end(inner);
        proxy.release();
        outer.block_on(async {
            backend.settled().await;
            backend.sessions_come_to(0).await;
            proxy.left_with(0).await;
            // A worker may have gone on until it saw that the runtime ends.
            let committing = proxy.counts().queries().iter().any(|sql| sql.ends_with("COMMIT"));
            assert!(committing || backend.items().await.is_empty(), "{what}: committed without a COMMIT");
            backend.observer().batch("delete from item").await.expect("no lock is left");
        });
        assert!(panics().is_empty(), "{what}: {:?}", panics());
        if let Some(out) = ended {
            assert!(message > 20, "held {message} times only");
            return out.expect("no panic").expect("it commits");
        }
    }
}

/// rule 44: where the statement is under way still as its runtime ends, the server does not go on with it for long
#[test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
fn a_cancel_request_that_comes_ahead_of_its_statement_is_repeated() {
    let outer = runtime(1);
    let backend = outer.block_on(async { Backend::postgres().await.with_items().await });
    let proxy = Proxy::before(backend.url());
    let inner = runtime(1);
    proxy.stall_when(|message| message.tag == 'E' && message.text.contains("pg_sleep"));
    inner.block_on(async {
        let db = Database::builder(&proxy.url_for(backend.url())).max_connections(1).build().expect("the proxy's URL");
        let stalled = proxy.stalled();
        let task = tokio::spawn(async move {
            db.atomic(|| async {
                insert(&db, "lost").await?;
                db.query("select pg_sleep($1)", params![300.0]).await
            })
            .await
        });
        tokio::select! {
            _ = stalled => {}
            out = task => panic!("it cannot have ended: {out:?}"),
        }
    });
    drop(inner);
    outer.block_on(async {
        // The first has been there and gone, and found the session idle.
        wait_while!(proxy.counts().cancels == 0 || proxy.open_connections() > 1);
        proxy.release();
        backend.settled().await;
        backend.sessions_come_to(0).await;
        assert!(backend.items().await.is_empty(), "nothing is committed");
    });
}

test_on! {
    every_backend;

    /// rule 11: a block that was opened in a runtime that has ended meanwhile is told so, or is just gone
    async fn a_block_cannot_begin_in_a_runtime_that_has_ended(backend) {
        let backend = backend.with_items().await;
        let builder = backend.builder();
        let outcome = thread::spawn(move || {
            let db = builder.build().expect("options");
            let inner = runtime(1);
            inner.block_on(insert(&db, "before")).expect("it works");
            let handle = inner.handle().clone();
            drop(inner);
            let _entered = handle.enter();
            let mut block = Box::pin(db.atomic(|| insert(&db, "after")));
            let waker = std::task::Waker::noop();
            let polled = block.as_mut().poll(&mut std::task::Context::from_waker(waker));
            drop(block);
            (matches!(polled, std::task::Poll::Ready(Ok(()))), panics())
        });
        let (worked, panics) = tokio::task::spawn_blocking(|| outcome.join()).await.expect("no panic").expect("no panic");
        assert!(panics.is_empty(), "{panics:?}");
        backend.settled().await;
        let items = backend.items().await;
        assert_eq!(items.contains(&"after".to_owned()), worked, "{items:?}");
    }
}
