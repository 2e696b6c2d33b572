//! Waits for something that is seen by looking at it again and again: each has an end, so that what never comes is a failed test
//! that says what it waited for, and not a run that hangs.

use std::time::Duration;

/// How long anything may take that must come to be: more than a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits while a condition, which may await, holds: `wait_while!(db.stats().idle < 2)`. `by yielding` it does so without a timer;
/// with a block, that is done each time.
macro_rules! wait_while {
    ($condition:expr) => {
        wait_while!(@ $condition, tokio::time::sleep(std::time::Duration::from_millis(2)))
    };
    ($condition:expr, by yielding) => {
        wait_while!(@ $condition, tokio::task::yield_now())
    };
    ($condition:expr, $each:block) => {
        wait_while!(@ $condition, async { $each })
    };
    (@ $condition:expr, $pause:expr) => {{
        let start = std::time::Instant::now();
        while $condition {
            assert!(start.elapsed() < $crate::support::waits::PATIENCE, "in vain: still {}", stringify!($condition));
            $pause.await;
        }
    }};
}
