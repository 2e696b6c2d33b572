//! [`Counts`]: how many statements and flights a piece of code has cost, and the assertions about them. Made of the
//! statistics of the database; it knows no statement.

use std::{fmt, panic::Location};

use crate::{db::Database, session::Stats};

/// What a database has sent while a future ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Statements, those that begin and end blocks not counted.
    pub statements: u64,
    /// Messages whose answer was awaited: round trips, but for those of several statements that were in flight together.
    pub flights: u64,
    /// Steps that begin and end blocks: BEGIN, SAVEPOINT, COMMIT and their like. Most ride with a statement.
    pub steps: u64,
}

impl Counts {
    fn between(before: Stats, after: Stats) -> Self {
        Self {
            // One of another task may have been counted when it was sent, and taken back as it was refused.
            statements: after.statements.saturating_sub(before.statements),
            flights: after.flights - before.flights,
            steps: after.steps_sent - before.steps_sent,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { statements, flights, steps } = self;
        write!(f, "{statements} statements and {steps} steps of blocks in {flights} flights")
    }
}

/// Runs `body`, and counts what the database sends meanwhile.
///
/// All that is sent counts, by whatever task: so code that spawns is counted as well, and a test that counts has a database of its own,
/// or runs alone. On PostgreSQL and MySQL a statement that a connection sends for the first time may cost a flight more, which
/// prepares it: run the code once before, and keep `max_connections(1)`.
///
/// # Cancel safety
/// That of `body`.
///
/// # Examples
/// ```
/// use nestling::{Database, Error, params, testing::counted};
///
/// # #[tokio::main] async fn main() -> Result<(), Error> {
/// let db = Database::open("sqlite::memory:")?;
/// db.batch("create table account (name text)").await?;
/// let (inserted, counts) = counted(&db, || async {
///     db.atomic(|| async { db.execute("insert into account values ($1)", params!["ada"]).await }).await
/// })
/// .await;
/// assert_eq!((inserted?, counts.statements, counts.steps), (1, 1, 2));   // BEGIN and COMMIT
/// # Ok(()) }
/// ```
pub async fn counted<F, Fut>(db: &Database, body: F) -> (Fut::Output, Counts)
where
    F: FnOnce() -> Fut,
    Fut: Future,
{
    let before = db.stats();
    let output = body().await;
    (output, Counts::between(before, db.stats()))
}

/// Runs `body`, and asserts that the database sends so many statements meanwhile, counted as [`counted`] does. It is what
/// finds a query for each row of a list.
///
/// # Panics
/// If there were more or fewer; the message tells all counts, and where the assertion stands. With the panic of `body`.
///
/// # Cancel safety
/// That of `body`.
///
/// # Examples
/// ```
/// use nestling::{Database, Manager, Model, create_tables, testing::assert_statements};
///
/// # #[derive(Debug, Model)] struct User { id: i64, name: String }
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// let objects = Manager::new(Database::open("sqlite::memory:")?);
/// create_tables(&objects, &[User::TABLE]).await?;
/// let users = assert_statements(&objects, 1, || async { User::select().all(&objects).await }).await?;
/// assert!(users.is_empty());
/// # Ok(()) }
/// ```
#[track_caller]
pub fn assert_statements<F, Fut>(db: &Database, expected: u64, body: F) -> impl Future<Output = Fut::Output>
where
    F: FnOnce() -> Fut,
    Fut: Future,
{
    asserted(db, (expected, "statements"), |counts| counts.statements, body, Location::caller())
}

/// Runs `body`, and asserts that the database sends so many messages meanwhile whose answer is awaited, counted as [`counted`]
/// does.
///
/// # Panics
/// If there were more or fewer; the message tells all counts, and where the assertion stands. With the panic of `body`.
///
/// # Cancel safety
/// That of `body`.
///
/// # Examples
/// ```
/// use nestling::{Database, Error, params, testing::assert_flights};
///
/// # #[tokio::main] async fn main() -> Result<(), Error> {
/// let db = Database::open("sqlite::memory:")?;
/// db.batch("create table account (name text)").await?;
/// let insert = || async {
///     // Neither BEGIN nor the savepoint costs a flight of its own, but the statement and COMMIT do.
///     db.atomic(|| async {
///         db.atomic(|| async { db.execute("insert into account values ($1)", params!["ada"]).await }).await
///     })
///     .await
/// };
/// assert_flights(&db, 2, insert).await?;
/// # Ok(()) }
/// ```
#[track_caller]
pub fn assert_flights<F, Fut>(db: &Database, expected: u64, body: F) -> impl Future<Output = Fut::Output>
where
    F: FnOnce() -> Fut,
    Fut: Future,
{
    asserted(db, (expected, "flights"), |counts| counts.flights, body, Location::caller())
}

async fn asserted<F, Fut>(
    db: &Database,
    (expected, what): (u64, &str),
    of: fn(&Counts) -> u64,
    body: F,
    place: &Location<'_>,
) -> Fut::Output
where
    F: FnOnce() -> Fut,
    Fut: Future,
{
    let (output, counts) = counted(db, body).await;
    assert!(of(&counts) == expected, "{place}: {expected} {what} were expected; there were {counts}");
    output
}
