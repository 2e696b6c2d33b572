//! What an error says of retries: whether a retry may run the transaction again, and how often one ran that failed for good.

use std::error::Error as StdError;

use super::{Error, ErrorKind};

impl Error {
    /// The error of a transaction that failed as often as it may.
    pub(crate) fn retries_exhausted(attempts: u32, last: Box<dyn StdError + Send + Sync>) -> Self {
        let text = match attempts {
            1 => "the transaction failed in its only attempt".into(),
            _ => format!("the transaction failed in all of its {attempts} attempts"),
        };
        Self::new(ErrorKind::RetriesExhausted, text).change(|inner| {
            inner.attempts = Some(attempts);
            inner.source = Some(last.into());
        })
    }

    /// How often a transaction ran that was retried and failed for good: of errors of the kind
    /// [`RetriesExhausted`](ErrorKind::RetriesExhausted), and of those that have one as their source.
    #[must_use]
    pub fn attempts(&self) -> Option<u32> {
        self.chain().find_map(|error| error.0.attempts)
    }

    /// Whether a retry may run the transaction again, if it retries errors of this class: not where a COMMIT may have taken
    /// effect, and not where another retry has given up, as attempts would multiply.
    pub(crate) fn allows_retry(&self) -> bool {
        !self.chain().any(|error| {
            matches!(error.0.kind, ErrorKind::CommitUnknown | ErrorKind::HookFailed | ErrorKind::RetriesExhausted)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;
    use crate::error::{ServerClass, ServerError};

    /// An error of a program around one of ours.
    #[derive(Debug)]
    struct Theirs(Error);

    impl fmt::Display for Theirs {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("theirs")
        }
    }

    impl StdError for Theirs {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    fn deadlock() -> Error {
        let server = ServerError { class: ServerClass::Deadlock, code: Some("40P01".into()), ..ServerError::default() };
        Error::server("deadlock detected", server)
    }

    /// rules 52 and 53
    #[test]
    fn the_last_error_is_seen_through_the_callers_own() {
        let exhausted = Error::retries_exhausted(3, Box::new(Theirs(deadlock())));
        assert_eq!((exhausted.kind(), exhausted.attempts()), (ErrorKind::RetriesExhausted, Some(3)));
        assert!(exhausted.is_deadlock() && exhausted.is_retryable());
        assert_eq!(exhausted.code(), Some("40P01"));
        let source = StdError::source(&exhausted).expect("the last error");
        assert!(source.is::<Theirs>());
        assert_eq!(exhausted.to_string(), "the transaction failed in all of its 3 attempts");
        let outer = Error::new(ErrorKind::RolledBack, "outer").with_source(Theirs(exhausted));
        assert_eq!(outer.attempts(), Some(3));
        assert_eq!(deadlock().attempts(), None);
    }

    /// rule 52
    #[test]
    fn what_may_have_been_committed_or_was_given_up_is_not_retried() {
        assert!(deadlock().allows_retry());
        for kind in [ErrorKind::CommitUnknown, ErrorKind::RetriesExhausted] {
            let inner = Error::new(kind, "inner").with_source(deadlock());
            assert!(!inner.allows_retry());
            assert!(!Error::new(ErrorKind::RolledBack, "outer").with_source(Theirs(inner)).allows_retry());
        }
    }
}
