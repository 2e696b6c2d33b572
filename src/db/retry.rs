//! [`Retry`]: which failures of a transaction are retried, how often, and after which pauses. It runs nothing.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    driver::random,
    error::{Error, ErrorKind, ServerClass},
};

/// Which failures of a transaction are retried, how often, and after which pauses: for
/// [`TransactionBuilder::retry`](crate::TransactionBuilder::retry), which tells the rest.
///
/// It is a value that a program can keep, and give to all of its transactions.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use nestling::{Error, blocks::Retry};
///
/// let usual = Retry::serialization().attempts(8).backoff(Duration::from_millis(5), Duration::from_millis(500));
/// let with_locks = usual.clone().lock_timeouts(true);
/// let of_my_own = usual.clone().when(|error: &Error| error.is_deadlock() || error.code() == Some("40P02"));
/// ```
#[derive(Clone)]
#[must_use = "it does nothing before a transaction has it"]
pub struct Retry {
    test: Test,
    lock_timeouts: bool,
    attempts: u32,
    first_pause: Duration,
    longest_pause: Duration,
}

/// Which errors are retried.
#[derive(Clone)]
enum Test {
    Serialization,
    Retryable,
    When(Arc<dyn Fn(&Error) -> bool + Send + Sync>),
}

impl Retry {
    fn new(test: Test) -> Self {
        let (first_pause, longest_pause) = (Duration::from_millis(10), Duration::from_secs(1));
        Self { test, lock_timeouts: false, attempts: 5, first_pause, longest_pause }
    }

    /// Retries transactions that met others: serialization failures (SQLSTATE 40001, MariaDB's 1020), deadlocks (40P01,
    /// 1213) and a busy SQLite database (`SQLITE_BUSY`, `SQLITE_BUSY_SNAPSHOT`).
    pub fn serialization() -> Self {
        Self::new(Test::Serialization)
    }

    /// Retries all that [`Error::is_retryable`] is true of: what [`serialization`](Self::serialization) does, and a server
    /// that takes no writes any more or ends its sessions, so that the next attempt goes by another connection.
    pub fn retryable() -> Self {
        Self::new(Test::Retryable)
    }

    /// Retries what a function is true of, and nothing else. Defaults to the classes that this was made for.
    ///
    /// It is asked about the error of this crate that is found in that of the body, and about those of BEGIN and COMMIT. It is
    /// never asked about a COMMIT whose outcome is unknown, nor where another retry has given up.
    pub fn when(mut self, test: impl Fn(&Error) -> bool + Send + Sync + 'static) -> Self {
        self.test = Test::When(Arc::new(test));
        self
    }

    /// Whether locks that did not come in time are retried as well: MySQL's and MariaDB's 1205 and 3572, PostgreSQL's 55P03.
    /// Defaults to `false`: the next attempt may wait as long.
    pub fn lock_timeouts(mut self, retries: bool) -> Self {
        self.lock_timeouts = retries;
        self
    }

    /// How often the transaction may run in all. Defaults to 5; 0 is a `Config` error of the transaction.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The pauses between attempts: each is random, between none and a bound that begins with `first` and doubles up to
    /// `longest`. Defaults to 10 ms and 1 s.
    ///
    /// The bound is that of *full jitter*: transactions that have met once do not go on to meet.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_pause, self.longest_pause) = (first, longest);
        self
    }

    /// Checks that the transaction may run at all.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.attempts > 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Config, "a transaction that is retried needs at least one attempt"))
    }

    /// How often the transaction may run.
    pub(super) fn most(&self) -> u32 {
        self.attempts
    }

    /// Whether an error is retried.
    pub(super) fn covers(&self, error: &Error) -> bool {
        use ServerClass::{Busy, Deadlock, LockTimeout, SerializationFailure};
        let has_class = match &self.test {
            Test::Serialization => matches!(error.class(), SerializationFailure | Deadlock | Busy),
            Test::Retryable => error.is_retryable(),
            Test::When(_) => false,
        };
        let is_asked_for = || match &self.test {
            Test::When(test) => test(error),
            Test::Serialization | Test::Retryable => false,
        };
        let is_late = self.lock_timeouts && error.class() == LockTimeout;
        error.allows_retry() && (has_class || is_late || is_asked_for())
    }

    /// The pause behind so many attempts.
    pub(super) fn pause(&self, attempts: u32) -> Duration {
        let bound = self.bound(attempts);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX - 1);
        Duration::from_nanos(random() % (nanos + 1))
    }

    fn bound(&self, attempts: u32) -> Duration {
        let doubled = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first_pause.saturating_mul(doubled).min(self.longest_pause)
    }
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serialization => "Serialization",
            Self::Retryable => "Retryable",
            Self::When(_) => "When",
        })
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { test, lock_timeouts, attempts, first_pause, longest_pause } = self;
        f.debug_struct("Retry")
            .field("test", test)
            .field("lock_timeouts", lock_timeouts)
            .field("attempts", attempts)
            .field("backoff", &(first_pause, longest_pause))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ServerError;

    fn error(class: ServerClass) -> Error {
        Error::server("a server's error", ServerError { class, ..ServerError::default() })
    }

    /// rule 52
    #[test]
    fn the_bound_doubles_up_to_the_longest_pause() {
        let retry = Retry::serialization().backoff(Duration::from_millis(10), Duration::from_millis(100));
        let bounds = [1, 2, 3, 4, 5, 32, 33, 34, 1000].map(|attempts| retry.bound(attempts).as_millis());
        assert_eq!(bounds, [10, 20, 40, 80, 100, 100, 100, 100, 100]);
        let pauses: Vec<_> = (0..100).map(|_| retry.pause(1)).collect();
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(10)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "they are random");
        let at_once = Retry::serialization().backoff(Duration::ZERO, Duration::MAX);
        assert_eq!(at_once.pause(70), Duration::ZERO);
        // Longer than there are nanoseconds in a number.
        let _no_overflow = Retry::serialization().backoff(Duration::MAX, Duration::MAX).pause(2);
    }

    /// rules 52 and 53
    #[test]
    fn each_policy_covers_its_classes() {
        use ServerClass::{Busy, Deadlock, LockTimeout, Other, SerializationFailure, UniqueViolation, WrongServer};
        let all = [SerializationFailure, Deadlock, Busy, WrongServer, LockTimeout, UniqueViolation, Other];
        let covered = |retry: Retry| all.map(|class| retry.covers(&error(class)));
        assert_eq!(covered(Retry::serialization()), [true, true, true, false, false, false, false]);
        assert_eq!(covered(Retry::serialization().lock_timeouts(true)), [true, true, true, false, true, false, false]);
        assert_eq!(covered(Retry::retryable()), [true, true, true, true, false, false, false]);
        let unique = Retry::serialization().when(Error::is_unique_violation);
        assert_eq!(covered(unique), [false, false, false, false, false, true, false]);
        let unknown = Error::new(ErrorKind::CommitUnknown, "unknown");
        assert!(!Retry::retryable().when(|_| true).covers(&unknown));
    }
}
