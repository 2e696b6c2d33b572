//! Statements: `execute`, `query` and its variants, `stream` and `batch`; and how each finds its connection, in the innermost
//! block that its task has open, or in the pool.

use std::sync::Arc;

use super::{Database, RowStream, own_block::Place, row_stream::FramePermit};
use crate::{
    data::{params::Params, row::Row},
    driver::{Answer, Dialect, Query, Want},
    error::{Error, ErrorKind},
    runtime::{Frame, StreamUse},
    session::{DbFlight, DbSession, Lease, StatementLease, examine, with_current},
    sql::{effects, statement},
    traces,
    transaction::impact::{DriverError, Impact},
};

/// How often a statement is sent again because its connection turned out to be dead. After the first time the others are
/// checked before they are used.
pub(super) const REPLAYS: u32 = 3;

impl Database {
    /// Runs a statement, and returns how many rows it affected.
    ///
    /// Inside a block of this database that the task has open it takes part in that; else it is committed on its own,
    /// on a connection that is borrowed for it.
    ///
    /// Parameters are numbered: `$1`, `$2` on all databases. A parameter is encoded for the type that the server expects,
    /// wherever nothing is lost.
    ///
    /// # Errors
    /// `Server` with the server's code and constraint; `Parameter` for a value that does not fit, before anything is
    /// sent; `ControlStatement` for BEGIN and the like; `StatementTimeout`, `LockTimeout`, `Timeout` and `IdleTimeout` where such times
    /// were asked for; `Aborted`, `RollbackOnly`, `FrameClosed` and `TurnTimeout` in
    /// blocks; `PoolTimeout`, `Connect`, `ConnectionLost` and `Closed` of the connection.
    ///
    /// # Cancel safety
    /// Dropped before the statement is sent, it has no effect. Dropped later, the server is asked to stop it: outside a
    /// block it may have taken effect; inside one the block can only be rolled back.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # db.batch("create table pet (name text, age integer)").await?;
    /// assert_eq!(db.execute("insert into pet values ($1, $2)", params!["Rex", 3]).await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn execute(&self, sql: &str, params: impl Into<Params>) -> Result<u64, Error> {
        let params = params.into();
        statement::refuse_control(sql, self.dialect().syntax())?;
        let query = Query::new(sql, params.as_slice());
        Ok(self.dispatch(&query, Want::Count).await?.affected)
    }

    /// Runs a query, and returns all its rows.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); `Unsupported` if the statement has run and returned the rows of several results, as a
    /// `CALL` of MySQL and MariaDB may.
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// for row in db.query("select $1 as name, 3 as age", params!["Rex"]).await? {
    ///     let (name, age): (String, i64) = row.to()?;
    ///     assert_eq!((name, age), (row.get("name")?, row.get(1)?));
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn query(&self, sql: &str, params: impl Into<Params>) -> Result<Vec<Row>, Error> {
        let params = params.into();
        statement::refuse_control(sql, self.dialect().syntax())?;
        let query = Query::new(sql, params.as_slice());
        Ok(self.dispatch(&query, Want::Rows).await?.rows)
    }

    /// Runs a query that returns exactly one row.
    ///
    /// # Errors
    /// `NoRow`, `ManyRows`; else as [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// let three: i64 = db.query_one("select 1 + $1", params![2]).await?.get(0)?;
    /// assert_eq!(three, 3);
    /// # Ok(()) }
    /// ```
    pub async fn query_one(&self, sql: &str, params: impl Into<Params>) -> Result<Row, Error> {
        let row = self.query_opt(sql, params).await?;
        row.ok_or_else(|| Error::new(ErrorKind::NoRow, "the query returned no row").with_statement(sql))
    }

    /// Runs a query that returns one row or none.
    ///
    /// # Errors
    /// `ManyRows`; else as [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// assert!(db.query_opt("select 1 where 1 = $1", params![2]).await?.is_none());
    /// # Ok(()) }
    /// ```
    pub async fn query_opt(&self, sql: &str, params: impl Into<Params>) -> Result<Option<Row>, Error> {
        let mut rows = self.query(sql, params).await?;
        if rows.len() > 1 {
            let text = format!("the query returned {} rows where at most one was expected", rows.len());
            return Err(Error::new(ErrorKind::ManyRows, text).with_statement(sql));
        }
        Ok(rows.pop())
    }

    /// Runs a query, and returns its rows one by one, with flat memory.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); errors that come later come out of the stream.
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute). The stream itself can be dropped at any point.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # let sql = "with recursive n(x) as (select 1 union all select x + 1 from n where x < 1000) select x from n";
    /// let mut rows = db.stream(sql, params![]).await?;
    /// let mut sum = 0;
    /// while let Some(row) = rows.next().await {
    ///     sum += row?.get::<i64>(0)?;
    /// }
    /// assert_eq!(sum, 500_500);
    /// # Ok(()) }
    /// ```
    pub async fn stream(&self, sql: &str, params: impl Into<Params>) -> Result<RowStream, Error> {
        let params = params.into();
        statement::refuse_control(sql, self.dialect().syntax())?;
        self.dispatch_stream(&Query::new(sql, params.as_slice())).await
    }

    /// Runs a text of several statements without parameters: a schema, for instance.
    ///
    /// Outside a block PostgreSQL takes them as one transaction; the others commit each on its own.
    ///
    /// # Errors
    /// As [`execute`](Self::execute). The statements ahead of the one that failed have run, and on PostgreSQL outside a block
    /// they are rolled back with it.
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::Database;
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// db.batch("create table a (x integer); create table b (y text)").await?;
    /// # Ok(()) }
    /// ```
    pub async fn batch(&self, sql: &str) -> Result<(), Error> {
        statement::check_batch(sql, self.dialect().syntax())?;
        self.dispatch(&Query::new(sql, &[]), Want::Batch).await.map(|_| ())
    }

    /// Runs a text that was built here, without the check for control statements.
    pub(crate) async fn send(&self, sql: &str, params: &Params) -> Result<Answer, Error> {
        self.dispatch(&Query::new(sql, params.as_slice()), Want::Rows).await
    }

    /// As [`send`](Self::send), for a stream of rows.
    pub(crate) async fn send_stream(&self, sql: &str, params: &Params) -> Result<RowStream, Error> {
        self.dispatch_stream(&Query::new(sql, params.as_slice())).await
    }
}

impl Database {
    /// The innermost block that the current task has open on this database, a pinned connection included.
    pub(super) fn frame(&self) -> Option<Arc<Frame<DbSession>>> {
        with_current(|context| context?.innermost(self.id()).cloned())
    }

    /// Runs a statement in the open block or on a connection of its own.
    ///
    /// # Cancel safety
    /// Dropped before it is sent, it leaves no trace. Dropped in flight, the server is asked to stop it: outside a block
    /// nothing else happens, inside one the block can only be rolled back.
    pub(super) async fn dispatch(&self, query: &Query<'_>, want: Want) -> Result<Answer, Error> {
        let answer = match self.place() {
            Place::Frame(frame) if self.limits_statement_in(&frame) => {
                Box::pin(self.dispatch_limited(frame, query, want)).await
            }
            Place::Alone { held } if self.shared().limits.is_some() => {
                Box::pin(self.dispatch_alone(held, query, want)).await
            }
            Place::Frame(frame) => match frame.statement().await {
                Ok(_permit) => self.in_frame(&frame, query, want).await.map(|(answer, _)| answer),
                Err(error) => Err(error),
            },
            // Boxed, as all statements would carry it.
            Place::OwnBlock => Box::pin(self.in_own_block(query, want)).await,
            Place::Alone { held } => match self.alone(held, query, want).await {
                Ok((answer, lease)) => {
                    if let Some(under_way) = lease.give_back() {
                        // It ends early only at the end of its runtime, and this task with it.
                        let _ = under_way.await;
                    }
                    Ok(answer)
                }
                Err(error) => Err(error),
            },
        };
        self.shared().counted(answer)
    }

    /// As [`dispatch`](Self::dispatch), for a stream, which keeps its permit and its connection until it ends.
    pub(super) async fn dispatch_stream(&self, query: &Query<'_>) -> Result<RowStream, Error> {
        self.shared().counted(self.stream_at(self.place(), query).await)
    }

    async fn stream_at(&self, place: Place, query: &Query<'_>) -> Result<RowStream, Error> {
        let frame = match place {
            Place::Frame(frame) if self.limits_statement_in(&frame) => {
                return Box::pin(self.stream_limited(frame, query)).await;
            }
            Place::Alone { held } if self.shared().limits.is_some() => {
                return Box::pin(self.stream_alone(held, query)).await;
            }
            Place::Frame(frame) => frame,
            Place::OwnBlock => return Box::pin(self.stream_in_own_block(query)).await,
            Place::Alone { held } => {
                let (answer, lease) = self.alone(held, query, Want::Stream).await?;
                let (lease, usage) = (Arc::new(Lease::from(lease)), Arc::new(StreamUse::new()));
                return Ok(RowStream::new(self.shared(), answer, lease, usage, None));
            }
        };
        let usage = Arc::new(StreamUse::new());
        let permit = frame.stream(&usage).await?;
        let (answer, lease) = self.in_frame(&frame, query, Want::Stream).await?;
        Ok(self.rows_of(answer, lease, usage, (frame, permit)))
    }

    /// The rows of a stream that has its block's turn.
    pub(super) fn rows_of(
        &self,
        answer: Answer,
        lease: Arc<Lease>,
        usage: Arc<StreamUse>,
        of: FramePermit,
    ) -> RowStream {
        let frame = Arc::clone(&of.0);
        let session = frame.session_state().session();
        let rows = RowStream::new(self.shared(), answer, lease, usage, Some(of));
        session.keep_stream(rows.source());
        if frame.is_closed() {
            // The block may have ended before its session had the stream.
            session.take_stream();
        }
        rows
    }

    pub(super) async fn in_frame(
        &self,
        frame: &Arc<Frame<DbSession>>,
        query: &Query<'_>,
        want: Want,
    ) -> Result<(Answer, Arc<Lease>), Error> {
        let session = frame.session_state().session();
        let mut replays = 0;
        loop {
            let lease = session.lease(frame).await.map_err(|fault| frame.fail(fault))?;
            let since = lease.note_statement(query.sql);
            let mut flight = DbFlight::of(self.shared(), frame, lease.epoch()).with(query, want, || since);
            let work = || lease.connection().run(&flight, *query, want);
            let result = traces::statement(&flight, query, want, work).await;
            flight.answered(&result);
            // In a future that was kept unpolled: whatever came of the statement, its block has ended (rule 6).
            frame.check_open()?;
            match result.map_err(|fault| examine(&self.shared().pool, lease.made(), Some(frame), fault)) {
                Err(fault) if fault.is_lost() => {
                    let again = fault.impact == Impact::NotSent || self.may_run_twice(query, frame, &lease);
                    if !again || replays == REPLAYS || !session.replaces(&lease, frame.session_state()) {
                        return Err(frame.fail(fault));
                    }
                    replays += 1;
                }
                result if session.answered(&lease) => {
                    return result.map(|answer| (answer, lease)).map_err(|fault| frame.fail(fault));
                }
                Err(DriverError { impact: Impact::None, .. }) => {}
                _of_a_replaced_connection if self.may_run_twice(query, frame, &lease) => {}
                _of_a_replaced_connection => {
                    let text = "the connection was lost together with the transaction that this statement ran in";
                    let error = Error::new(ErrorKind::ConnectionLost, text).with_statement(query.sql);
                    return Err(frame.fail(DriverError::new(Impact::Connection, error)));
                }
            }
        }
    }

    /// Whether a statement that may have run may run again in a new transaction: only if its effects are rolled back with the
    /// old one, which other databases than PostgreSQL do not promise for every table, and PostgreSQL not for every function;
    /// and only if the connection died while it was idle. On a pinned connection outside a transaction it may have been
    /// committed, with its answer lost.
    fn may_run_twice(&self, query: &Query<'_>, frame: &Frame<DbSession>, lease: &Lease) -> bool {
        self.dialect() == Dialect::Postgres
            && frame.in_transaction()
            && lease.was_at_rest()
            && effects::only_touches_rows(query.sql)
    }

    /// Runs a statement on a connection that is leased for it alone, which the caller gives back (rule 2). The task holds
    /// `held` connections of the database.
    async fn alone(&self, held: usize, query: &Query<'_>, want: Want) -> Result<(Answer, StatementLease), Error> {
        let mut replays = 0;
        loop {
            let lease = match self.shared().try_lease(held) {
                Some(lease) => lease,
                // Boxed, as a statement that need not wait would carry it.
                None => Box::pin(self.shared().lease(held)).await?,
            };
            let mut flight = DbFlight::alone(self.shared()).with(query, want, || lease.since());
            let work = || lease.connection().run(&flight, *query, want);
            let result = traces::statement(&flight, query, want, work).await;
            flight.answered(&result);
            match result.map_err(|fault| examine(&self.shared().pool, lease.made(), None, fault)) {
                Ok(answer) => return Ok((answer, lease)),
                // It was never sent: it may go over another connection.
                Err(fault) if fault.impact == Impact::NotSent && replays < REPLAYS => {
                    replays += 1;
                }
                Err(fault) => return Err(fault.error),
            }
        }
    }
}
