//! Turns: who may use the session now (rules 8 and 9). Statements of a frame share it; opening or closing a child frame,
//! and a stream, have it alone; all in order of arrival. A turn is a value, given up by its drop.
//!
//! Used by frames and blocks. Nearly every turn is free when it is asked for: that costs one short lock, no allocation
//! and no look at the clock. It must not know sessions, ledgers or what a turn is used for.

use std::{
    collections::VecDeque,
    fmt,
    ops::Deref,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::{Label, purpose::Purpose, within};
use crate::error::{Error, ErrorKind};

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

    /// All who wait, to be dropped outside the lock.
    fn send_away(&mut self) -> VecDeque<Queued<G>> {
        self.line.as_mut().map(|line| std::mem::take(&mut line.queue)).unwrap_or_default()
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

    /// Sends everyone who waits, or comes later, away. Tells whether it was open.
    pub(super) fn close(&self) -> bool {
        if self.closed.swap(true, Ordering::SeqCst) {
            return false;
        }
        // Who queues up just now looks at `closed` after it has set `queued`: one of the two sees the other.
        if self.queued.load(Ordering::SeqCst) {
            let away = self.turns().send_away();
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
        turns.sharing == 0 && turns.holder.is_none() && turns.nobody_waits()
    }

    fn ask(&self, purpose: Purpose<G>) -> Answer<G> {
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
    fn hears(&self, number: u64) {
        if let Some(line) = &mut self.turns().line {
            line.unheard.retain(|unheard| *unheard != number);
        }
    }

    /// Whoever waited under `number` waits no more: it may have been let in without having heard of it, or those behind
    /// it may have been waiting for it alone.
    fn withdraw(&self, number: u64, shared: bool) {
        let mut turns = self.turns();
        if let Some(line) = &mut turns.line {
            match line.unheard.iter().position(|unheard| *unheard == number) {
                Some(at) => {
                    line.unheard.swap_remove(at);
                    turns.let_out(shared);
                }
                None => line.queue.retain(|queued| queued.number != number),
            }
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
pub(crate) trait Gate: Sized + Send + Sync {
    fn turnstile(&self) -> &Turnstile<Self>;
    fn label(&self) -> &Label;
    fn turn_timeout(&self) -> Duration;

    /// The error of whatever comes to a gate that is closed.
    fn closed_error(&self) -> Error {
        Error::new(ErrorKind::FrameClosed, format!("the block {} that this belongs to has ended", self.label()))
    }
}

/// A turn that must be waited for: taken, once this is ready.
pub(super) type Wait<'g> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'g>>;

/// Takes a turn at `gate`, or the place in the queue that is given back; a turn that was taken is given up by
/// [`Turnstile::leave`]. It is no `async fn`, as nearly every turn is free, and all who ask would carry the wait.
///
/// # Errors
/// `FrameClosed` if the frame has ended. When it is waited for also `TurnTimeout` if the turn did not come, `NoRuntime` if
/// it would have to be waited for outside a runtime.
///
/// # Cancel safety
/// Dropped while it waits, it leaves the queue and no trace.
#[inline]
pub(super) fn enter<G: Gate>(gate: &G, purpose: Purpose<G>) -> Result<Option<Wait<'_>>, Error> {
    match gate.turnstile().ask(purpose) {
        Answer::Taken => Ok(None),
        Answer::Closed => Err(gate.closed_error()),
        Answer::Later { purpose, number, told } => {
            let place = Place { stile: gate.turnstile(), number, shared: purpose.is_shared(), left: false };
            Ok(Some(Box::pin(wait(gate, purpose, place, told))))
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
        if let Some(wait) = enter(&*gate, purpose)? {
            wait.await?;
        }
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
