//! What came of a step, in words that the model and the real database share.

use std::collections::BTreeMap;

use nestling::{Error, ErrorKind};

use super::settings::Settings;

/// The committed rows, or those that a statement read.
pub(super) type Rows = BTreeMap<i64, String>;

/// What came of each step that was reached, by its number.
pub(super) type Record = BTreeMap<u32, Seen>;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) outcome: Outcome,
    /// `Database::depth` behind the step.
    pub(super) depth: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Done,
    Count(u64),
    Rows(Rows),
    Settings(Settings),
    /// Something was begun and kept.
    Kept,
    /// So many of the things that were kept have said that their blocks have ended.
    Closed(usize),
    Failed(Failure),
    /// A block or a statement that was dropped.
    Dropped,
    /// A block out of which a panic came.
    Panicked,
}

/// An error, as far as it is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Failure {
    /// The program's own, from the block of this step.
    Own(u32),
    /// A unique constraint was violated.
    Taken,
    /// An error that says no more than its kind.
    Plain(ErrorKind),
    /// An error that follows from an earlier one.
    Follows(ErrorKind, Cause),
}

/// What is at the bottom of a chain of errors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cause {
    Taken,
    Cancelled,
    /// A joined transaction returned an error of a type that nestling does not know.
    Joined,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let kind = error.kind();
        match std::error::Error::source(error).and_then(Error::find_in) {
            _ if kind == ErrorKind::Server && error.is_unique_violation() => Self::Taken,
            None => Self::Plain(kind),
            Some(mut bottom) => {
                while let Some(next) = std::error::Error::source(bottom).and_then(Error::find_in) {
                    bottom = next;
                }
                let cause = match bottom.kind() {
                    ErrorKind::Cancelled => Cause::Cancelled,
                    ErrorKind::RollbackOnly => Cause::Joined,
                    _ if bottom.is_unique_violation() => Cause::Taken,
                    _ => return Self::Plain(kind),
                };
                Self::Follows(kind, cause)
            }
        }
    }
}
