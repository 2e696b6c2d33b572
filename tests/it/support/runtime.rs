//! The runtime of one test: that of `#[tokio::test]`, made by a function in place of a macro.
//!
//! Used by the macros that run one test on several servers. A function is compiled once, the output of a macro for each
//! test and server. It must not know what a test does.

use futures_util::future::LocalBoxFuture;
use tokio::runtime::Builder;

/// How many threads a runtime has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Threads {
    /// That of the test, on which everything runs.
    One,
    /// Two workers, beside that of the test.
    Two,
}

/// Runs a test to its end.
pub(crate) fn run(threads: Threads, test: LocalBoxFuture<'_, ()>) {
    let mut builder = match threads {
        Threads::One => Builder::new_current_thread(),
        Threads::Two => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(2);
            builder
        }
    };
    builder.enable_all().build().expect("a runtime for the test").block_on(test);
}
