//! Turns: who may use the session now (rules 8 and 9). Statements of a frame share it; opening or closing a child frame,
//! and a stream, have it alone; all in order of arrival. A turn is a value, given up by its drop.
//!
//! Used by frames and blocks. Nearly every turn is free when it is asked for: that costs one short lock, no allocation
//! and no look at the clock. It must not know sessions, ledgers or what a turn is used for.

use std::{
    collections::VecDeque,
    fmt,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::{Label, within};
use crate::error::{Error, ErrorKind};

/// What a turn is wanted for, and so whether it can be shared.
pub(super) enum Purpose<G> {
    /// A statement: shares the turn with other statements of its frame.
    Statement,
    /// A stream of rows, or the native client: has the turn until it ends.
    Alone(&'static str),
    /// A child block, whose label is for whoever waits for it.
    Child(Weak<G>),
    /// The end of the frame itself.
    Close,
}

impl<G> Purpose<G> {
    fn is_shared(&self) -> bool {
        matches!(self, Self::Statement)
    }
}

impl<G> Clone for Purpose<G> {
    fn clone(&self) -> Self {
        match self {
            Self::Statement => Self::Statement,
            Self::Alone(what) => Self::Alone(what),
            Self::Child(child) => Self::Child(Weak::clone(child)),
            Self::Close => Self::Close,
        }
    }
}

impl<G: Gate> fmt::Display for Purpose<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement => f.write_str("a statement"),
            Self::Alone(what) => f.write_str(what),
            Self::Child(child) => match child.upgrade() {
                Some(child) => write!(f, "the block {}", child.label()),
                None => f.write_str("a block"),
            },
            Self::Close => f.write_str("the end of the block"),
        }
    }
}

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

/// Those who have just been let in, to be told of it outside the lock.
type Told = SmallVec<[oneshot::Sender<()>; 4]>;

/// What comes of asking for a turn.
enum Answer<G> {
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

    /// Lets in those at the head of the queue for whom there is room now.
    fn advance(&mut self) -> Told {
        let mut told = Told::new();
        while self.queue.front().is_some_and(|first| self.has_room(&first.purpose))
            && let Some(Queued { number, purpose, tell }) = self.queue.pop_front()
        {
            self.let_in(purpose);
            self.unheard.push(number);
            told.push(tell);
        }
        told
    }
}

impl<G> Turnstile<G> {
    pub(super) fn new() -> Self {
        let turns = Turns { sharing: 0, holder: None, queue: VecDeque::new(), unheard: Vec::new(), next: 0 };
        Self { closed: AtomicBool::new(false), queued: AtomicBool::new(false), turns: Mutex::new(turns) }
    }

    fn turns(&self) -> MutexGuard<'_, Turns<G>> {
        // Each change under this lock is whole before anything can panic.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Sends everyone who waits, or comes later, away. Tells whether it was open.
    pub(super) fn close(&self) -> bool {
        if self.closed.swap(true, Ordering::SeqCst) {
            return false;
        }
        // Who queues up just now looks at `closed` after it has set `queued`: one of the two sees the other.
        if self.queued.load(Ordering::SeqCst) {
            let away = std::mem::take(&mut self.turns().queue);
            drop(away);
        }
        true
    }

    /// Whether anyone but a child block has a turn.
    pub(super) fn is_used(&self) -> bool {
        let turns = self.turns();
        turns.sharing > 0 || matches!(turns.holder, Some(Purpose::Alone(_) | Purpose::Close))
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
        turns.sharing == 0 && turns.holder.is_none() && turns.queue.is_empty()
    }

    fn ask(&self, purpose: Purpose<G>) -> Answer<G> {
        let mut turns = self.turns();
        if self.is_closed() {
            return Answer::Closed;
        }
        if turns.queue.is_empty() && turns.has_room(&purpose) {
            turns.let_in(purpose);
            return Answer::Taken;
        }
        let (tell, told) = oneshot::channel();
        let number = turns.next;
        turns.next += 1;
        turns.queue.push_back(Queued { number, purpose: purpose.clone(), tell });
        self.queued.store(true, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            let away = std::mem::take(&mut turns.queue);
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
        if !turns.queue.is_empty() {
            let told = turns.advance();
            drop(turns);
            tell(told);
        }
    }

    /// Whoever waited under `number` has heard that it was let in.
    fn hears(&self, number: u64) {
        self.turns().unheard.retain(|unheard| *unheard != number);
    }

    /// Whoever waited under `number` waits no more: it may have been let in without having heard of it, or those behind
    /// it may have been waiting for it alone.
    fn withdraw(&self, number: u64, shared: bool) {
        let mut turns = self.turns();
        match turns.unheard.iter().position(|unheard| *unheard == number) {
            Some(at) => {
                turns.unheard.swap_remove(at);
                turns.let_out(shared);
            }
            None => turns.queue.retain(|queued| queued.number != number),
        }
        let told = turns.advance();
        drop(turns);
        tell(told);
    }

    fn describe_holder(&self) -> String
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

/// Where turns are taken: a frame, as turns see it.
pub(crate) trait Gate: Sized {
    fn turnstile(&self) -> &Turnstile<Self>;
    fn label(&self) -> &Label;
    fn turn_timeout(&self) -> Duration;

    /// The error of whatever comes to a gate that is closed.
    fn closed_error(&self) -> Error {
        Error::new(ErrorKind::FrameClosed, format!("the block {} that this belongs to has ended", self.label()))
    }
}

/// Waits for a turn at `gate`; a turn that was taken is given up by [`Turnstile::leave`].
///
/// # Errors
/// `FrameClosed` if the frame has ended, `TurnTimeout` if the turn did not come, `NoRuntime` if it would have to be
/// waited for outside a runtime.
///
/// # Cancel safety
/// Dropped while it waits, it leaves the queue and no trace.
#[inline]
pub(super) async fn enter<G: Gate>(gate: &G, purpose: Purpose<G>) -> Result<(), Error> {
    match gate.turnstile().ask(purpose) {
        Answer::Taken => Ok(()),
        Answer::Closed => Err(gate.closed_error()),
        // Boxed, as it is seldom needed and all statements would carry it.
        Answer::Later { purpose, number, told } => {
            let place = Place { stile: gate.turnstile(), number, shared: purpose.is_shared(), left: false };
            Box::pin(wait(gate, purpose, place, told)).await
        }
    }
}

async fn wait<G: Gate>(
    gate: &G,
    purpose: Purpose<G>,
    mut place: Place<'_, G>,
    told: oneshot::Receiver<()>,
) -> Result<(), Error> {
    match within(gate.turn_timeout(), told).await? {
        Some(Ok(())) => {
            place.stile.hears(place.number);
            place.left = true;
            Ok(())
        }
        Some(Err(_sent_away)) => Err(gate.closed_error()),
        None => Err(late(gate, &purpose)),
    }
}

/// A place in the queue, left by its drop.
struct Place<'g, G> {
    stile: &'g Turnstile<G>,
    number: u64,
    shared: bool,
    /// The turn has come, and is the caller's.
    left: bool,
}

impl<G> Drop for Place<'_, G> {
    fn drop(&mut self) {
        if !self.left {
            self.stile.withdraw(self.number, self.shared);
        }
    }
}

/// The right to use the session for one purpose, until it is dropped. It holds its gate, or borrows it.
pub(crate) struct Turn<H>
where
    H: Deref<Target: Gate>,
{
    gate: H,
    shared: bool,
}

impl<H> Turn<H>
where
    H: Deref<Target: Gate>,
{
    /// Waits for a turn.
    ///
    /// # Errors
    /// As of [`enter`].
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves the queue and no trace.
    #[inline]
    pub(super) async fn take(gate: H, purpose: Purpose<H::Target>) -> Result<Self, Error> {
        let shared = purpose.is_shared();
        enter(&*gate, purpose).await?;
        Ok(Self { gate, shared })
    }
}

fn late<G: Gate>(gate: &G, purpose: &Purpose<G>) -> Error {
    let (holder, wait) = (gate.turnstile().describe_holder(), gate.turn_timeout());
    Error::new(
        ErrorKind::TurnTimeout,
        format!("{purpose} waited {wait:?} for its turn in the block {}, which {holder} holds", gate.label()),
    )
}

impl<H> Drop for Turn<H>
where
    H: Deref<Target: Gate>,
{
    fn drop(&mut self) {
        self.gate.turnstile().leave(self.shared);
    }
}

impl<H> fmt::Debug for Turn<H>
where
    H: Deref<Target: Gate>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gate, shared } = self;
        f.debug_struct("Turn").field("gate", gate.label()).field("shared", shared).finish()
    }
}
