//! Drivers: one server session each, behind one small trait. A driver knows how to run a statement together with the
//! steps that are owed ahead of it, and what an error means for the transaction. It knows no pool, no frames, no models.
//!
//! The contract, for whoever writes one:
//!
//! * [`Connection::run`] MUST call [`Flight::take`] for each flight, and put the owed steps on the wire ahead of the
//!   statement, in one flight where the protocol allows it. It MUST NOT tell the success of a statement before it
//!   knows that the steps ahead of it succeeded.
//! * A future that is dropped MUST leave the connection in a state that [`Connection::state`] tells: never idle while
//!   an answer is outstanding.
//! * [`Connection::state`] MUST NOT make a round trip.
//! * A statement whose [`SessionEffect`](crate::sql::statement::SessionEffect) is not `None`, and whatever else the protocol
//!   tells of a session that was changed, MUST leave the connection in [`State::NeedsReset`] until a last `Rollback` outside
//!   a transaction has reset it, or in [`State::Broken`].
//! * After [`Connection::cancel`] is through, no later statement can be hit by that cancellation.
//! * A driver SHOULD run statements of several tasks concurrently where its protocol pipelines, and queue them elsewhere.

mod capabilities;
#[cfg(all(feature = "tls", any(feature = "postgres", feature = "mysql")))]
mod certificates;
#[cfg(any(feature = "sqlite", feature = "mysql"))]
mod chunks;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod detached;
mod dialect;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod quoted;
mod random;
mod reader;
#[cfg(all(feature = "tls", feature = "postgres"))]
mod self_signed;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod session_mark;
mod sessions;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod url;

use std::{any::Any, fmt::Debug, sync::Arc, time::Duration};

use futures_util::{
    future::{BoxFuture, Either, Ready},
    stream::BoxStream,
};

pub use self::dialect::Dialect;
pub(crate) use self::{
    capabilities::Capabilities,
    random::random,
    reader::Reader,
    sessions::{SessionToken, SessionTracker},
};
use crate::{
    data::{row::Row, value::Value},
    error::{Error, ErrorKind},
    transaction::{
        control::Control,
        impact::{CancelScope, DriverError},
        owed::Flight,
    },
};

/// How many bytes of text the prepared statements of one connection may have together. What a statement costs beside its
/// text grows with that, here and at the server.
const CACHE_BYTES: usize = 4 << 20;

/// A statement with a longer text is prepared, run and closed, so that it drives out no others.
const LONGEST_CACHED: usize = CACHE_BYTES / 8;

/// A statement with its parameters, as drivers take it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'q> {
    pub(crate) sql: &'q str,
    pub(crate) params: &'q [Value],
    /// With [`Want::Rows`]: who reads the rows as they come. A driver hands over what it has read whenever it likes; what
    /// it keeps to the end is part of its answer.
    pub(crate) reader: Option<&'q Arc<dyn Reader>>,
}

impl<'q> Query<'q> {
    pub(crate) fn new(sql: &'q str, params: &'q [Value]) -> Self {
        Self { sql, params, reader: None }
    }
}

/// The error of a statement that was given more parameters than it takes, or fewer.
fn wrong_count(given: usize, takes: usize) -> Error {
    let noun = if takes == 1 { "parameter" } else { "parameters" };
    let verb = if given == 1 { "was" } else { "were" };
    Error::new(ErrorKind::Parameter, format!("the statement takes {takes} {noun}, {given} {verb} given"))
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
/// The error of whatever has left a transaction open outside any block, where nobody could commit it.
fn left_open() -> DriverError {
    let text = "a transaction was left open outside any block; it was rolled back";
    DriverError::harmless(Error::new(ErrorKind::RolledBack, text))
}

/// What is wanted of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// How many rows it affected.
    Count,
    /// All its rows.
    Rows,
    /// Its rows one by one, with flat memory.
    Stream,
    /// The text holds several statements and takes no parameters; nothing of their results is wanted.
    Batch,
}

/// What came of a statement.
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// With [`Want::Stream`] only.
    pub(crate) stream: Option<BoxStream<'static, Result<Row, DriverError>>>,
    pub(crate) affected: u64,
    /// The row id of the last insert, on databases that tell it so.
    pub(crate) last_insert_id: Option<i64>,
}

impl Answer {
    pub(crate) fn count(affected: u64) -> Self {
        Self { rows: Vec::new(), stream: None, affected, last_insert_id: None }
    }

    pub(crate) fn rows(rows: Vec<Row>, affected: u64) -> Self {
        Self { rows, ..Self::count(affected) }
    }

    pub(crate) fn stream(stream: BoxStream<'static, Result<Row, DriverError>>) -> Self {
        Self { stream: Some(stream), ..Self::count(0) }
    }
}

/// What a connection is up to, as far as the client knows without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No transaction is open and nothing is outstanding: it may go to the next user.
    Idle,
    /// A transaction is open.
    Transaction,
    /// The session may have been changed, by a statement or by the native client: it is not for others before a reset.
    NeedsReset,
    /// An answer is outstanding.
    Busy,
    /// It is of no more use.
    Broken,
}

/// The work of a connection: done by the call itself where nothing had to be waited for, or else still to be awaited.
pub(crate) type Running<'a, T> = Either<Ready<Result<T, DriverError>>, BoxFuture<'a, Result<T, DriverError>>>;

/// One session at a server. What it is asked for MUST be asked for by the task that awaits it, in the poll that does.
pub(crate) trait Connection: Debug + Send + Sync + 'static {
    /// Runs a statement, behind the steps that its flight takes along.
    fn run<'a>(&'a self, flight: &'a dyn Flight, query: Query<'a>, want: Want) -> Running<'a, Answer>;

    /// Sends control steps on their own. A last `Rollback` leaves the connection idle from whatever state it was in,
    /// or fails; a last `Commit` succeeds only if the server has committed.
    fn control<'a>(&'a self, flight: &'a dyn Flight, steps: &'a [Control]) -> Running<'a, ()>;

    /// Asks the server to stop what it is at, and waits until it has.
    fn cancel(&self, scope: CancelScope) -> BoxFuture<'static, ()>;

    /// What the connection is up to.
    fn state(&self) -> State;

    /// How long [`cancel`](Self::cancel) may take before the connection is given up.
    fn cancel_timeout(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// The user of the connection is gone, and what is open on it is about to be rolled back.
    fn abandon(&self) {}

    /// The driver's own type, for the calls that lend the native client.
    fn native(&self) -> &(dyn Any + Send + Sync);
}

/// Makes connections to one database.
pub(crate) trait Driver: Debug + Send + Sync + 'static {
    /// Connects, within `wait` to each server that there is a choice of. Cancel-safe: dropped, it leaves no session behind.
    /// The token MUST be kept until the client has said goodbye, and as far as it can see, until the server has ended the
    /// session.
    fn connect(&self, wait: Duration, session: SessionToken) -> BoxFuture<'_, Result<Box<dyn Connection>, Error>>;

    /// Where the servers are that there is a choice of, in words: `host:port`. Nothing where there is no server.
    fn servers(&self) -> &[String] {
        &[]
    }

    /// Waits until the server no longer lists these sessions, which the client has left.
    fn ended<'a>(&'a self, _sessions: &'a [u64]) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// How the database speaks.
    fn dialect(&self) -> Dialect;

    /// How long connecting may take, if the URL tells.
    fn connect_timeout(&self) -> Option<Duration> {
        None
    }

    /// Whether connections may be closed and made anew at will. An in-memory database lives in its one connection.
    fn is_shared(&self) -> bool {
        true
    }
}
