//! Suites of random cases on every back end: the cut at every byte of a conversation, the storm of cancellations, the one from
//! outside, and the process that is killed. The random programs (`programs.rs`) are the fifth; they use the same seeds.
//!
//! - `NESTLING_SEED`: the seed of the first case; the next case has the next number. Without it the first seed is random. A
//!   case that fails prints its seed and the command that repeats it. The same seed makes the same decisions; how tasks,
//!   threads and servers interleave is not part of it.
//! - `NESTLING_SUITE_SECONDS`: how long each test of a suite goes on. Without it each runs a small number of cases.
//!
//! `just suites 300` runs each test of the suites for five minutes.

mod cut;
mod killed;
mod outside;
pub(crate) mod seed;
pub(crate) mod storm;

/// Runs an `async fn` on every back end, on a runtime of several threads and on one of a single thread.
macro_rules! suite_on_every_backend {
    ($name:ident) => {
        suite_on_every_server!($name);

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn sqlite() {
            $name($crate::harness::Backend::sqlite().await).await;
        }

        #[tokio::test]
        async fn sqlite_on_one_thread() {
            $name($crate::harness::Backend::sqlite().await).await;
        }
    };
}

/// As [`suite_on_every_backend`], on the servers alone.
macro_rules! suite_on_every_server {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn postgres() {
            $name($crate::harness::Backend::postgres().await).await;
        }

        #[tokio::test]
        async fn postgres_on_one_thread() {
            $name($crate::harness::Backend::postgres().await).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn mariadb() {
            $name($crate::harness::Backend::mariadb().await).await;
        }

        #[tokio::test]
        async fn mariadb_on_one_thread() {
            $name($crate::harness::Backend::mariadb().await).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn mysql9() {
            $name($crate::harness::Backend::mysql().await).await;
        }

        #[tokio::test]
        async fn mysql9_on_one_thread() {
            $name($crate::harness::Backend::mysql().await).await;
        }
    };
}

use {suite_on_every_backend, suite_on_every_server};
