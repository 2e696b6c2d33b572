//! Dropping futures half-way: at every await point, by counting polls, and at every message on the wire, by a proxy that
//! holds it. And the public calls that are dropped so, in two tables.
//!
//! Used by the tests of section E. It must not know what a test expects: it says what was dropped, and where.

mod calls;

use std::{
    future::{Future, poll_fn},
    sync::atomic::{AtomicI64, Ordering},
    task::Poll,
    time::Duration,
};

use nestling::{Database, Dialect, params};

pub(crate) use self::calls::{Call, blocks, native, statements, transactions};
use crate::{harness::Backend, proxy::Proxy};

/// More await points or messages than any call here has: a loop that gets there does not end by itself.
pub(crate) const TOO_MANY: usize = 400;

/// How long anything may take that must not hang: more than a busy machine needs, less than what it must not wait for.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Polls a future up to `times` times, each time that it wakes, and drops it right after the last poll.
pub(crate) async fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = times;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(out) => Poll::Ready(Some(out)),
        Poll::Pending => {
            left -= 1;
            if left == 0 { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

/// Drops what `make` makes at its first await point, its second and so on, until it completes; `check` looks at the
/// world after each. Returns how often it was dropped.
///
/// `make` gets the number of the await point, from 1.
pub(crate) async fn drop_at_every_await<F: Future>(
    mut make: impl FnMut(usize) -> F,
    mut check: impl AsyncFnMut(usize, Option<F::Output>),
) -> usize {
    for point in 1..TOO_MANY {
        let out = polled(point, make(point)).await;
        let ended = out.is_some();
        check(point, out).await;
        if ended {
            return point - 1;
        }
    }
    panic!("a future with more than {TOO_MANY} await points");
}

/// Drops what `make` makes just when the proxy holds its first message, its second and so on, whoever sends it, until
/// it completes; then lets the message go, and `check` looks at the world. Returns how often it was dropped.
pub(crate) async fn drop_at_every_message<F: Future>(
    proxy: &Proxy,
    mut make: impl FnMut(usize) -> F,
    mut check: impl AsyncFnMut(usize, Option<F::Output>),
) -> usize {
    for message in 1..TOO_MANY {
        proxy.left_with(1).await;
        proxy.stall_at(message);
        let out = {
            let mut future = Box::pin(make(message));
            tokio::select! {
                biased;
                _ = proxy.stalled() => None,
                out = &mut future => Some(out),
            }
        };
        proxy.release();
        let ended = out.is_some();
        check(message, out).await;
        if ended {
            return message - 1;
        }
    }
    panic!("a future with more than {TOO_MANY} messages");
}

/// An id that no row has yet.
pub(crate) fn fresh() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Inserts an item by the plainest of the calls.
pub(crate) async fn insert(db: &Database, name: &str) -> Result<(), nestling::Error> {
    db.execute("insert into item values ($1, $2)", params![fresh(), name]).await.map(|_| ())
}

/// What must hold after every drop: the pool is whole, the server has nothing open or locked, and whoever comes next
/// gets its own answer, soon.
pub(crate) async fn all_is_well(backend: &Backend, what: &str) {
    backend.settled().await;
    let mine = fresh();
    let next = async { backend.db.query_one("select $1 + 0", params![mine]).await?.get::<i64>(0) };
    let answer = tokio::time::timeout(BOUND, next).await.unwrap_or_else(|_| panic!("{what}: the next user waits"));
    let answer = answer.unwrap_or_else(|error| panic!("{what}: the next user is harmed: {error:?}"));
    assert_eq!(answer, mine, "{what}: the next user reads another's answer");
    if backend.db.dialect() != Dialect::Sqlite {
        backend.no_locks_left(what).await;
    }
}
