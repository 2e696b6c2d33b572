//! The line in front of the pool: how many may still have a connection, the connections that lie ready, and those who
//! wait, each of whom is handed the connection itself, in order of arrival. It knows no database, and not how
//! connections are made.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::slot::Borrowed;

/// What becomes of connections that nobody uses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keeping {
    /// Whether they lie ready here, rather than go back to the pool, which makes new ones for those that are out.
    pub(super) ready: bool,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
}

/// The line of one pool.
pub(super) struct Line {
    keeping: Keeping,
    /// Set once, under the lock.
    closed: AtomicBool,
    books: Mutex<Books>,
}

struct Books {
    /// How many places nobody has. There are none while somebody waits.
    free: usize,
    /// The one that was used last is taken first.
    ready: Vec<Borrowed>,
    queue: VecDeque<Queued>,
    next: u64,
}

struct Queued {
    number: u64,
    hand: oneshot::Sender<Place>,
}

/// What comes of asking for a place.
pub(super) enum Asked {
    Place(Place),
    /// It must be waited for.
    Later(Waiting),
    Closed,
}

impl Line {
    pub(super) fn new(places: usize, keeping: Keeping) -> Self {
        let books = Books { free: places, ready: Vec::new(), queue: VecDeque::new(), next: 0 };
        Self { keeping, closed: AtomicBool::new(false), books: Mutex::new(books) }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Each change under this lock is whole before anything can panic.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether connections that nobody uses lie ready here.
    pub(super) fn keeps_ready(&self) -> bool {
        self.keeping.ready
    }

    /// How many connections lie ready.
    pub(super) fn ready(&self) -> usize {
        self.books().ready.len()
    }

    /// Asks for a place. If there is none, the caller is in the queue when this returns.
    pub(super) fn ask(self: &Arc<Self>) -> Asked {
        let mut books = self.books();
        if self.is_closed() {
            return Asked::Closed;
        }
        if books.free > 0 {
            books.free -= 1;
            let borrowed = books.ready.pop();
            return Asked::Place(Place { line: Arc::clone(self), borrowed });
        }
        let (hand, handed) = oneshot::channel();
        let number = books.next;
        books.next += 1;
        books.queue.push_back(Queued { number, hand });
        Asked::Later(Waiting { line: Arc::clone(self), number: Some(number), handed })
    }

    /// A connection that lies ready, for who has a place already.
    pub(super) fn take_ready(&self) -> Option<Borrowed> {
        self.books().ready.pop()
    }

    /// Whether a connection that comes back may go to somebody else.
    fn keeps(&self, borrowed: &mut Borrowed) -> bool {
        let now = Instant::now();
        borrowed.idle_since = now;
        let is_old = self.keeping.max_lifetime.is_some_and(|most| now.duration_since(borrowed.born) >= most);
        borrowed.condemned |= is_old;
        borrowed.is_sound()
    }

    /// Gives a place up: with its connection to who waits longest, or for whoever comes next.
    fn pass_on(self: &Arc<Self>, mut borrowed: Option<Borrowed>) {
        loop {
            let mut books = self.books();
            if let Some(Queued { hand, .. }) = books.queue.pop_front() {
                // Whoever is woken may come here again.
                drop(books);
                // Who left just now cannot take it: then it is passed on by its drop.
                drop(hand.send(Place { line: Arc::clone(self), borrowed }));
                return;
            }
            let away = match borrowed.take() {
                Some(borrowed) if self.keeping.ready && !self.is_closed() => {
                    books.ready.push(borrowed);
                    None
                }
                other => other,
            };
            if away.is_none() {
                books.free += 1;
                return;
            }
            // It is back in the pool before the next one is let in.
            drop(books);
            drop(away);
        }
    }

    /// Sends away who waits, or comes later.
    pub(super) fn close(&self) {
        let away = {
            let mut books = self.books();
            self.closed.store(true, Ordering::Release);
            (std::mem::take(&mut books.queue), std::mem::take(&mut books.ready))
        };
        drop(away);
    }

    /// Closes the connections that lie ready and have become too old.
    pub(super) fn sweep(&self) {
        let Keeping { idle_timeout, max_lifetime, ready: _ } = self.keeping;
        let now = Instant::now();
        let is_over =
            |since: Instant, most: Option<Duration>| most.is_some_and(|most| now.duration_since(since) >= most);
        let is_old = |one: &mut Borrowed| is_over(one.idle_since, idle_timeout) || is_over(one.born, max_lifetime);
        let old: Vec<Borrowed> = self.books().ready.extract_if(.., is_old).collect();
        for mut borrowed in old {
            borrowed.condemned = true;
        }
    }

    fn withdraw(&self, number: u64) {
        let mut books = self.books();
        if let Ok(at) = books.queue.binary_search_by_key(&number, |queued| queued.number) {
            books.queue.remove(at);
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// The right to have one connection, and the connection once it is there. Its drop passes both on.
#[derive(Debug)]
pub(super) struct Place {
    line: Arc<Line>,
    pub(super) borrowed: Option<Borrowed>,
}

impl Place {
    /// Whether the line was closed since the place was asked for.
    pub(super) fn is_late(&self) -> bool {
        self.line.is_closed()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is not kept goes here, before the next one is let in.
        let kept = self.borrowed.take().and_then(|mut borrowed| self.line.keeps(&mut borrowed).then_some(borrowed));
        self.line.pass_on(kept);
    }
}

/// Somebody in the queue. Its drop leaves it; a place that had come meanwhile is passed on.
pub(super) struct Waiting {
    line: Arc<Line>,
    /// None once the place has come.
    number: Option<u64>,
    handed: oneshot::Receiver<Place>,
}

impl Waiting {
    /// Waits for the place; `None` if the line was closed.
    ///
    /// # Cancel safety
    /// Dropped, it leaves the queue and no trace.
    pub(super) async fn place(mut self) -> Option<Place> {
        let place = (&mut self.handed).await.ok();
        self.number = None;
        place
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.line.withdraw(number);
        }
    }
}
