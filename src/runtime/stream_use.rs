//! How a stream of rows is read: by which task, and whether that task waits for the next row. A wait for the stream to end
//! is in vain if the waiting task is the one that would have to read on.
//!
//! Used by frame locks, by the pool and by streams of rows.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
};

/// What polls a future: a task, or a thread that polls it by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Poller {
    Task(tokio::task::Id),
    Thread(ThreadId),
}

impl Poller {
    fn current() -> Self {
        tokio::task::try_id().map_or_else(|| Self::Thread(thread::current().id()), Self::Task)
    }
}

/// The use of one stream.
#[derive(Debug)]
pub(crate) struct StreamUse {
    poller: Mutex<Poller>,
    polls: AtomicU64,
    /// Its last poll was pending, or it is being opened: a task waits for it. Or it has ended: its connection is on its way back,
    /// and nobody need read it on.
    is_awaited: AtomicBool,
}

impl StreamUse {
    /// The use of a stream that the current task is about to open.
    pub(crate) fn new() -> Self {
        Self { poller: Mutex::new(Poller::current()), polls: AtomicU64::new(0), is_awaited: AtomicBool::new(true) }
    }

    /// The stream is open.
    pub(crate) fn opened(&self) {
        self.polled(false);
    }

    fn poller(&self) -> MutexGuard<'_, Poller> {
        self.poller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream is polled now, with this outcome.
    pub(crate) fn polled(&self, is_pending: bool) {
        *self.poller() = Poller::current();
        self.polls.fetch_add(1, Ordering::AcqRel);
        self.is_awaited.store(is_pending, Ordering::Release);
    }

    /// The stream has ended: a wait for what it has held is not in vain, also while it is kept.
    pub(crate) fn ended(&self) {
        self.is_awaited.store(true, Ordering::Release);
    }

    /// How often it was polled, if the current task reads it and does not wait for its next row.
    pub(crate) fn idle_here(&self) -> Option<u64> {
        let is_idle = !self.is_awaited.load(Ordering::Acquire) && *self.poller() == Poller::current();
        is_idle.then(|| self.polls.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::StreamUse;

    /// rules 2 and 61
    #[test]
    fn a_stream_that_has_ended_is_not_waited_for_in_vain() {
        let usage = StreamUse::new();
        assert_eq!(usage.idle_here(), None, "it is being opened");
        usage.opened();
        usage.polled(false);
        assert_eq!(usage.idle_here(), Some(2), "it has given a row");
        usage.ended();
        assert_eq!(usage.idle_here(), None, "its connection is on its way back");
    }
}
