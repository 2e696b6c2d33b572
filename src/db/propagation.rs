//! [`Propagation`]: what a block does about a transaction that is open already.

/// What a block does about a transaction of its database that the task has open already, and whether its body needs one.
///
/// The modes are those of Spring. Where a block is said to *join*, it sends nothing and has no savepoint, and its failure
/// marks the whole transaction for rollback, as [`Database::transaction`](crate::Database::transaction) does.
///
/// A *suspended* transaction is left as it is: statements of the body go elsewhere, and
/// [`depth`](crate::Database::depth) and the like tell of what the body has open. Behind the body it is in place again, on
/// every way out. Its connection is kept meanwhile, so that the task holds two: with no other one free for it the body's
/// first statement fails with `PoolTimeout`, at once if this task has them all. Blocks of other databases stay as they are.
///
/// # Examples
/// An entry of a log that stays, whatever becomes of the transaction around it:
/// ```no_run
/// # use nestling::{Database, Error, blocks::Propagation, params};
/// # async fn example(db: Database) -> Result<(), Error> {
/// let log = async |text: &str| {
///     db.build_transaction()
///         .propagation(Propagation::RequiresNew)
///         .atomic(|| async { db.execute("insert into log values ($1)", params![text]).await })
///         .await
/// };
/// db.atomic(|| async {
///     log("a transfer was asked for").await?;
///     db.execute("update account set balance = balance - 100 where name = 'ada'", params![]).await
/// })
/// .await?;
/// # Ok(()) }
/// ```
/// A body that is not to be part of any transaction:
/// ```
/// # use nestling::{Database, Error, ErrorKind, blocks::Propagation};
/// # #[tokio::main] async fn main() -> Result<(), Error> {
/// let db = Database::open("sqlite::memory:")?;
/// let depth = || async { Ok::<_, Error>(db.depth()) };
/// let never = || db.build_transaction().propagation(Propagation::Never);
/// assert_eq!(never().atomic(depth).await?, 0);
/// db.atomic(|| async {
///     let refused = never().atomic(depth).await;
///     assert_eq!(refused.unwrap_err().kind(), ErrorKind::TransactionOpen);
///     assert_eq!(db.build_transaction().propagation(Propagation::NotSupported).atomic(depth).await?, 0);
///     Ok(())
/// })
/// .await
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Propagation {
    /// Joins the transaction that is open, or begins one.
    Required,
    /// A savepoint in the transaction that is open, or else a transaction.
    Nested,
    /// A transaction of its own, on another connection; one that is open is suspended.
    RequiresNew,
    /// Joins the transaction that is open. Without one it is `NoTransaction`, before the body runs.
    Mandatory,
    /// Runs the body without a transaction. In one it is `TransactionOpen`, before the body runs.
    Never,
    /// Joins the transaction that is open, or runs the body without one.
    Supports,
    /// Runs the body without a transaction; one that is open is suspended.
    NotSupported,
}
