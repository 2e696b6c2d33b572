//! What the pool counts and measures while it works: the tasks that wait for a connection, the streams that hold one, how long
//! connections are made, waited for and used. And what holds its connections, in the words of its errors.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::timings::{Times, Timings};
use crate::{instruments::Instruments, runtime::StreamUse};

/// The use of one pool.
#[derive(Debug)]
pub(super) struct Usage {
    /// Tasks that wait for a connection.
    pub(super) waiting: Counter,
    pub(super) streams: OpenStreams,
    pub(super) blocks: Blocks,
    pub(super) instruments: Instruments,
    timeouts: Counter,
    created: Times,
    waits: Times,
    uses: Times,
}

/// What a pool has done, and what it does now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolFigures {
    pub(crate) connections: u64,
    pub(crate) idle: u64,
    pub(crate) most: u64,
    pub(crate) least_idle: u64,
    pub(crate) waiting: u64,
    pub(crate) timeouts: u64,
    pub(crate) created: Timings,
    pub(crate) waits: Timings,
    pub(crate) uses: Timings,
}

impl Usage {
    pub(super) fn new(instruments: Instruments) -> Self {
        Self {
            waiting: Counter::default(),
            streams: OpenStreams::default(),
            blocks: Blocks::default(),
            instruments,
            timeouts: Counter::default(),
            created: Times::default(),
            waits: Times::default(),
            uses: Times::default(),
        }
    }

    /// The figures of the pool, which has so many connections and idle ones, and may have so many.
    pub(super) fn figures(&self, (connections, idle): (u64, u64), (most, least_idle): (u32, u32)) -> PoolFigures {
        PoolFigures {
            connections,
            idle,
            most: most.into(),
            least_idle: least_idle.into(),
            waiting: self.waiting.get(),
            timeouts: self.timeouts.get(),
            created: self.created.get(),
            waits: self.waits.get(),
            uses: self.uses.get(),
        }
    }

    /// A connection was made.
    pub(super) fn created(&self, time: Duration) {
        self.created.add(time);
        self.instruments.created(time);
    }

    /// A connection was had that was not at hand.
    pub(super) fn waited(&self, time: Duration) {
        self.waits.add(time);
        self.instruments.waited(time);
    }

    /// A connection is given back.
    pub(super) fn used(&self, time: Duration) {
        self.uses.add(time);
        self.instruments.used(time);
    }

    /// No connection was had in time.
    pub(super) fn timed_out(&self) {
        self.timeouts.add(1);
        self.instruments.timed_out();
    }

    /// What holds so many connections.
    pub(super) fn describe(&self, all: usize) -> String {
        let Holders { blocks, oldest } = self.blocks.0.get().map(|look| look()).unwrap_or_default();
        let streams = self.streams.count();
        let statements = all.saturating_sub(blocks + streams);
        let oldest = oldest.map_or_else(String::new, |oldest| format!(" (oldest {oldest})"));
        let parts = [
            (blocks, format!("{blocks} in blocks{oldest}")),
            (streams, format!("{streams} in streams")),
            (statements, format!("{statements} in statements")),
        ];
        let parts: Vec<String> = parts.into_iter().filter_map(|(count, text)| (count > 0).then_some(text)).collect();
        parts.join(", ")
    }
}

/// What the blocks of a database hold.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    /// How many of them have a connection.
    pub(crate) blocks: usize,
    /// The oldest of these, in words.
    pub(crate) oldest: Option<String>,
}

/// A look at the blocks of a database, which the pool does not know.
pub(super) type Look = Box<dyn Fn() -> Holders + Send + Sync>;

/// How the pool is told of blocks.
#[derive(Default)]
pub(super) struct Blocks(pub(super) OnceLock<Look>);

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").finish_non_exhaustive()
    }
}

/// Streams of rows outside blocks: each holds a connection until its task has read it to its end.
#[derive(Debug, Default)]
pub(super) struct OpenStreams(Mutex<Vec<Weak<StreamUse>>>);

impl OpenStreams {
    fn streams(&self) -> MutexGuard<'_, Vec<Weak<StreamUse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a stream, until its use is dropped.
    pub(super) fn add(&self, usage: &Arc<StreamUse>) {
        let mut streams = self.streams();
        streams.retain(|usage| usage.strong_count() > 0);
        streams.push(Arc::downgrade(usage));
    }

    /// How many there are.
    fn count(&self) -> usize {
        self.streams().iter().filter(|usage| usage.strong_count() > 0).count()
    }

    /// How many the current task reads and does not read on just now, and how often these were polled.
    pub(super) fn idle_here(&self) -> (usize, u64) {
        let streams = self.streams();
        let polls = streams.iter().filter_map(|usage| usage.upgrade()?.idle_here());
        polls.fold((0, 0), |(count, all), polls| (count + 1, all + polls))
    }
}

/// A number that many tasks change.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        if more != 0 {
            self.0.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(crate) fn sub(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more until the guard is dropped.
    pub(super) fn during(&self) -> During<'_> {
        self.add(1);
        During(self)
    }
}

/// Counts one until it is dropped.
#[derive(Debug)]
pub(super) struct During<'c>(&'c Counter);

impl Drop for During<'_> {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}
