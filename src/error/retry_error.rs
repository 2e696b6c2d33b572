//! [`RetryError`]: the error types that a retried body may return, and how the error of this crate is found in them.

use std::{error::Error as StdError, ops::Deref};

use super::Error;

/// An error type in which a retry finds the [`Error`] of this crate, by [`source`](StdError::source).
///
/// It is implemented for
/// - each type that implements [`std::error::Error`], is `Send + Sync + 'static`, and can be made from an [`Error`]: an enum
///   by `thiserror`, for instance, whose variant has the [`Error`] as its `#[from]` or `#[source]`; and [`Error`] itself;
/// - each type that dereferences to `dyn std::error::Error + Send + Sync` and can be made from an [`Error`]:
///   `Box<dyn std::error::Error + Send + Sync>`, `anyhow::Error` and `eyre::Report`.
///
/// `How` tells the two apart, and is inferred. A type that is neither, as a newtype around `anyhow::Error` without
/// `std::error::Error`, can implement it with `()` for `How`.
///
/// # Examples
/// ```
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// use nestling::{Database, Error, blocks::{Retry, RetryError}};
///
/// struct AppError(Box<dyn std::error::Error + Send + Sync>);      // an answer of a web service, say
///
/// impl From<Error> for AppError {
///     fn from(error: Error) -> Self {
///         Self(error.into())
///     }
/// }
///
/// impl RetryError<()> for AppError {
///     fn as_error(&self) -> &(dyn std::error::Error + 'static) {
///         &*self.0
///     }
///
///     fn into_source(self) -> Box<dyn std::error::Error + Send + Sync> {
///         self.0
///     }
/// }
///
/// let db = Database::open("sqlite::memory:")?;
/// let seven = db.build_transaction().retry(Retry::serialization()).atomic(|| async { Ok::<_, AppError>(7) }).await;
/// assert!(seven.is_ok_and(|seven| seven == 7));
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "a retry cannot look for errors of the database in `{Self}`",
    note = "it needs `From<nestling::Error>`, and `std::error::Error + Send + Sync + 'static` or \
            `Deref<Target = dyn std::error::Error + Send + Sync>`, or an implementation of `RetryError<()>`"
)]
pub trait RetryError<How>: From<Error> + 'static {
    /// The error in whose sources the error of this crate is looked for.
    fn as_error(&self) -> &(dyn StdError + 'static);

    /// The error as the source of another one.
    fn into_source(self) -> Box<dyn StdError + Send + Sync>;
}

/// An error by itself.
#[derive(Debug)]
pub enum Plain {}

/// A pointer to an error.
#[derive(Debug)]
pub enum Pointer {}

impl<E: From<Error> + StdError + Send + Sync + 'static> RetryError<Plain> for E {
    fn as_error(&self) -> &(dyn StdError + 'static) {
        self
    }

    fn into_source(self) -> Box<dyn StdError + Send + Sync> {
        Box::new(self)
    }
}

impl<E> RetryError<Pointer> for E
where
    E: From<Error>
        + Deref<Target = dyn StdError + Send + Sync + 'static>
        + Into<Box<dyn StdError + Send + Sync>>
        + 'static,
{
    fn as_error(&self) -> &(dyn StdError + 'static) {
        &**self
    }

    fn into_source(self) -> Box<dyn StdError + Send + Sync> {
        self.into()
    }
}
