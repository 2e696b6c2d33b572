//! [`WriteLock`]: the write lock of one database file within this process, a FIFO queue. SQLite lets one connection
//! write at a time, and a wait inside SQLite blocks a thread, which the task that holds the lock may need. So the
//! connections of this process queue here, and tasks await the lock.
//!
//! Used by the connection. It knows no SQL.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    path::Path,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::time::timeout;

use crate::waiters::Waiters;

/// How long a free lock is reserved for the first in the queue. A future that is not polled meanwhile keeps its
/// position and lets others pass.
const GRACE: Duration = Duration::from_millis(20);

/// The identity of a file, whatever path it was opened by.
#[cfg(unix)]
pub(super) type FileId = (u64, u64);
#[cfg(not(unix))]
pub(super) type FileId = std::path::PathBuf;

/// The identity of a file that exists.
pub(super) fn file_id(path: &Path) -> std::io::Result<FileId> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(path).map(|data| (data.dev(), data.ino()))
    }
    #[cfg(not(unix))]
    path.canonicalize()
}

/// The write lock of one file.
#[derive(Default)]
pub(super) struct WriteLock {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    holder: Option<Holder>,
    /// When the lock was last released.
    free_since: Option<Instant>,
    queue: Waiters<Waiter>,
}

struct Holder {
    writer: Writer,
    since: Instant,
    /// Its user is gone, and a rollback follows.
    ends: bool,
}

struct Waiter {
    connection: u64,
    waker: Option<Waker>,
}

/// The holder of the lock.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    /// The number of the connection.
    pub(super) connection: u64,
    /// Whether it is a block, rather than a lone statement.
    pub(super) in_block: bool,
    /// The name of the block.
    pub(super) name: Option<Arc<str>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change under these locks is complete before anything can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WriteLock {
    /// The lock of a file, shared by all its connections in this process.
    pub(super) fn of(file: FileId) -> Arc<Self> {
        static LOCKS: LazyLock<Mutex<HashMap<FileId, Weak<WriteLock>>>> = LazyLock::new(Mutex::default);
        let mut locks = lock(&LOCKS);
        locks.retain(|_, lock| lock.strong_count() > 0);
        locks.get(&file).and_then(Weak::upgrade).unwrap_or_else(|| {
            let fresh = Arc::default();
            locks.insert(file, Arc::downgrade(&fresh));
            fresh
        })
    }

    /// Takes the lock if it is free, and none in the queue is ahead of this ticket.
    pub(super) fn try_take(self: &Arc<Self>, writer: &Writer, ticket: Option<u64>) -> Option<WriteGuard> {
        let mut state = lock(&self.state);
        if !state.lets_in(ticket) {
            return None;
        }
        let connection = writer.connection;
        state.holder = Some(Holder { writer: writer.clone(), since: Instant::now(), ends: false });
        // Others that waited on the same connection need not wait any more.
        let with_it = |waiter: &&mut Waiter| waiter.connection == connection;
        let woken: Vec<_> = state.queue.iter_mut().filter(with_it).filter_map(|waiter| waiter.waker.take()).collect();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        Some(WriteGuard { lock: Arc::clone(self) })
    }

    /// Enters the queue.
    pub(super) fn queue(self: &Arc<Self>, connection: u64) -> Ticket {
        let number = lock(&self.state).queue.push(Waiter { connection, waker: None });
        Ticket { lock: Arc::clone(self), number, connection }
    }

    /// Whether a connection has the lock.
    pub(super) fn is_held_by(&self, connection: u64) -> bool {
        lock(&self.state).is_held_by(connection)
    }

    /// The user of a connection is gone: if the connection has the lock, it will release it soon.
    pub(super) fn ends(&self, connection: u64) {
        let mut state = lock(&self.state);
        if let Some(holder) = state.holder.as_mut().filter(|holder| holder.writer.connection == connection) {
            holder.ends = true;
        }
    }

    /// Whether the holder is being rolled back and will release the lock soon.
    pub(super) fn is_ending(&self) -> bool {
        lock(&self.state).holder.as_ref().is_some_and(|holder| holder.ends)
    }

    /// The holder of the lock, for an error message.
    pub(super) fn holder(&self) -> String {
        let state = lock(&self.state);
        match &state.holder {
            Some(Holder { writer: Writer { in_block, name, connection: _ }, since, ends: _ }) => {
                let what = match name {
                    Some(name) => format!("the block \"{name}\""),
                    None if *in_block => "a block".into(),
                    None => "a statement".into(),
                };
                format!("{what} of this process has had the write lock for {:.1?}", since.elapsed())
            }
            None => "others of this process were first to have the write lock".into(),
        }
    }

    /// Changes the state, and wakes the first in the queue if the lock is free then.
    fn pass_on(&self, end: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        end(&mut state);
        let next = if state.holder.is_none() { state.queue.first_mut() } else { None };
        let waker = next.and_then(|waiter| waiter.waker.take());
        drop(state);
        // A waker may run anything, and come here again.
        waker.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn is_held_by(&self, connection: u64) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.writer.connection == connection)
    }

    /// Whether the lock may be taken with this ticket.
    fn lets_in(&self, ticket: Option<u64>) -> bool {
        let is_first = || self.queue.first().is_none_or(|(first, _)| Some(first) == ticket);
        let is_left = || self.free_since.is_some_and(|since| since.elapsed() >= GRACE);
        self.holder.is_none() && (is_first() || is_left())
    }
}

impl fmt::Debug for WriteLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteLock").finish_non_exhaustive()
    }
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(super) struct WriteGuard {
    lock: Arc<WriteLock>,
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        self.lock.pass_on(|state| {
            state.holder = None;
            state.free_since = Some(Instant::now());
        });
    }
}

/// A position in the queue, until it is dropped. It is not the right to write: its future may be kept and never polled
/// again.
#[derive(Debug)]
pub(super) struct Ticket {
    lock: Arc<WriteLock>,
    number: u64,
    connection: u64,
}

impl Ticket {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Waits until it makes sense to try to take the lock, or until its own connection has it.
    pub(super) async fn ready(&self) {
        // It checks now and then without being woken: the future of the first in the queue may be kept and not polled.
        while timeout(GRACE, poll_fn(|cx| self.poll(cx))).await.is_err() {}
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        // Wakers are cloned and dropped outside of the lock, as they may run anything.
        let waker = cx.waker().clone();
        let mut state = lock(&self.lock.state);
        if state.lets_in(Some(self.number)) || state.is_held_by(self.connection) {
            return Poll::Ready(());
        }
        let own = state.queue.get_mut(self.number);
        let before = own.and_then(|waiter| waiter.waker.replace(waker));
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut left = None;
        self.lock.pass_on(|state| left = state.queue.remove(self.number));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt as _, poll};

    use super::*;

    fn writer(connection: u64) -> Writer {
        Writer { connection, in_block: true, name: None }
    }

    /// Reserves the free lock for the first in the queue, however slow the machine is.
    fn reserve(lock: &WriteLock) {
        super::lock(&lock.state).free_since = Some(Instant::now() + Duration::from_secs(3600));
    }

    #[tokio::test(start_paused = true)]
    async fn the_lock_is_had_in_order_of_arrival() {
        let lock = Arc::<WriteLock>::default();
        let guard = lock.try_take(&writer(0), None).expect("it is free");
        let tickets: Vec<_> = (1..4).map(|connection| lock.queue(connection)).collect();
        assert!(lock.try_take(&writer(9), None).is_none());
        drop(guard);
        reserve(&lock);
        assert!(lock.try_take(&writer(9), None).is_none(), "the first in the queue has it");
        for (ticket, connection) in tickets.into_iter().zip(1..) {
            ticket.ready().now_or_never().expect("its turn has come");
            let guard = lock.try_take(&writer(connection), Some(ticket.number())).expect("it is the first");
            drop(ticket);
            drop(guard);
        }
        assert!(lock.try_take(&writer(9), None).is_some());
    }

    #[tokio::test]
    async fn a_ticket_that_is_given_up_or_not_polled_keeps_nobody_waiting() {
        let lock = Arc::<WriteLock>::default();
        let guard = lock.try_take(&writer(0), None).expect("it is free");
        let (kept, given_up, last) = (lock.queue(1), lock.queue(2), lock.queue(3));
        let mut never_polled_again = pin!(kept.ready());
        assert!(poll!(&mut never_polled_again).is_pending());
        drop(guard);
        drop(given_up);
        last.ready().await;
        let guard = lock.try_take(&writer(3), Some(last.number())).expect("the first did not take it");
        drop(last);
        // It has kept its place.
        let other = lock.queue(4);
        drop(guard);
        reserve(&lock);
        assert!(poll!(&mut never_polled_again).is_ready());
        assert!(lock.try_take(&writer(4), Some(other.number())).is_none());
        assert!(lock.try_take(&writer(1), Some(kept.number())).is_some());
    }

    #[tokio::test]
    async fn who_waits_on_a_connection_that_has_got_the_lock_waits_no_more() {
        let lock = Arc::<WriteLock>::default();
        let guard = lock.try_take(&writer(0), None).expect("it is free");
        let (one, other) = (lock.queue(1), lock.queue(1));
        let mut waiting = pin!(other.ready());
        assert!(poll!(&mut waiting).is_pending());
        drop(guard);
        let _held = lock.try_take(&writer(1), Some(one.number())).expect("it is the first");
        waiting.await;
    }
}
