//! Drivers: each is one server session behind a small trait. A driver runs a statement together with the control steps
//! that are owed ahead of it, and tells what an error means for the transaction. It knows no pool, no frames, no
//! models.
//!
//! The contract of a driver:
//!
//! * [`Connection::run`] MUST call [`Flight::take`] for each flight, and send the owed steps ahead of the statement, in
//!   one message or group where the protocol allows it. It MUST NOT report success of a statement before it knows that
//!   the steps ahead of it succeeded.
//! * A future that is dropped MUST leave the connection in a state that [`Connection::state`] reports: never idle while
//!   an answer is outstanding.
//! * [`Connection::state`] MUST NOT make a round trip.
//! * A statement whose [`SessionEffect`](crate::sql::statement::SessionEffect) is not `None`, and any other change of
//!   the session that the protocol reports, MUST leave the connection in [`State::NeedsReset`] until a last `Rollback`
//!   outside a transaction has reset it, or in [`State::Broken`].
//! * After [`Connection::cancel`] has returned, no later statement can be hit by that cancellation.
//! * A driver SHOULD run statements of several tasks concurrently where its protocol pipelines, and queue them
//!   elsewhere.

mod capabilities;
#[cfg(all(feature = "tls", any(feature = "postgres", feature = "mysql")))]
mod certificates;
#[cfg(any(feature = "sqlite-system", feature = "mysql"))]
mod chunks;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod detached;
mod dialect;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
mod notification;
mod parts;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(any(feature = "sqlite-system", feature = "postgres", feature = "mysql"))]
mod quoted;
mod random;
mod reader;
#[cfg(all(feature = "tls", feature = "postgres"))]
mod self_signed;
mod server_limits;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod session_mark;
mod sessions;
#[cfg(feature = "sqlite-system")]
pub(crate) mod sqlite;
mod times;
#[cfg(any(feature = "sqlite-system", feature = "postgres", feature = "mysql"))]
mod url;

use std::{any::Any, fmt::Debug, sync::Arc, time::Duration};

use futures_util::{
    future::{BoxFuture, Either, Ready},
    stream::BoxStream,
};

#[cfg(feature = "mysql")]
pub(crate) use self::times::{IDLE_TIME, STATEMENT_TIME};
pub(crate) use self::{
    capabilities::Capabilities,
    notification::Notifications,
    parts::{ConnectParts, PasswordSource},
    random::random,
    reader::Reader,
    sessions::{SessionToken, SessionTracker},
};
pub use self::{
    dialect::Dialect,
    notification::Notification,
    parts::{TlsMode, TlsRoots},
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

/// The bytes of text that the prepared statements of one connection may have together. The other costs of a statement
/// grow with its text, here and at the server.
const CACHE_BYTES: usize = 4 << 20;

/// A statement with a longer text is prepared, run and closed, so that it evicts no others.
const LONGEST_CACHED: usize = CACHE_BYTES / 8;

/// A statement with its parameters, as drivers take it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'q> {
    pub(crate) sql: &'q str,
    pub(crate) params: &'q [Value],
    /// With [`Want::Rows`]: reads the rows while they are received. A driver hands over rows whenever it likes; rows
    /// that it keeps to the end are part of its answer.
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

#[cfg(any(feature = "sqlite-system", feature = "postgres", feature = "mysql"))]
/// The error of a transaction that was left open outside any block, where nothing could commit it.
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

/// The answer to a statement.
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// With [`Want::Stream`] only.
    pub(crate) stream: Option<BoxStream<'static, Result<Row, DriverError>>>,
    pub(crate) affected: u64,
    /// The row id of the last insert, on databases that report it.
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

/// The state of a connection, as far as the client knows it without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No transaction is open and nothing is outstanding: the next user may get it.
    Idle,
    /// A transaction is open.
    Transaction,
    /// The session may have been changed, by a statement or through the native client: it must be reset before its next
    /// user.
    NeedsReset,
    /// An answer is outstanding.
    Busy,
    /// It cannot be used any more.
    Broken,
}

/// The result of a call: ready if nothing had to be waited for, otherwise a future.
pub(crate) type Running<'a, T> = Either<Ready<Result<T, DriverError>>, BoxFuture<'a, Result<T, DriverError>>>;

/// One session at a server. A call MUST be made by the task that awaits it, in the poll that does.
pub(crate) trait Connection: Debug + Send + Sync + 'static {
    /// Runs a statement, behind the steps that its flight owes.
    fn run<'a>(&'a self, flight: &'a dyn Flight, query: Query<'a>, want: Want) -> Running<'a, Answer>;

    /// Sends control steps alone. A last `Rollback` leaves the connection idle whatever state it was in, or fails; a
    /// last `Commit` succeeds only if the server has committed.
    fn control<'a>(&'a self, flight: &'a dyn Flight, steps: &'a [Control]) -> Running<'a, ()>;

    /// Cancels what runs on the connection, and waits until it has ended.
    fn cancel(&self, scope: CancelScope) -> BoxFuture<'static, ()>;

    /// The state of the connection.
    fn state(&self) -> State;

    /// Whether a statement waits for a lock now, as far as this process knows: SQLite.
    fn waits_for_lock(&self) -> bool {
        false
    }

    /// The time that [`cancel`](Self::cancel) may take before the connection is given up.
    fn cancel_timeout(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// Says whether the session counts as changed from what each user expects: then it is in [`State::NeedsReset`], whatever
    /// its statements say. A server's session MUST support it.
    fn set_changed(&self, _yes: bool) {}

    /// Tells that the user of the connection is gone and a rollback follows.
    fn abandon(&self) {}

    /// The driver's own type, for the calls that lend the native client.
    fn native(&self) -> &(dyn Any + Send + Sync);
}

/// Makes connections to one database.
pub(crate) trait Driver: Debug + Send + Sync + 'static {
    /// Connects; `wait` is the time for each server of the URL. Cancel-safe: dropped, it leaves no session behind. The
    /// token MUST be kept until the client has closed the session, and as far as the client can see, until the server
    /// has ended it.
    fn connect(&self, wait: Duration, session: SessionToken) -> BoxFuture<'_, Result<Box<dyn Connection>, Error>>;

    /// The servers of the URL, as `host:port`; empty where there is no server.
    fn servers(&self) -> &[String] {
        &[]
    }

    /// A session that listens to these channels, with nothing missed from here on.
    ///
    /// # Errors
    /// `Unsupported` where there are no notifications.
    fn listen<'a>(
        &'a self,
        _wait: Duration,
        _session: SessionToken,
        _channels: &'a [String],
    ) -> BoxFuture<'a, Result<Notifications, Error>> {
        let text = "this database has no notifications: LISTEN is PostgreSQL's";
        Box::pin(std::future::ready(Err(Error::new(ErrorKind::Unsupported, text))))
    }

    /// Waits until the server no longer lists these sessions, which the client has closed.
    fn ended<'a>(&'a self, _sessions: &'a [u64]) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// The SQL dialect of the database.
    fn dialect(&self) -> Dialect;

    /// The product, as OpenTelemetry's conventions name it, as far as it is known.
    fn system_name(&self) -> &'static str {
        match self.dialect() {
            Dialect::Postgres => "postgresql",
            Dialect::Mysql => "mysql",
            Dialect::Sqlite => "sqlite",
        }
    }

    /// The database at its server, or its file.
    fn namespace(&self) -> Option<&str> {
        None
    }

    /// The connect timeout of the URL, if it has one.
    fn connect_timeout(&self) -> Option<Duration> {
        None
    }

    /// Whether a connection is a session of its own, as far as the URL tells, rather than one for each transaction by a pooler.
    fn keeps_sessions(&self) -> bool {
        true
    }

    /// Whether connections may be closed and reopened at will. An in-memory database lives in its one connection.
    fn is_shared(&self) -> bool {
        true
    }
}
