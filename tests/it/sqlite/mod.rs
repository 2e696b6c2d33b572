//! What SQLite alone has: one writer at a time, files that others open too, and texts that only it reads.

/// Runs a test on SQLite wherever its calls may be made: in the future that a multi-thread runtime is blocked on, on the
/// only worker of such a runtime, and on a current-thread runtime.
macro_rules! on_every_runtime {
    ($($(#[$attribute:meta])* async fn $name:ident($backend:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$attribute])*
            async fn test($backend: $crate::harness::Backend) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
            async fn blocked_on() {
                test($crate::harness::Backend::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
            async fn on_a_worker() {
                let backend = $crate::harness::Backend::sqlite().await;
                tokio::spawn(test(backend)).await.expect("it does not panic");
            }

            #[tokio::test]
            async fn on_one_thread() {
                test($crate::harness::Backend::sqlite().await).await;
            }
        }
    )+};
}

mod files;
mod other_processes;
mod texts;
mod writers;
mod writers_queue;
