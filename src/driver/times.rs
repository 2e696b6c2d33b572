//! Times as servers count them. Used where settings are made and where they become text; it knows no dialect.

use std::time::Duration;

/// The time for which a transaction may be idle on MariaDB, in milliseconds; MySQL has none. No variable has this name either.
pub(crate) const IDLE_TIME: &str = "idle time";

/// The time of a statement on MySQL and MariaDB, which have different variables for it: in milliseconds. No variable has
/// this name; the driver puts that of its server in place of it.
pub(crate) const STATEMENT_TIME: &str = "statement time";

/// A time for a server that counts in whole milliseconds, to which none means no limit.
pub(crate) fn millis(time: Duration) -> u64 {
    let whole = u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    whole.clamp(1, i32::MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_never_none_at_the_server_rule_54() {
        let micros = [0, 1, 1_000, 1_001, 2_500_000].map(Duration::from_micros);
        assert_eq!(micros.map(millis), [1, 1, 1, 2, 2_500]);
        // The largest that PostgreSQL takes.
        assert_eq!(millis(Duration::MAX), 2_147_483_647);
    }
}
