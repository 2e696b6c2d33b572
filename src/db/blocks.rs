//! The calls that open blocks: `atomic`, `transaction`, `savepoint` and `connection`.

use std::sync::Arc;

use super::{Database, options::BlockOptions};
use crate::{
    error::{Error, ErrorKind},
    runtime::{Block, CallSite, Frame, Opened, joined, require_runtime, spawn_in_fresh_context},
    session::{DbFlight, DbSession, current, examine},
    traces,
    transaction::limits::RequestedLimits,
};

impl Database {
    /// Runs `body` in a transaction, or in a savepoint if the current task has one open already.
    ///
    /// `Ok` commits and is returned; `Err` rolls exactly this block back, and is returned as it is. Every query on this
    /// database that the body makes, at any depth of its call tree, takes part. BEGIN and SAVEPOINT are sent with the
    /// first statement, so a block without statements sends nothing.
    ///
    /// # Errors
    /// The body's own; else, by `E: From<Error>`: `RolledBack` if a statement had failed and the body returned `Ok` all
    /// the same, so that the block could not be committed; `UnexpectedRollback` if a [`transaction`](Self::transaction)
    /// that had joined failed; the error of the COMMIT; `CommitUnknown` if the connection broke during it;
    /// `TurnTimeout` if a sibling block did not end in time; `NoRuntime` outside a tokio runtime.
    ///
    /// # Panics
    /// With the panic of the body, after this block was rolled back.
    ///
    /// # Cancel safety
    /// Dropped at any point, it rolls exactly this block back, and the connection goes to no other user before it is idle.
    /// Dropped during COMMIT, the commit runs to its end.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # db.batch("create table gift (name text unique)").await?;
    /// db.atomic(|| async {
    ///     db.execute("insert into gift values ($1)", params!["book"]).await?;
    ///     let again = db
    ///         .atomic(|| async { db.execute("insert into gift values ($1)", params!["book"]).await })
    ///         .await;
    ///     assert!(again.is_err());                     // only the inner block is rolled back
    ///     Ok::<_, Error>(())
    /// })
    /// .await?;
    /// assert_eq!(db.query("select * from gift", params![]).await?.len(), 1);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn atomic<F, Fut, T, E>(&self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let options = BlockOptions::here();
        async move { self.run_block(&options, body).await }
    }

    /// Runs `body` in the transaction that the current task has open, or in a new one.
    ///
    /// Inside a transaction it joins: nothing is sent, and an `Err` of the body marks the whole transaction, which then
    /// can only be rolled back. Outside any [`scope`](crate::scope) the whole body, with BEGIN and COMMIT, runs in a new
    /// tokio task; inside one it runs in place. For that `body` owns what it uses, as in `|| async move { .. }` with a clone of
    /// the database: it cannot borrow. [`atomic`](Self::atomic) may borrow.
    ///
    /// # Errors
    /// As [`atomic`](Self::atomic).
    ///
    /// # Panics
    /// With the panic of the body, after the transaction was rolled back.
    ///
    /// # Cancel safety
    /// As [`atomic`](Self::atomic); a task that was spawned for it is aborted. Dropped while it has joined, it marks the
    /// transaction for rollback.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// let db = Database::open("sqlite::memory:")?;
    /// let inner = db.clone();
    /// db.transaction(|| async move { inner.batch("create table t (x integer)").await }).await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn transaction<F, Fut, T, E>(&self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let options = BlockOptions::here();
        async move { self.run_transaction(options, body).await }
    }

    /// Runs `body` in a savepoint of the transaction that the current task has open.
    ///
    /// # Errors
    /// `NoTransaction` outside a transaction, before anything is sent; else as [`atomic`](Self::atomic).
    ///
    /// # Cancel safety
    /// As [`atomic`](Self::atomic).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, ErrorKind};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// db.atomic(|| async {
    ///     db.savepoint(|| async { assert_eq!(db.depth(), 2); Ok::<_, Error>(()) }).await
    /// })
    /// .await?;
    /// let outside = db.savepoint(|| async { Ok::<_, Error>(()) }).await;
    /// assert_eq!(outside.unwrap_err().kind(), ErrorKind::NoTransaction);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn savepoint<F, Fut, T, E>(&self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let options = BlockOptions::savepoint(None);
        async move { self.run_block(&options, body).await }
    }

    /// As [`savepoint`](Self::savepoint), with a name for the server. It is quoted as the database needs it.
    ///
    /// # Errors
    /// As [`savepoint`](Self::savepoint); `Config` for a name that is empty, holds a NUL character, or is longer than
    /// the server keeps.
    ///
    /// # Cancel safety
    /// As [`atomic`](Self::atomic).
    #[track_caller]
    pub fn savepoint_named<F, Fut, T, E>(&self, name: &str, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let options = BlockOptions::savepoint(Some(name));
        async move { self.run_block(&options, body).await }
    }

    /// Runs `body` with one connection for all its queries, outside a transaction: for session settings, advisory locks
    /// or temporary tables. Blocks inside use it too. Where a connection is pinned or a transaction open already, the
    /// body runs on that.
    ///
    /// # Errors
    /// The body's own; `PoolTimeout` and `Connect` come out of its first query.
    ///
    /// # Cancel safety
    /// Dropped at any point, it gives the connection back once it is idle.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// db.connection(|| async {
    ///     db.batch("create temporary table seen (id integer)").await?;
    ///     db.execute("insert into seen values ($1)", params![1]).await
    /// })
    /// .await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn connection<F, Fut, T, E>(&self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let options = BlockOptions::pin();
        async move { if self.has_session() { body().await } else { self.run_block(&options, body).await } }
    }

    /// Whether the task, or the sandbox that it works in, has a session already.
    pub(super) fn has_session(&self) -> bool {
        self.frame().is_some() || self.is_sandboxed()
    }

    /// Pins a connection to the task, which has none.
    pub(super) fn open_pin(&self, at: CallSite) -> Result<Block<DbSession>, Error> {
        require_runtime()?;
        let context = current().unwrap_or_default();
        Ok(Block::pin(&context, at.into(), DbSession::new(self.shared())))
    }

    pub(super) async fn run_transaction<F, Fut, T, E>(&self, options: BlockOptions, body: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match self.frame().filter(|frame| frame.in_transaction()) {
            Some(frame) => self.run_joined(&frame, &options, body).await,
            None if current().is_some() => self.run_block(&options, body).await,
            None => {
                let db = self.clone();
                let mut options = options;
                // The time counts from here on, not from when the task runs.
                options.limits.iter_mut().for_each(|limits| limits.start());
                spawn_in_fresh_context::<_, DbSession>(async move { db.run_block(&options, body).await }).await?
            }
        }
    }

    /// Runs a body in the transaction that is open, whose innermost block is `frame`.
    pub(super) async fn run_joined<F, Fut, T, E>(
        &self,
        frame: &Arc<Frame<DbSession>>,
        options: &BlockOptions,
        body: F,
    ) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error> + 'static,
    {
        if options.limits.is_some() {
            return Box::pin(self.join_limited(options.clone(), Arc::clone(frame), body)).await;
        }
        self.shared().counted(check_joined(options, frame).and_then(|()| frame.check()))?;
        let around = current().unwrap_or_default();
        joined(&around, frame, body).await
    }

    /// Opens a root or a savepoint, whichever is due.
    pub(super) async fn open_block(&self, options: &BlockOptions) -> Result<Block<DbSession>, Error> {
        let context = current().unwrap_or_default();
        let frame = context.innermost(self.id());
        let sandbox;
        let opened = match frame.filter(|frame| frame.in_transaction()) {
            Some(parent) => {
                check_inner(options, parent)?;
                let locals = options.settings.locals_alone();
                if !locals.is_empty() {
                    self.shared().dialect.check_settings(&locals)?;
                }
                Block::savepoint_with(&context, parent, locals, options.origin())?
            }
            None => {
                require_runtime()?;
                let settings = self.settings_of(options, &context);
                self.shared().dialect.check_settings(&settings)?;
                let session = || DbSession::new(self.shared());
                sandbox = self.sandbox_base(&context)?;
                match &sandbox {
                    Some(base) => Block::sandboxed(&context, base, settings.locals_alone(), options.origin())?,
                    None => Block::root(&context, frame, settings, options.origin(), session)?,
                }
            }
        };
        match opened {
            Opened::Now(block) => Ok(block),
            Opened::Later(wait) => wait.await,
        }
    }

    /// Sends what is owed now, and waits for the answer.
    pub(super) async fn send_owed(&self, frame: &Arc<Frame<DbSession>>) -> Result<(), Error> {
        let session = frame.session_state().session();
        let _permit = frame.statement().await?;
        let mut replayed = false;
        loop {
            let lease = session.lease(frame).await.map_err(|fault| frame.fail(fault))?;
            let flight = DbFlight::of(self.shared(), frame, lease.epoch());
            let result = traces::steps(&flight, lease.connection().control(&flight, &[])).await;
            flight.landed();
            match result {
                Err(fault) if fault.is_lost() && !replayed && session.replaces(&lease, frame.session_state()) => {
                    replayed = true;
                }
                result => {
                    // No other statement shares the flight: none can have replaced the connection.
                    if result.is_ok() {
                        session.answered(&lease);
                    }
                    return result
                        .map_err(|fault| frame.fail(examine(&self.shared().pool, lease.made(), Some(frame), fault)));
                }
            }
        }
    }
}

/// A block inside another one cannot have modes of its own, nor be durable. Local settings it can have (rule 30).
fn check_inner(options: &BlockOptions, frame: &Frame<DbSession>) -> Result<(), Error> {
    if options.durable {
        let text = format!("a durable block must be the outermost one, and the block {} is open", frame.label());
        return Err(Error::new(ErrorKind::NotDurable, text));
    }
    // Nearly all ask for no settings: then the root need not be found.
    if options.settings.is_empty() {
        return Ok(());
    }
    match frame.settings().and_then(|open| options.settings.conflicts_with(open)) {
        Some(conflict) => Err(mismatch(&conflict, frame)),
        None => Ok(()),
    }
}

/// A `transaction` that joins has no savepoint with which settings of its own could end: the open one must have the settings it
/// asks for, its own or those of its scope. The message contains no value, which may be a secret.
pub(super) fn check_joined(options: &BlockOptions, frame: &Frame<DbSession>) -> Result<(), Error> {
    check_inner(options, frame)?;
    let missing = |(key, value): &&(String, String)| frame.local(key) != Some(value.as_str());
    if let Some(RequestedLimits { statement, lock, acquire, idle, .. }) = options.limits.as_deref()
        && (statement.is_some() || lock.is_some() || acquire.is_some() || idle.is_some())
    {
        let text = "a transaction that joins has no limits of its own, save for its time; open a block with `atomic`";
        return Err(mismatch(text, frame));
    }
    match options.settings.locals().iter().find(missing) {
        Some((key, _)) => {
            let text = format!(
                "a transaction that joins was asked for with a value of {key} that the open one does not have; open a \
                 block with `atomic`, which can have it"
            );
            Err(mismatch(&text, frame))
        }
        None => Ok(()),
    }
}

fn mismatch(conflict: &str, frame: &Frame<DbSession>) -> Error {
    let open = frame.root().unwrap_or(frame).label();
    Error::new(ErrorKind::SettingsMismatch, format!("{conflict} (the block {open} is open)"))
}
