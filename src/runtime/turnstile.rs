//! The turnstile of a frame: who may use the session now (rules 8 and 9), and who waits. Statements of a frame share it;
//! opening or closing a child frame, and a stream, have it alone; all in order of arrival.
//!
//! Used by turns. Nearly every turn is free when it is asked for: that costs one short lock, no allocation and no look at
//! the clock. It must not know sessions, ledgers or what a turn is used for.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::{purpose::Purpose, turn::Gate};

/// The gate of one frame, at which turns are handed out first come, first served.
pub(crate) struct Turnstile<G> {
    /// Set once: nobody is let in after it.
    closed: AtomicBool,
    /// Whether anyone waits: so that closing need not look.
    queued: AtomicBool,
    turns: Mutex<Turns<G>>,
}

struct Turns<G> {
    /// How many share the turn.
    sharing: u32,
    /// Who has it alone.
    holder: Option<Purpose<G>>,
    /// Made for the first one who waits, as hardly anybody ever does: a frame is smaller without.
    line: Option<Box<Line<G>>>,
}

struct Line<G> {
    queue: VecDeque<Queued<G>>,
    /// Who was let in from the queue and may not have heard of it.
    unheard: Vec<u64>,
    next: u64,
}

struct Queued<G> {
    number: u64,
    purpose: Purpose<G>,
    tell: oneshot::Sender<()>,
}

/// Those who were sent away. Dropped, it wakes them: a waker is foreign code, which may drop a future that has a turn here
/// or a block on the same session.
#[must_use = "it is dropped once no lock is held"]
pub(super) struct SentAway<G> {
    _waiting: Option<VecDeque<Queued<G>>>,
}

/// Those who have just been let in, to be told of it outside the lock.
type Told = SmallVec<[oneshot::Sender<()>; 4]>;

/// What comes of asking for a turn.
pub(super) enum Answer<G> {
    Taken,
    Closed,
    /// It must be waited for, under this number.
    Later {
        purpose: Purpose<G>,
        number: u64,
        told: oneshot::Receiver<()>,
    },
}

impl<G> Turns<G> {
    fn has_room(&self, purpose: &Purpose<G>) -> bool {
        self.holder.is_none() && (purpose.is_shared() || self.sharing == 0)
    }

    fn let_in(&mut self, purpose: Purpose<G>) {
        if purpose.is_shared() {
            self.sharing += 1;
        } else {
            self.holder = Some(purpose);
        }
    }

    fn let_out(&mut self, shared: bool) {
        if shared {
            self.sharing -= 1;
        } else {
            self.holder = None;
        }
    }

    fn nobody_waits(&self) -> bool {
        self.line.as_ref().is_none_or(|line| line.queue.is_empty())
    }

    /// Takes out the head of the queue if there is room for it now.
    fn next_with_room(&mut self) -> Option<Queued<G>> {
        let first = self.line.as_ref()?.queue.front()?;
        if !self.has_room(&first.purpose) {
            return None;
        }
        let line = self.line.as_mut()?;
        let first = line.queue.pop_front()?;
        line.unheard.push(first.number);
        Some(first)
    }

    /// Lets in those at the head of the queue for whom there is room now.
    fn advance(&mut self) -> Told {
        let mut told = Told::new();
        while let Some(Queued { purpose, tell, .. }) = self.next_with_room() {
            self.let_in(purpose);
            told.push(tell);
        }
        told
    }

    /// All who wait. Their drop wakes them, so it MUST come outside every lock.
    fn send_away(&mut self) -> SentAway<G> {
        SentAway { _waiting: self.line.as_mut().map(|line| std::mem::take(&mut line.queue)) }
    }
}

impl<G> Turnstile<G> {
    pub(super) fn new() -> Self {
        let turns = Turns { sharing: 0, holder: None, line: None };
        Self { closed: AtomicBool::new(false), queued: AtomicBool::new(false), turns: Mutex::new(turns) }
    }

    fn turns(&self) -> MutexGuard<'_, Turns<G>> {
        // Each change under this lock is whole before anything can panic.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Sends everyone who waits, or comes later, away. `None` if it was closed already.
    pub(super) fn close(&self) -> Option<SentAway<G>> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return None;
        }
        // Who queues up just now looks at `closed` after it has set `queued`: one of the two sees the other.
        let has_queue = self.queued.load(Ordering::SeqCst);
        Some(if has_queue { self.turns().send_away() } else { SentAway { _waiting: None } })
    }

    /// Whether anyone but a child block has a turn.
    pub(super) fn is_used(&self) -> bool {
        let turns = self.turns();
        turns.sharing > 0 || matches!(turns.holder, Some(Purpose::Alone(_) | Purpose::Stream(_) | Purpose::Close))
    }

    /// The child block that has the turn.
    pub(super) fn child(&self) -> Option<Arc<G>> {
        match &self.turns().holder {
            Some(Purpose::Child(child)) => child.upgrade(),
            _ => None,
        }
    }

    /// Whether nobody has a turn.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> bool {
        let turns = self.turns();
        turns.sharing == 0 && turns.holder.is_none() && turns.nobody_waits()
    }

    pub(super) fn ask(&self, purpose: Purpose<G>) -> Answer<G> {
        let mut turns = self.turns();
        if self.is_closed() {
            return Answer::Closed;
        }
        if turns.nobody_waits() && turns.has_room(&purpose) {
            turns.let_in(purpose);
            return Answer::Taken;
        }
        let (tell, told) = oneshot::channel();
        let fresh = || Box::new(Line { queue: VecDeque::new(), unheard: Vec::new(), next: 0 });
        let line = turns.line.get_or_insert_with(fresh);
        let number = line.next;
        line.next += 1;
        line.queue.push_back(Queued { number, purpose: purpose.clone(), tell });
        self.queued.store(true, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            let away = turns.send_away();
            // Outside the lock, as whoever is woken may have a turn here.
            drop(turns);
            drop(away);
            return Answer::Closed;
        }
        Answer::Later { purpose, number, told }
    }

    /// Gives a turn up.
    pub(super) fn leave(&self, shared: bool) {
        let mut turns = self.turns();
        turns.let_out(shared);
        if !turns.nobody_waits() {
            let told = turns.advance();
            drop(turns);
            tell(told);
        }
    }

    /// Whoever waited under `number` has heard that it was let in.
    pub(super) fn hears(&self, number: u64) {
        if let Some(line) = &mut self.turns().line {
            line.unheard.retain(|unheard| *unheard != number);
        }
    }

    /// Whoever waited under `number` waits no more: it may have been let in without having heard of it, or those behind
    /// it may have been waiting for it alone.
    pub(super) fn withdraw(&self, number: u64, shared: bool) {
        let mut turns = self.turns();
        let mut withdrawn = None;
        if let Some(line) = &mut turns.line {
            match line.unheard.iter().position(|unheard| *unheard == number) {
                Some(at) => {
                    line.unheard.swap_remove(at);
                    turns.let_out(shared);
                }
                None => {
                    let at = line.queue.iter().position(|queued| queued.number == number);
                    withdrawn = at.and_then(|at| line.queue.remove(at));
                }
            }
        }
        let told = turns.advance();
        drop(turns);
        drop(withdrawn);
        tell(told);
    }

    /// How often the stream that has the turn was polled, if it is one that the current task itself reads, and does not
    /// read on just now.
    pub(super) fn idle_stream(&self) -> Option<u64> {
        match &self.turns().holder {
            Some(Purpose::Stream(usage)) => usage.idle_here(),
            _ => None,
        }
    }

    pub(super) fn describe_holder(&self) -> String
    where
        G: Gate,
    {
        let holder = self.turns().holder.clone();
        holder.map_or_else(|| "statements under way".into(), |purpose| purpose.to_string())
    }
}

/// Wakes those who were let in, outside the lock: a waker may drop a future that has a turn here.
fn tell(told: Told) {
    for tell in told {
        // Who is gone has seen to it.
        let _ = tell.send(());
    }
}

impl<G> fmt::Debug for Turnstile<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turnstile").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}
