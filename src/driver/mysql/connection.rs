//! [`MysqlConnection`]: one session at a MySQL or MariaDB server, one command at a time. A command that was begun is
//! always read to its end, by a task if its caller was dropped: the connection stays usable, and its transaction alive.

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
use mysql_async::{Conn, Value};
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

use super::{
    classify,
    command::Command,
    in_flight::{self, InFlight, WireGuard},
    kill::Killer,
    login::Login,
    placeholders,
    prepared::Wanted,
    server::Server,
    session::Session,
    session_status::{SessionStatus, StatusCell},
    statement::StatementText,
    statement_cache::StatementCache,
    values,
    wire::Wire,
};
use crate::{
    driver::{Answer, Connection, Query, Running, SessionToken, State, Want, chunks},
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
    pub(super) wire: Arc<tokio::sync::Mutex<Wire>>,
    /// The command under way, or the last one.
    in_flight: Arc<Mutex<Option<Arc<InFlight>>>>,
    /// Counts how often the wire was locked, so that a cancellation stops only the command that it was meant for.
    lock_count: Arc<AtomicU64>,
    pub(super) status: Arc<StatusCell>,
    /// Whether the server was asked to end the session, as it did not end a statement.
    is_session_killed: Arc<AtomicBool>,
    killer: Killer,
    /// The runtime of the socket. Commands whose owner was dropped go on there.
    runtime: Handle,
}

/// The time that the rest of a dropped stream may take before the server is asked to end it.
const GRACE: Duration = Duration::from_millis(10);

/// The time that a statement may take to end after a KILL QUERY, if its session need not survive.
const PATIENCE: Duration = Duration::from_millis(300);

/// The same where a transaction must survive.
const SPARING_PATIENCE: Duration = Duration::from_secs(10);

impl MysqlConnection {
    /// A new connection, on the current runtime.
    pub(super) fn new(
        conn: Conn,
        session: SessionToken,
        login: Login,
        server: Server,
        statements: StatementCache,
    ) -> Self {
        let status = Arc::new(StatusCell::new(SessionStatus::Idle));
        let id = conn.id();
        Self {
            wire: Arc::new(tokio::sync::Mutex::new(Wire::new(
                Session::new(conn, login.clone(), session, &status),
                Arc::clone(&status),
                server,
                statements,
            ))),
            in_flight: Arc::default(),
            lock_count: Arc::default(),
            status,
            is_session_killed: Arc::default(),
            killer: Killer::new(login, id),
            runtime: Handle::current(),
        }
    }

    pub(super) async fn lock(&self) -> Result<WireGuard, DriverError> {
        if self.is_session_killed.load(Ordering::Acquire) {
            return Err(classify::lost());
        }
        if self.status.is_runtime_gone() {
            return Err(classify::lost_idle());
        }
        let wire = Arc::clone(&self.wire).lock_owned().await;
        self.lock_count.fetch_add(1, Ordering::AcqRel);
        match self.status.get() {
            SessionStatus::Idle | SessionStatus::Transaction | SessionStatus::TransactionEnded => Ok(wire),
            SessionStatus::Unknown | SessionStatus::Lost => Err(classify::lost_idle()),
        }
    }

    /// Runs a command to its end. The guard comes back, unless a cancellation has run the command to its end and taken
    /// it.
    pub(super) async fn run_command(
        &self,
        wire: WireGuard,
        command: Command,
    ) -> Result<(Answer, Option<WireGuard>), DriverError> {
        let (in_flight, owner) = in_flight::begin(command.run(wire), &self.runtime);
        *self.in_flight.lock().unwrap_or_else(PoisonError::into_inner) = Some(in_flight);
        let (result, wire) = owner.await.ok_or_else(classify::lost)?;
        result.map(|answer| (answer, wire))
    }

    async fn run(&self, flight: &dyn Flight, query: Query<'_>, want: Want) -> Result<Answer, DriverError> {
        if want == Want::Batch && placeholders::is_empty(query.sql) {
            // The server would answer with an error.
            return Ok(Answer::count(0));
        }
        let mut wire = self.lock().await?;
        let bound = bound(&mut wire, query, want);
        let (text, params) = bound.map_err(|error| DriverError::harmless(error.with_statement(query.sql)))?;
        let sent = self.send(wire, flight, query, (&text, params), want).await;
        let mut answer = sent.map_err(|fault| as_given(fault, &text, query.sql))?;
        answer.stream = answer.stream.map(|rows| {
            let given: Box<str> = query.sql.into();
            rows.map_err(move |fault| as_given(fault, &text, &given)).boxed()
        });
        Ok(answer)
    }

    async fn send(
        &self,
        mut wire: WireGuard,
        flight: &dyn Flight,
        query: Query<'_>,
        (text, params): (&Arc<StatementText>, Vec<Value>),
        want: Want,
    ) -> Result<Answer, DriverError> {
        let text = Arc::clone(text);
        if !flight.needs_transaction() && self.status.get() == SessionStatus::Idle && wire.is_long_idle() {
            wire = self.check_alive(wire).await?;
        }
        let rides = want == Want::Batch || (want == Want::Count && params.is_empty() && text.order.is_none());
        // If the connection has died, a statement behind BEGIN in the same message could not be sent again: so BEGIN is
        // sent alone first.
        let mut is_doubtful = rides && self.status.get() == SessionStatus::Idle && wire.is_long_idle();
        loop {
            let steps = take(flight, &wire.server, &[])?;
            if rides
                && wire.server.takes_together(&steps, &text.sql)
                && (steps.is_empty() || !mem::take(&mut is_doubtful))
            {
                let command = Command::Text { steps: Box::new(steps), tail: Some(text) };
                return self.run_command(wire, command).await.map(|(answer, _)| answer);
            }
            if steps.is_empty() {
                break;
            }
            let worked = self.run_command(wire, Command::Text { steps: Box::new(steps), tail: None }).await?;
            let gone =
                || DriverError::harmless(Error::new(ErrorKind::FrameClosed, "the block of the statement has ended"));
            wire = worked.1.ok_or_else(gone)?;
        }
        if want == Want::Stream {
            return Ok(self.stream(wire, text, params));
        }
        let wanted = Wanted { want, reader: query.reader.cloned() };
        self.run_command(wire, Command::Prepared { text, params, wanted }).await.map(|(answer, _)| answer)
    }

    /// Checks that the server is there, as a statement outside a transaction must not be sent twice.
    async fn check_alive(&self, wire: WireGuard) -> Result<WireGuard, DriverError> {
        match self.run_command(wire, Command::Ping).await {
            Ok((_, Some(wire))) => Ok(wire),
            _ => Err(classify::lost_idle()),
        }
    }

    fn stream(&self, mut wire: WireGuard, text: Arc<StatementText>, params: Vec<Value>) -> Answer {
        let (rows, taken) = chunks::channel();
        let (tell, told) = oneshot::channel();
        let (unwanted, killer) = (rows.closed(), self.killer.clone());
        tokio::spawn(async move {
            let mut is_killed = false;
            let result = {
                let mut work = pin!(wire.stream(&text, params, rows));
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
                Err(fault) if is_killed && fault.impact == Impact::Connection => wire.status.set(SessionStatus::Lost),
                _ if is_killed => wire.absorb_kill().await,
                _ => {}
            }
            let result = wire.settled(result.map(|()| Answer::count(0)), &text.sql).await.map(drop);
            drop(wire);
            // The receiver may have been dropped.
            let _ = tell.send(result);
        });
        Answer::stream(taken.stream(async { told.await.unwrap_or_else(|_gone| Err(classify::lost())) }))
    }

    async fn commit(&self, flight: &dyn Flight, steps: &[Control]) -> Result<(), DriverError> {
        let wire = self.lock().await?;
        let steps = take(flight, &wire.server, steps)?;
        if self.status.get() != SessionStatus::Transaction {
            let error = Error::new(ErrorKind::RolledBack, "the transaction had ended before its COMMIT");
            return Err(DriverError::new(
                Impact::Transaction,
                wire.cause().map_or(error.clone(), |cause| error.with_source(cause)),
            ));
        }
        match self.run_command(wire, Command::Commit(steps)).await {
            Ok(_) => Ok(()),
            Err(fault) if fault.impact == Impact::Connection => {
                let text = "the connection broke during COMMIT: whether the transaction was committed is not known";
                Err(DriverError { error: Error::new(ErrorKind::CommitUnknown, text).with_source(fault.error), ..fault })
            }
            Err(fault) => Err(fault),
        }
    }

    async fn rollback(&self, flight: &dyn Flight) -> Result<(), DriverError> {
        let wire = self.lock().await?;
        take(flight, &wire.server, &[])?;
        // On a pinned connection only the transaction ends: the session still belongs to its owner.
        let is_idle = self.status.get() == SessionStatus::Idle;
        let effect = if is_idle { self.status.mark().get() } else { SessionEffect::None };
        self.run_command(wire, Command::Rollback { effect }).await.map(drop)
    }
}

/// A statement as it is sent, with its parameters in the order of their placeholders.
///
/// # Errors
/// What is found without asking the server: parameters that do not fit, and what is too large for it.
fn bound(wire: &mut Wire, query: Query<'_>, want: Want) -> Result<(Arc<StatementText>, Vec<Value>), Error> {
    if want == Want::Batch {
        wire.server.check_text(query.sql.len())?;
        return Ok((Arc::new(StatementText::whole(query.sql)), Vec::new()));
    }
    let text = wire.statements.get(query.sql, query.params)?;
    let params = values::bound(query.params, text.order.as_deref())?;
    wire.server.check(&text.sql, &params)?;
    Ok((text, params))
}

/// The owed steps, and `more`. The guard gives exclusive use of the connection: the steps are sent in this poll.
fn take(flight: &dyn Flight, server: &Server, more: &[Control]) -> Result<Steps, DriverError> {
    let mut steps = flight.take().map_err(DriverError::harmless)?.into_steps();
    steps.extend(more.iter().cloned());
    server.spell_times(&mut steps);
    Ok(steps)
}

/// An error names the statement by the caller's text.
fn as_given(fault: DriverError, text: &StatementText, given: &str) -> DriverError {
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
                let wire = self.lock().await?;
                let steps = take(flight, &wire.server, steps)?;
                if steps.is_empty() {
                    return Ok(());
                }
                self.run_command(wire, Command::Text { steps: Box::new(steps), tail: None }).await.map(|_| ())
            }),
        })
    }

    fn cancel(&self, scope: CancelScope) -> BoxFuture<'static, ()> {
        let is_session_killed = Arc::clone(&self.is_session_killed);
        let (wire, killer, lock_count) = (Arc::clone(&self.wire), self.killer.clone(), Arc::clone(&self.lock_count));
        let in_flight = Arc::clone(&self.in_flight);
        Box::pin(async move {
            let seen = lock_count.load(Ordering::Acquire);
            let is_same = || lock_count.load(Ordering::Acquire) == seen;
            let free = Arc::clone(&wire).try_lock_owned();
            let mut wire = match free {
                Ok(wire) => wire,
                Err(_taken) => {
                    let under_way = in_flight.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let over = async {
                        let left = match under_way {
                            Some(in_flight) => in_flight.finish(is_same).await,
                            None => None,
                        };
                        match left {
                            Some(wire) => wire,
                            None => wire.lock_owned().await,
                        }
                    };
                    let patience = if scope == CancelScope::Nothing { PATIENCE } else { SPARING_PATIENCE };
                    let Some(wire) = killer.end(over, is_same, patience).await else {
                        is_session_killed.store(true, Ordering::Release);
                        return;
                    };
                    wire
                }
            };
            wire.absorb_kill().await;
        })
    }

    fn state(&self) -> State {
        if self.is_session_killed.load(Ordering::Acquire) || self.status.is_runtime_gone() {
            return State::Broken;
        }
        if self.is_lent() {
            return State::Busy;
        }
        match self.status.get() {
            SessionStatus::Unknown | SessionStatus::Lost => State::Broken,
            _ if self.status.mark().is_set() => State::NeedsReset,
            SessionStatus::Idle if !self.status.has_locals() => State::Idle,
            SessionStatus::Idle | SessionStatus::Transaction | SessionStatus::TransactionEnded => State::Transaction,
        }
    }

    fn set_changed(&self, yes: bool) {
        if yes {
            self.status.mark().note(SessionEffect::Reset);
        } else {
            self.status.mark().clear();
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
