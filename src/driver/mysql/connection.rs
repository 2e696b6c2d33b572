//! One session at a MySQL or MariaDB server: one command at a time. A command that was begun is always read to its end,
//! by a task of its own if its caller was dropped: so the connection stays usable, and its transaction alive.

use std::{
    any::Any,
    fmt, mem,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    StreamExt as _, TryStreamExt as _,
    future::{BoxFuture, Either, select},
};
use mysql_async::{Conn, Opts, Value};
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

use super::{
    classify,
    command::Command,
    errand::{self, Errand, Turn},
    kill::Killer,
    known::{Known, Shown},
    placeholders::{self, Text},
    prepared::Wanted,
    server::Server,
    session::Session,
    texts::Texts,
    values,
    wire::Wire,
};
use crate::{
    driver::{Answer, Connection, Query, Running, SessionToken, State, Want, chunks::chunks},
    error::{Error, ErrorKind},
    sql::statement::SessionEffect,
    transaction::{
        control::{Control, Steps},
        impact::{CancelScope, DriverError, Impact},
        owed::Flight,
    },
};

/// A connection to MySQL or MariaDB.
pub(crate) struct MysqlConnection {
    wire: Arc<tokio::sync::Mutex<Wire>>,
    /// The command under way, or the last one.
    errand: Arc<Mutex<Option<Arc<Errand>>>>,
    /// Counts the turns, so that a cancellation goes to nobody but its own.
    turns: Arc<AtomicU64>,
    shown: Arc<Shown>,
    /// Whether the server was asked to end the session, as it would not end a statement.
    is_given_up: Arc<AtomicBool>,
    killer: Killer,
    /// The runtime that the socket lives on: commands go on there that nobody waits for any more.
    runtime: Handle,
}

/// How long the rest of a dropped stream may take before the server is asked to end it.
const GRACE: Duration = Duration::from_millis(10);

/// How long a statement may take to end that the server was asked to end, if its session need not live on.
const PATIENCE: Duration = Duration::from_millis(300);

/// The same where a transaction is to live on.
const SPARING_PATIENCE: Duration = Duration::from_secs(5);

impl MysqlConnection {
    /// A connection just made, on the runtime it was made on.
    pub(super) fn new(conn: Conn, session: SessionToken, opts: Opts, server: Server, texts: Texts) -> Self {
        let shown = Arc::new(Shown::new(Known::Idle));
        let id = conn.id();
        Self {
            wire: Arc::new(tokio::sync::Mutex::new(Wire::new(
                Session::new(conn, session, &shown),
                Arc::clone(&shown),
                server,
                texts,
            ))),
            errand: Arc::default(),
            turns: Arc::default(),
            shown,
            is_given_up: Arc::default(),
            killer: Killer::new(opts, id),
            runtime: Handle::current(),
        }
    }

    async fn turn(&self) -> Result<Turn, DriverError> {
        if self.is_given_up.load(Ordering::Acquire) {
            return Err(classify::lost());
        }
        if self.shown.is_cut_off() {
            return Err(classify::lost_idle());
        }
        let turn = Arc::clone(&self.wire).lock_owned().await;
        self.turns.fetch_add(1, Ordering::AcqRel);
        match self.shown.get() {
            Known::Idle | Known::Transaction | Known::Gone => Ok(turn),
            Known::Unknown | Known::Lost => Err(classify::lost_idle()),
        }
    }

    /// Carries a command out to its end, whoever waits for it. The turn comes back, unless a cancellation has seen the
    /// command through, and taken the turn of somebody who did not come for it.
    async fn carry_out(&self, turn: Turn, command: Command) -> Result<(Answer, Option<Turn>), DriverError> {
        let (errand, begun) = errand::begin(command.carry_out(turn), &self.runtime);
        *self.errand.lock().unwrap_or_else(PoisonError::into_inner) = Some(errand);
        let (result, turn) = begun.await.ok_or_else(classify::lost)?;
        result.map(|answer| (answer, turn))
    }

    async fn run(&self, flight: &dyn Flight, query: Query<'_>, want: Want) -> Result<Answer, DriverError> {
        if want == Want::Batch && placeholders::is_empty(query.sql) {
            // The server takes it for an error.
            return Ok(Answer::count(0));
        }
        let mut turn = self.turn().await?;
        let bound = bound(&mut turn, query, want);
        let (text, params) = bound.map_err(|error| DriverError::harmless(error.with_statement(query.sql)))?;
        let sent = self.send(turn, flight, query, (&text, params), want).await;
        let mut answer = sent.map_err(|fault| as_given(fault, &text, query.sql))?;
        let given: Box<str> = query.sql.into();
        answer.stream = answer.stream.map(|rows| rows.map_err(move |fault| as_given(fault, &text, &given)).boxed());
        Ok(answer)
    }

    async fn send(
        &self,
        mut turn: Turn,
        flight: &dyn Flight,
        query: Query<'_>,
        (text, params): (&Arc<Text>, Vec<Value>),
        want: Want,
    ) -> Result<Answer, DriverError> {
        let text = Arc::clone(text);
        if !flight.needs_transaction() && self.shown.get() == Known::Idle && turn.has_lain_idle() {
            turn = self.still_there(turn).await?;
        }
        let rides = want == Want::Batch || (want == Want::Count && params.is_empty() && text.order.is_none());
        // What rode behind BEGIN could not be sent again, should the connection have died: so BEGIN tries it out.
        let mut is_doubtful = rides && self.shown.get() == Known::Idle && turn.has_lain_idle();
        loop {
            let steps = take(flight, &[])?;
            if rides
                && turn.server.takes_together(&steps, &text.sql)
                && (steps.is_empty() || !mem::take(&mut is_doubtful))
            {
                let command = Command::Text { steps: Box::new(steps), tail: Some(text) };
                return self.carry_out(turn, command).await.map(|(answer, _)| answer);
            }
            if steps.is_empty() {
                break;
            }
            let worked = self.carry_out(turn, Command::Text { steps: Box::new(steps), tail: None }).await?;
            let gone =
                || DriverError::harmless(Error::new(ErrorKind::FrameClosed, "the block of the statement has ended"));
            turn = worked.1.ok_or_else(gone)?;
        }
        if want == Want::Stream {
            return Ok(self.stream(turn, text, params));
        }
        let wanted = Wanted { want, reader: query.reader.cloned() };
        self.carry_out(turn, Command::Prepared { text, params, wanted }).await.map(|(answer, _)| answer)
    }

    /// Outside a transaction nothing may be sent twice, so that it must not be sent to a server that is gone.
    async fn still_there(&self, turn: Turn) -> Result<Turn, DriverError> {
        match self.carry_out(turn, Command::Ping).await {
            Ok((_, Some(turn))) => Ok(turn),
            _ => Err(classify::lost_idle()),
        }
    }

    fn stream(&self, mut turn: Turn, text: Arc<Text>, params: Vec<Value>) -> Answer {
        let (rows, taken) = chunks();
        let (tell, told) = oneshot::channel();
        let (unwanted, killer) = (rows.unwanted(), self.killer.clone());
        tokio::spawn(async move {
            let mut is_killed = false;
            let result = {
                let mut work = pin!(turn.stream(&text, params, rows));
                match select(work.as_mut(), pin!(unwanted)).await {
                    Either::Left((result, _)) => result,
                    Either::Right(_) => match timeout(GRACE, work.as_mut()).await {
                        Ok(result) => result,
                        Err(_elapsed) => {
                            is_killed = true;
                            killer.end(work, || true, SPARING_PATIENCE).await.ok_or_else(classify::lost).flatten()
                        }
                    },
                }
            };
            match &result {
                // A KILL may still be on its way.
                Err(fault) if is_killed && fault.impact == Impact::Connection => turn.shown.set(Known::Lost),
                _ if is_killed => turn.absorb_kill().await,
                _ => {}
            }
            let result = turn.settled(result.map(|()| Answer::count(0)), &text.sql).await.map(drop);
            drop(turn);
            // Nobody may wait for it any more.
            let _ = tell.send(result);
        });
        Answer::stream(taken.stream(async { told.await.unwrap_or_else(|_gone| Err(classify::lost())) }))
    }

    async fn commit(&self, flight: &dyn Flight, steps: &[Control]) -> Result<(), DriverError> {
        let turn = self.turn().await?;
        let steps = take(flight, steps)?;
        if self.shown.get() != Known::Transaction {
            let error = Error::new(ErrorKind::RolledBack, "the transaction had ended before its COMMIT");
            return Err(DriverError::new(
                Impact::Transaction,
                turn.cause().map_or(error.clone(), |cause| error.with_source(cause)),
            ));
        }
        match self.carry_out(turn, Command::Commit(steps)).await {
            Ok(_) => Ok(()),
            Err(fault) if fault.impact == Impact::Connection => {
                let text = "the connection broke during COMMIT: whether the transaction was committed is not known";
                Err(DriverError { error: Error::new(ErrorKind::CommitUnknown, text).with_source(fault.error), ..fault })
            }
            Err(fault) => Err(fault),
        }
    }

    async fn rollback(&self, flight: &dyn Flight) -> Result<(), DriverError> {
        let turn = self.turn().await?;
        take(flight, &[])?;
        // On a pinned connection the transaction alone ends: the session is its owner's still.
        let is_idle = self.shown.get() == Known::Idle;
        let effect = if is_idle { self.shown.mark().get() } else { SessionEffect::None };
        self.carry_out(turn, Command::Rollback { effect }).await.map(drop)
    }

    /// Rolls back what the native client has left open outside any block.
    ///
    /// # Errors
    /// `RolledBack` if there was anything.
    pub(crate) async fn end_left_open(&self) -> Result<(), DriverError> {
        // An error may have been the last answer, which tells nothing of the transaction.
        self.carry_out(self.turn().await?, Command::Ping).await.map(drop)
    }

    /// Lends the native connection for as long as the returned value lives.
    pub(crate) async fn lend(&self) -> Result<Lent, DriverError> {
        let turn = self.turn().await?;
        self.shown.mark().note(SessionEffect::Reset);
        Ok(Lent(turn))
    }

    /// Whether a lent connection has not been given back.
    pub(crate) fn is_lent(&self) -> bool {
        self.wire.try_lock().is_err()
    }
}

/// The native connection, lent.
pub(crate) struct Lent(Turn);

impl Lent {
    pub(crate) fn native(&self) -> &Conn {
        self.0.native()
    }

    pub(crate) fn native_mut(&mut self) -> &mut Conn {
        self.0.native_mut()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Whatever was done, the flags of its last answer tell; a command that was dropped half-way has broken it.
        self.0.look_after_loan();
    }
}

/// A statement as it is sent, with its parameters in the order of their placeholders.
///
/// # Errors
/// What is found without asking the server: parameters that do not fit, and what is too large for it.
fn bound(wire: &mut Wire, query: Query<'_>, want: Want) -> Result<(Arc<Text>, Vec<Value>), Error> {
    if want == Want::Batch {
        wire.server.check_text(query.sql.len())?;
        return Ok((Arc::new(Text::whole(query.sql)), Vec::new()));
    }
    let text = wire.texts.get(query.sql, query.params)?;
    let params = values::bound(query.params, text.order.as_deref())?;
    wire.server.check(&text.sql, &params)?;
    Ok((text, params))
}

/// The owed steps, and more. Whoever has the turn is alone with the connection: they go out in this very poll.
fn take(flight: &dyn Flight, more: &[Control]) -> Result<Steps, DriverError> {
    let mut steps = flight.take().map_err(DriverError::harmless)?.into_steps();
    steps.extend(more.iter().cloned());
    Ok(steps)
}

/// The caller knows the statement by its own text.
fn as_given(fault: DriverError, text: &Text, given: &str) -> DriverError {
    match fault.error.statement() {
        Some(sent) if *sent == *text.sql => DriverError { error: fault.error.with_statement(given), ..fault },
        _ => fault,
    }
}

impl Connection for MysqlConnection {
    fn run<'a>(&'a self, flight: &'a dyn Flight, query: Query<'a>, want: Want) -> Running<'a, Answer> {
        Either::Right(Box::pin(Self::run(self, flight, query, want)))
    }

    fn control<'a>(&'a self, flight: &'a dyn Flight, steps: &'a [Control]) -> Running<'a, ()> {
        // Each boxed by itself, as a box that could hold any of them costs much more.
        Either::Right(match steps.last() {
            Some(Control::Commit) => Box::pin(self.commit(flight, steps)),
            Some(Control::Rollback) => Box::pin(self.rollback(flight)),
            _ => Box::pin(async move {
                let turn = self.turn().await?;
                let steps = take(flight, steps)?;
                if steps.is_empty() {
                    return Ok(());
                }
                self.carry_out(turn, Command::Text { steps: Box::new(steps), tail: None }).await.map(|_| ())
            }),
        })
    }

    fn cancel(&self, sparing: CancelScope) -> BoxFuture<'static, ()> {
        let is_given_up = Arc::clone(&self.is_given_up);
        let (wire, killer, turns) = (Arc::clone(&self.wire), self.killer.clone(), Arc::clone(&self.turns));
        let errand = Arc::clone(&self.errand);
        Box::pin(async move {
            let seen = turns.load(Ordering::Acquire);
            let is_same = || turns.load(Ordering::Acquire) == seen;
            let free = Arc::clone(&wire).try_lock_owned();
            let mut turn = match free {
                Ok(turn) => turn,
                Err(_taken) => {
                    let under_way = errand.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let over = async {
                        let left = match under_way {
                            Some(errand) => errand.see_through(is_same).await,
                            None => None,
                        };
                        match left {
                            Some(turn) => turn,
                            None => wire.lock_owned().await,
                        }
                    };
                    let patience = if sparing == CancelScope::Nothing { PATIENCE } else { SPARING_PATIENCE };
                    let Some(turn) = killer.end(over, is_same, patience).await else {
                        is_given_up.store(true, Ordering::Release);
                        return;
                    };
                    turn
                }
            };
            turn.absorb_kill().await;
        })
    }

    fn state(&self) -> State {
        if self.is_given_up.load(Ordering::Acquire) || self.shown.is_cut_off() {
            return State::Broken;
        }
        if self.is_lent() {
            return State::Busy;
        }
        match self.shown.get() {
            Known::Unknown | Known::Lost => State::Broken,
            _ if self.shown.mark().is_set() => State::Handled,
            Known::Idle if !self.shown.has_locals() => State::Idle,
            Known::Idle | Known::Transaction | Known::Gone => State::Transaction,
        }
    }

    fn native(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

impl fmt::Debug for MysqlConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlConnection")
            .field("id", &self.killer.id())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
