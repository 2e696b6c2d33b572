//! [`Engine`]: a thread that drives a tokio runtime, while futures are polled on the caller's thread, which is parked
//! between polls.

use std::{
    cell::Cell,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::sync_channel,
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::{
    runtime::{Builder, Handle, RuntimeFlavor},
    sync::oneshot,
    task::unconstrained,
};

use crate::error::{Error, ErrorKind};

/// How long the shutdown of the runtime waits for blocking work, such as the lookup of a host's name.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

thread_local! {
    static IS_ENGINE_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Whether the current thread drives the runtime of an engine. It must not wait for itself.
pub(super) fn is_engine_thread() -> bool {
    IS_ENGINE_THREAD.get()
}

/// A runtime, driven by a thread of its own until this is dropped.
pub(super) struct Engine {
    handle: Handle,
    /// Sends the last future to the thread, which then ends. A drop of the sender ends it too.
    stop: Mutex<Option<oneshot::Sender<BoxFuture<'static, ()>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// Starts the thread.
    ///
    /// # Errors
    /// `NoRuntime` if the thread or the runtime cannot be started.
    pub(super) fn start() -> Result<Self, Error> {
        let failed = |source| {
            Error::new(ErrorKind::NoRuntime, "the thread for blocking calls could not be started").with_source(source)
        };
        let (started, handle) = sync_channel(1);
        let (stop, stopped) = oneshot::channel::<BoxFuture<'static, ()>>();
        // The runtime is made and dropped by the thread: the caller may be within another runtime, where a drop would panic.
        let thread = thread::Builder::new().name("nestling-sync".into()).spawn(move || {
            IS_ENGINE_THREAD.set(true);
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                // The receiver may be gone.
                Err(error) => return drop(started.send(Err(error))),
            };
            let _ = started.send(Ok(runtime.handle().clone()));
            runtime.block_on(async {
                if let Ok(last) = stopped.await {
                    last.await;
                }
            });
            runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
        });
        let thread = thread.map_err(failed)?;
        let gone = |_| failed(std::io::Error::other("it has ended"));
        let handle = handle.recv().map_err(gone)?.map_err(failed)?;
        Ok(Self { handle, stop: Mutex::new(Some(stop)), thread: Mutex::new(Some(thread)) })
    }

    /// Polls a future on the current thread until it is ready. What it spawns and waits for is driven by the engine.
    pub(super) fn run<F: Future>(&self, future: F) -> F::Output {
        blocking(|| {
            let _entered = self.handle.enter();
            // The coop budget of an outer task would run out here, and nothing would renew it.
            park_on(unconstrained(future))
        })
    }

    /// Stops the thread after a last future. Calls that are still under way end in errors.
    pub(super) fn stop_after(&self, last: BoxFuture<'static, ()>) {
        if let Some(stop) = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // An error means that the thread has ended already.
            let _ = stop.send(last);
        }
    }

    /// Waits until the thread has ended, after `stop_after`.
    pub(super) fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the thread has ended it too.
            let _ = blocking(|| thread.join());
        }
    }
}

/// Waits until the current runtime has at most so many tasks, or until the time is up.
pub(super) async fn wait_for_tasks(tasks: usize, patience: Duration) {
    let start = Instant::now();
    while Handle::current().metrics().num_alive_tasks() > tasks && start.elapsed() < patience {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Runs work that blocks the current thread. A multi-thread runtime goes on with another worker.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    // `block_in_place` is useless on a thread that is no worker, and panics in a `LocalSet`.
    if matches!(flavor, Ok(RuntimeFlavor::MultiThread)) && tokio::runtime::worker_index().is_some() {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

/// Wakes a thread that waits for a future.
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }
}

fn park_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&unpark));
    loop {
        if let Poll::Ready(out) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return out;
        }
        // Other code may park and unpark this thread: only the flag is proof of a wake-up.
        while !unpark.woken.swap(false, Ordering::AcqRel) {
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(handle: &Handle) -> bool {
        (0..500).any(|_| {
            thread::sleep(Duration::from_millis(10));
            // A runtime that has ended ends a new task on the spot.
            let probe = handle.spawn(std::future::pending::<()>());
            probe.is_finished() || {
                probe.abort();
                false
            }
        })
    }

    #[test]
    fn futures_that_wait_for_clocks_and_tasks_are_run_on_the_callers_thread() {
        let engine = Engine::start().unwrap();
        let here = thread::current().id();
        let there = engine.run(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert_eq!(thread::current().id(), here);
            let task = tokio::spawn(async { (thread::current().id(), is_engine_thread()) });
            task.await.unwrap()
        });
        assert!(there.0 != here && there.1, "what is spawned is driven by the engine");
        // What runs within a call may call again.
        assert_eq!(
            engine.run(async {
                engine.run(async {
                    tokio::task::yield_now().await;
                    7
                })
            }),
            7
        );
    }

    #[test]
    fn the_thread_ends_with_the_engine() {
        let engine = Engine::start().unwrap();
        let handle = engine.handle.clone();
        assert!(!handle.spawn(std::future::pending::<()>()).is_finished());
        drop(engine);
        assert!(ended(&handle), "dropped");
        let engine = Engine::start().unwrap();
        let (done, finished) = sync_channel(1);
        engine.stop_after(Box::pin(async move { done.send(()).unwrap() }));
        engine.join();
        finished.try_recv().expect("the last thing was done before the thread ended");
        assert!(ended(&engine.handle), "stopped");
    }
}
