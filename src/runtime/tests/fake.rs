//! The recording session, and the calls by which tests open blocks and send statements, made as the database makes them.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, Weak},
    task::{Context as TaskContext, Poll, Waker},
    time::Duration,
};

use tokio::task::JoinHandle;

use super::{
    super::{
        Block, Context, Frame, FrameFlight, Origin, Scope, Session, SessionState, TaskLocal, ThreadContext, joined,
    },
    server::{Keys, Server, text},
};
use crate::{
    error::{Error, ErrorKind, ServerClass, ServerError},
    transaction::{
        control::{Control, Settings, Steps, Tally},
        impact::{DriverError, Impact},
    },
};

pub(super) const TURN_TIMEOUT: Duration = Duration::from_secs(7);

thread_local! {
    static CURRENT: ThreadContext<Fake> = const { Cell::new(None) };
}

pub(super) fn current() -> Option<Context<Fake>> {
    let context = CURRENT.take();
    CURRENT.set(context.clone());
    context
}

/// What is to go wrong with a flight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Injected {
    Fails(Impact),
    NeverAnswers,
    Panics,
}

#[derive(Debug, Default)]
struct State {
    server: Server,
    log: Vec<String>,
    faults: BTreeMap<usize, Injected>,
    flights: usize,
    /// After how many polls a flight is answered, the next flight's first; the last one stays.
    latency: usize,
    /// Flights that are not answered yet.
    outstanding: usize,
    tally: Tally,
    sessions: usize,
    released: Vec<usize>,
    frames: Vec<Weak<Frame<Fake>>>,
}

/// One database with its record.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder {
    database: usize,
    state: Arc<Mutex<State>>,
}

/// A session of it.
#[derive(Debug)]
pub(super) struct Fake {
    id: usize,
    recorder: Recorder,
}

impl Recorder {
    pub(super) fn of(database: usize) -> Self {
        Self { database, ..Self::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The `flight`th flight from now, counted from 0, goes wrong.
    pub(super) fn inject(&self, flight: usize, injected: Injected) {
        let mut state = self.state();
        let at = state.flights + flight;
        state.faults.insert(at, injected);
    }

    pub(super) fn set_latency(&self, polls: usize) {
        self.state().latency = polls;
    }

    pub(super) fn session(&self) -> Fake {
        let mut state = self.state();
        state.sessions += 1;
        state.server.dead = false;
        Fake { id: state.sessions, recorder: self.clone() }
    }

    /// What was sent and asked since the last call.
    pub(super) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    pub(super) fn committed(&self) -> Keys {
        self.state().server.committed().clone()
    }

    pub(super) fn tally(&self) -> Tally {
        self.state().tally
    }

    pub(super) fn flights(&self) -> usize {
        self.state().flights
    }

    /// Everything that must hold once all futures are gone: each session was released once, nothing was sent out of
    /// place, and no frame, nor a turn of one, is left.
    pub(super) fn assert_at_rest(&self) {
        let mut state = self.state();
        assert_eq!(state.server.wrong, Vec::<String>::new());
        state.released.sort_unstable();
        assert_eq!(state.released, (1..=state.sessions).collect::<Vec<_>>(), "releases of {} sessions", state.sessions);
        assert!(!state.server.is_open(), "a transaction is left open");
        assert_eq!(state.frames.iter().filter(|frame| frame.strong_count() > 0).count(), 0, "frames are left");
    }

    /// Marks the innermost block, or the root where a transaction was joined last.
    pub(super) fn mark(&self) -> Result<(), Error> {
        let context = current().unwrap_or_default();
        let frame = self.frame().expect("a block is open");
        frame.set_rollback_only(context.has_joined(&frame))
    }

    pub(super) fn frame(&self) -> Option<Arc<Frame<Fake>>> {
        current()?.innermost(self.database).cloned()
    }

    async fn open(&self) -> Result<Block<Fake>, Error> {
        let context = current().unwrap_or_default();
        let (frame, origin) = (context.innermost(self.database), Origin::default());
        let block = match frame.filter(|frame| frame.in_transaction()) {
            Some(parent) => Block::savepoint(&context, parent, None, origin)?.block().await?,
            None => Block::root(&context, frame, Settings::default(), origin, || self.session())?.block().await?,
        };
        self.watch(&block);
        Ok(block)
    }

    fn watch(&self, block: &Block<Fake>) {
        self.state().frames.push(Arc::downgrade(block.frame()));
    }

    pub(super) async fn atomic<T, Fut>(&self, body: impl FnOnce() -> Fut) -> Result<T, Error>
    where
        Fut: Future<Output = Result<T, Error>>,
    {
        run(self.open().await?, body).await
    }

    pub(super) async fn pinned<T, Fut>(&self, body: impl FnOnce() -> Fut) -> Result<T, Error>
    where
        Fut: Future<Output = Result<T, Error>>,
    {
        let block = Block::pin(&current().unwrap_or_default(), Origin::default(), self.session());
        self.watch(&block);
        run(block, body).await
    }

    pub(super) async fn joined<T>(&self, body: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let frame = self.frame().expect("a transaction is open");
        frame.check()?;
        joined(&current().unwrap_or_default(), &frame, || body).await
    }

    pub(super) async fn write(&self, key: u8) -> Result<(), Error> {
        self.statement(Some(key)).await
    }

    pub(super) async fn fail(&self) -> Result<(), Error> {
        self.statement(None).await
    }

    async fn statement(&self, key: Option<u8>) -> Result<(), Error> {
        let frame = self.frame().expect("a block is open");
        self.statement_in(&frame, key).await
    }

    pub(super) async fn write_in(&self, frame: &Arc<Frame<Fake>>, key: u8) -> Result<(), Error> {
        self.statement_in(frame, Some(key)).await
    }

    async fn statement_in(&self, frame: &Arc<Frame<Fake>>, key: Option<u8>) -> Result<(), Error> {
        let session = frame.session_state().session();
        let _turn = frame.statement().await?;
        let flight = FrameFlight::new(frame, frame.session_state().epoch());
        let sent = session.send(&flight.take()?, Some((key, frame.depth())));
        let result = sent.answer().await;
        flight.landed();
        result.map_err(|fault| frame.fail(fault))
    }
}

async fn run<T, Fut>(block: Block<Fake>, body: impl FnOnce() -> Fut) -> Result<T, Error>
where
    Fut: Future<Output = Result<T, Error>>,
{
    match Scope::make(block.context(), body).await {
        Ok(value) => {
            block.commit().await?;
            Ok(value)
        }
        Err(error) => {
            block.rollback().await;
            Err(error)
        }
    }
}

/// A flight on its way.
struct Sent {
    result: Result<(), DriverError>,
    latency: usize,
    injected: Option<Injected>,
    recorder: Recorder,
}

impl Sent {
    async fn answer(self) -> Result<(), DriverError> {
        match self.injected {
            Some(Injected::NeverAnswers) => std::future::pending().await,
            Some(Injected::Panics) => panic!("the session panics"),
            Some(Injected::Fails(_)) | None => {}
        }
        for _ in 0..self.latency {
            tokio::task::yield_now().await;
        }
        let mut state = self.recorder.state();
        state.outstanding = state.outstanding.saturating_sub(1);
        self.result
    }
}

impl Fake {
    /// Takes a flight: steps, and a statement of some depth that writes a key or fails.
    fn send(&self, steps: &[Control], statement: Option<(Option<u8>, u32)>) -> Sent {
        let mut state = self.recorder.state();
        let State { server, log, faults, flights, latency, outstanding, released, .. } = &mut *state;
        let injected = faults.get(flights).copied();
        *flights += 1;
        *outstanding += 1;
        if released.contains(&self.id) {
            server.wrong.push("something was sent after the release".into());
        }
        log.extend(steps.iter().map(text));
        log.extend(statement.map(|(key, _)| key.map_or("fail".into(), |key| format!("write {key}"))));
        let result = take(server, steps, statement, injected);
        Sent { result, latency: *latency, injected, recorder: self.recorder.clone() }
    }
}

fn take(
    server: &mut Server,
    steps: &[Control],
    statement: Option<(Option<u8>, u32)>,
    injected: Option<Injected>,
) -> Result<(), DriverError> {
    let impact = match injected {
        _ if server.dead => Some(Impact::Connection),
        _ if server.gone && !steps.contains(&Control::Rollback) => Some(Impact::Transaction),
        Some(Injected::Fails(impact)) => Some(impact),
        Some(Injected::NeverAnswers | Injected::Panics) | None => None,
    };
    if matches!(impact, None | Some(Impact::None | Impact::Block | Impact::Refused | Impact::GivenUp)) {
        // What ends a transaction fails as a whole: a COMMIT by rolling back, a ROLLBACK by doing nothing.
        match steps.last() {
            Some(Control::Commit) if impact.is_some() => server.roll_back(),
            Some(Control::Rollback) if impact.is_some() => {}
            _ => steps.iter().for_each(|step| server.control(step)),
        }
    }
    let Some(impact) = impact else {
        let Some((key, depth)) = statement else { return Ok(()) };
        return server.statement(key, depth).map_err(|(impact, code)| DriverError::new(impact, server_error(code)));
    };
    match impact {
        Impact::None | Impact::GivenUp => {}
        Impact::Block | Impact::Refused => server.abort(),
        Impact::Transaction => {
            server.roll_back();
            server.gone = !matches!(steps.last(), Some(Control::Commit | Control::Rollback));
        }
        Impact::Connection | Impact::NotSent => server.die(),
    }
    Err(DriverError::new(impact, Error::new(ErrorKind::Server, format!("{impact:?} by request"))))
}

fn server_error(code: &str) -> Error {
    Error::server("the statement failed", ServerError::of(code, ServerClass::Other))
}

impl TaskLocal for Fake {
    fn with_thread_context<T>(lend: impl FnOnce(&ThreadContext<Self>) -> T) -> Option<T> {
        CURRENT.try_with(lend).ok()
    }
}

impl Session for Fake {
    fn database(&self) -> usize {
        self.recorder.database
    }

    fn turn_timeout(&self) -> Duration {
        TURN_TIMEOUT
    }

    fn pipelines(&self) -> bool {
        true
    }

    fn is_at_work(&self) -> bool {
        self.recorder.state().outstanding > 0
    }

    fn undoes_settings(&self) -> bool {
        true
    }

    async fn finish(session_state: Arc<SessionState<Self>>, steps: Steps) -> Result<(), DriverError> {
        let sent = {
            let _owed = session_state.take_nothing().map_err(DriverError::harmless)?;
            session_state.session().send(&steps, None)
        };
        sent.answer().await
    }

    fn interrupt(&self, _: crate::transaction::impact::CancelScope) {
        let mut state = self.recorder.state();
        if std::mem::take(&mut state.outstanding) > 0 {
            state.log.push("interrupt".into());
        }
    }

    fn release(&self) -> Option<JoinHandle<()>> {
        let mut state = self.recorder.state();
        let open = if state.server.is_open() { "release, rolled back" } else { "release" };
        state.log.push(open.into());
        state.released.push(self.id);
        state.server.roll_back();
        None
    }

    fn count(&self, tally: Tally) {
        let Tally { owed, cancelled, sent } = tally;
        let mut state = self.recorder.state();
        state.tally.owed += owed;
        state.tally.cancelled += cancelled;
        state.tally.sent += sent;
    }
}

/// Polls a future once, with a waker that does nothing.
pub(super) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut TaskContext::from_waker(Waker::noop()))
}

/// Polls a future up to `polls` times, and drops it; its output if it had one by then.
pub(super) async fn poll_and_drop<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        if let Poll::Ready(out) = poll_once(&mut future) {
            return Some(out);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Lets tasks that were spawned run to their end, as far as nothing holds them.
pub(super) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
