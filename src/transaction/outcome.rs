//! [`TransactionEnd`]: what has become of a transaction, as it is counted and told.

use super::impact::{DriverError, Impact};
use crate::error::ErrorKind;

/// What has become of a transaction that was begun at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionEnd {
    Committed,
    RolledBack,
    /// The answer to its COMMIT is missing.
    Unknown,
    /// Its connection is lost, or was thrown away.
    Lost,
}

impl TransactionEnd {
    /// That of a COMMIT, or of a ROLLBACK.
    pub(crate) fn of(is_commit: bool, error: Option<&DriverError>) -> Self {
        match error {
            None if is_commit => Self::Committed,
            None => Self::RolledBack,
            Some(fault) if is_commit && fault.error.kind() == ErrorKind::CommitUnknown => Self::Unknown,
            Some(fault) if is_commit && !matches!(fault.impact, Impact::Connection | Impact::NotSent) => {
                Self::RolledBack
            }
            Some(_) => Self::Lost,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::Unknown => "unknown",
            Self::Lost => "lost",
        }
    }
}
