//! A transaction that is retried: its attempts, and what follows from the failure of one (rule 52).

use std::{
    fmt, mem,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures_util::future::BoxFuture;

use super::{Database, Propagation, options::BlockOptions, options::TransactionBuilder, retry::Retry};
use crate::{
    error::{Error, ErrorKind, RetryError},
    runtime::pause,
    traces::{self, Labels},
};

/// What a [`TransactionBuilder`] knows whose body may run several times, from [`TransactionBuilder::retry`].
#[derive(Clone)]
pub struct Retrying<'d> {
    retry: Retry,
    on_unknown: Option<Check<'d>>,
}

/// Finds out whether a transaction was committed.
type Check<'d> = Arc<dyn Fn() -> BoxFuture<'d, Result<bool, Error>> + Send + Sync + 'd>;

impl fmt::Debug for Retrying<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { retry, on_unknown } = self;
        f.debug_struct("Retrying").field("retry", retry).field("on_unknown", &on_unknown.is_some()).finish()
    }
}

impl<'d> TransactionBuilder<'d> {
    /// Runs the whole transaction again where it fails in a way that `retry` is about, COMMIT included.
    ///
    /// Each attempt is a transaction of its own: the body runs again from its beginning, on whatever connection is free. So
    /// it is a closure that can be called several times, and what it does outside the database is done several times.
    /// Between two attempts is a random pause, in which no connection is held (but one that is pinned stays so).
    ///
    /// Inside a transaction of the same database the body runs once, as a part of that: its error goes out, and the retry
    /// of the outermost block runs all of it again. [`set_rollback_only`](Database::set_rollback_only) is no failure. A
    /// panic is not retried.
    ///
    /// The class of a failure is seen through the error type of the body: see [`RetryError`]. An error that is not retried
    /// is returned as it is. The last one of all attempts is the source of an error of the kind
    /// [`RetriesExhausted`](ErrorKind::RetriesExhausted), in the error type of the body, with that whole: through it
    /// [`is_deadlock`](Error::is_deadlock), [`code`](Error::code) and their like tell of the last failure.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, Isolation, blocks::Retry, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # db.batch("create table account (name text, balance integer); insert into account values ('ada', 10)").await?;
    /// let left: i64 = db
    ///     .build_transaction()
    ///     .isolation(Isolation::Serializable)
    ///     .retry(Retry::serialization().attempts(5))
    ///     .atomic(|| async {
    ///         let row = db.query_one("select balance from account where name = 'ada'", params![]).await?;
    ///         let left = row.get::<i64>(0)? - 3;
    ///         db.execute("update account set balance = $1 where name = 'ada'", params![left]).await?;
    ///         Ok::<_, Error>(left)
    ///     })
    ///     .await?;
    /// assert_eq!(left, 7);
    /// # Ok(()) }
    /// ```
    pub fn retry(self, retry: Retry) -> TransactionBuilder<'d, Retrying<'d>> {
        let Self { db, options, runs: () } = self;
        TransactionBuilder { db, options, runs: Retrying { retry, on_unknown: None } }
    }
}

impl<'d> TransactionBuilder<'d, Retrying<'d>> {
    /// How to find out whether the transaction was committed, where the connection broke during COMMIT. Without it such a
    /// transaction is not retried: it ends in `CommitUnknown`.
    ///
    /// If the answer is `true`, the transaction has succeeded, and the value of that attempt's body is returned. If it is
    /// `false`, the attempt has failed and is retried. An error of the check is the source of a `CommitUnknown`.
    ///
    /// The server may still be at work on that COMMIT when the check asks it. So the answer must be one that lasts: let the
    /// transaction insert a key under a unique constraint, so that a second run which meets the first one fails rather
    /// than doing the same twice; or ask PostgreSQL for `pg_xact_status` of the transaction until it is not `in progress`.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, blocks::Retry, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # db.batch("create table payment (key text primary key, amount integer)").await?;
    /// let key = "5f0c";                                       // made by the client, once for each payment
    /// db.build_transaction()
    ///     .retry(Retry::serialization())
    ///     .on_unknown(|| async {
    ///         Ok(db.query_opt("select 1 from payment where key = $1", params![key]).await?.is_some())
    ///     })
    ///     .atomic(|| async { db.execute("insert into payment values ($1, $2)", params![key, 100]).await })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn on_unknown<F, Fut>(mut self, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'd,
        Fut: Future<Output = Result<bool, Error>> + Send + 'd,
    {
        self.runs.on_unknown = Some(Arc::new(move || Box::pin(check())));
        self
    }

    /// Runs a block, as [`Database::atomic`] does, as often as it has to.
    ///
    /// # Errors
    /// As [`TransactionBuilder::atomic`], of the last attempt; `RetriesExhausted` with the last error as its source;
    /// `Config` if there is to be no attempt.
    ///
    /// # Cancel safety
    /// As [`Database::atomic`]: dropped in an attempt, that one is rolled back. Dropped in a pause, nothing is open.
    pub async fn atomic<F, Fut, T, E, How>(self, mut body: F) -> Result<T, E>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: RetryError<How>,
    {
        let Self { db, options, runs } = self;
        let propagation = options.propagation.unwrap_or(Propagation::Nested);
        runs.retry.check()?;
        if !db.begins(propagation, &options)? {
            return db.atomic_by(propagation, &options, body).await;
        }
        let mut attempts = Attempts::new(db, &options, &runs);
        loop {
            let kept = Kept::default();
            let result = db.atomic_by(propagation, &options, || kept.run(body())).await;
            if let ControlFlow::Break(result) = attempts.after(result, kept.take()).await {
                return result;
            }
        }
    }

    /// Runs a transaction, as [`Database::transaction`] does, as often as it has to. Outside any scope each attempt runs in
    /// a task of its own.
    ///
    /// # Errors
    /// As [`atomic`](Self::atomic).
    ///
    /// # Cancel safety
    /// As [`Database::transaction`]. Dropped in a pause, nothing is open.
    pub async fn transaction<F, Fut, T, E, How>(self, body: F) -> Result<T, E>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: RetryError<How> + Send,
    {
        let Self { db, options, runs } = self;
        let propagation = options.propagation.unwrap_or(Propagation::Required);
        runs.retry.check()?;
        if !db.begins(propagation, &options)? {
            return db.transaction_by(propagation, options, body).await;
        }
        let mut attempts = Attempts::new(db, &options, &runs);
        let body = Arc::new(body);
        loop {
            let kept = Arc::new(Kept::default());
            let attempt = {
                let (kept, body) = (Arc::clone(&kept), Arc::clone(&body));
                || async move { kept.run(body()).await }
            };
            let result = db.transaction_by(propagation, options.clone(), attempt).await;
            if let ControlFlow::Break(result) = attempts.after(result, kept.take()).await {
                return result;
            }
        }
    }
}

/// How an attempt failed.
enum Failure<E> {
    /// By its body.
    Body(E),
    /// By its block: it could not begin, or not commit.
    Block(Error),
}

impl<E> From<Error> for Failure<E> {
    fn from(error: Error) -> Self {
        Self::Block(error)
    }
}

impl<E> Failure<E> {
    /// As the error of the whole transaction.
    fn into_error(self) -> E
    where
        E: From<Error>,
    {
        match self {
            Self::Body(error) => error,
            Self::Block(error) => error.into(),
        }
    }
}

/// The value of an attempt's body, kept until the COMMIT has succeeded: an unknown outcome may turn out to be a success.
struct Kept<T>(Mutex<Option<T>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Kept<T> {
    /// Runs a body, and keeps its value.
    async fn run<E>(&self, body: impl Future<Output = Result<T, E>>) -> Result<(), Failure<E>> {
        let value = body.await.map_err(Failure::Body)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The attempts at one transaction.
struct Attempts<'a, 'd> {
    labels: Arc<Labels>,
    name: Option<Arc<str>>,
    runs: &'a Retrying<'d>,
    made: u32,
    since: Instant,
}

impl<'a, 'd> Attempts<'a, 'd> {
    fn new(db: &Database, options: &BlockOptions, runs: &'a Retrying<'d>) -> Self {
        Self {
            labels: Arc::clone(&db.shared().labels),
            name: options.name.clone(),
            runs,
            made: 0,
            since: Instant::now(),
        }
    }

    /// What follows from the end of an attempt: the end of all, or another attempt, behind a pause.
    async fn after<T, E: RetryError<How>, How>(
        &mut self,
        result: Result<(), Failure<E>>,
        kept: Option<T>,
    ) -> ControlFlow<Result<T, E>> {
        self.made += 1;
        let (failure, kept) = match (result, kept) {
            (Err(failure), kept) => (failure, kept),
            (Ok(()), Some(value)) => return ControlFlow::Break(Ok(value)),
            (Ok(()), None) => unreachable!("a body that has succeeded has left its value"),
        };
        let was_unknown = matches!(&failure, Failure::Block(error) if error.kind() == ErrorKind::CommitUnknown);
        let is_retried = match (&failure, &kept) {
            (Failure::Block(error), Some(_)) if was_unknown => match self.was_committed(error).await {
                Ok(false) => true,
                Ok(true) => return ControlFlow::Break(kept.ok_or_else(|| failure.into_error())),
                Err(error) => return ControlFlow::Break(Err(error.into())),
            },
            (Failure::Block(error), Some(_)) => is_uncommitted(error) && self.runs.retry.covers(error),
            (Failure::Block(error), None) => self.runs.retry.covers(error),
            (Failure::Body(error), _) => {
                Error::find_in(error.as_error()).is_some_and(|error| self.runs.retry.covers(error))
            }
        };
        if is_retried { self.again(failure).await } else { ControlFlow::Break(Err(failure.into_error())) }
    }

    /// Pauses for the next attempt, if there is one.
    async fn again<T, E: RetryError<How>, How>(&mut self, failure: Failure<E>) -> ControlFlow<Result<T, E>> {
        let retry = &self.runs.retry;
        let wait = (self.made < retry.most()).then(|| retry.pause(self.made));
        let since = mem::replace(&mut self.since, Instant::now());
        let found = match &failure {
            Failure::Body(error) => Error::find_in(error.as_error()),
            Failure::Block(error) => Some(error),
        };
        if let Some(error) = found {
            traces::attempt(&self.labels, self.name.as_deref(), (self.made, retry.most()), error, since, wait);
        }
        let Some(wait) = wait else {
            let last = match failure {
                Failure::Body(error) => error.into_source(),
                Failure::Block(error) => Box::new(error),
            };
            return ControlFlow::Break(Err(Error::retries_exhausted(self.made, last).into()));
        };
        if !wait.is_zero() && pause(wait).await.is_err() {
            // There is no runtime any more on which another attempt could run.
            return ControlFlow::Break(Err(failure.into_error()));
        }
        self.since = Instant::now();
        ControlFlow::Continue(())
    }

    /// Finds out the outcome of a COMMIT that is not known.
    ///
    /// # Errors
    /// It stays unknown.
    async fn was_committed(&self, unknown: &Error) -> Result<bool, Error> {
        let Some(check) = &self.runs.on_unknown else { return Err(unknown.clone()) };
        check().await.map_err(|error| {
            let text = "the connection broke during COMMIT, and the check of whether it was committed failed";
            Error::new(ErrorKind::CommitUnknown, text).with_source(error)
        })
    }
}

/// Whether an error behind the body's end says that nothing was committed.
fn is_uncommitted(error: &Error) -> bool {
    use ErrorKind::{ConnectionLost, RolledBack, Server, UnexpectedRollback};
    matches!(error.kind(), Server | RolledBack | UnexpectedRollback | ConnectionLost)
}
