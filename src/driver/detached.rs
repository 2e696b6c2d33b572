//! Runs requests that nothing waits for and that need no runtime of the caller: they end what a server still does for a
//! dropped connection. One thread serves all that come while it is at work, so a shutdown with a full pool starts one
//! thread. It knows no server.

use std::{
    cell::Cell,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use futures_util::{StreamExt as _, future::BoxFuture, stream};
use tokio::{
    runtime::Builder,
    sync::{
        Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    time::{sleep, timeout},
};

/// The time that one request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The time that the thread waits for more requests, once it has none.
const IDLE: Duration = Duration::from_secs(1);

/// The number of concurrent requests: each needs a further connection to a server that may have none to give.
static AT_ONCE: Semaphore = Semaphore::const_new(16);

/// The pauses ahead of the attempts of one request, in milliseconds.
const PAUSES: [u64; 5] = [0, 50, 250, 1_000, 4_000];

type Request = BoxFuture<'static, ()>;

/// The queue of the thread; `None` while there is no thread.
static QUEUE: Mutex<Option<UnboundedSender<Request>>> = Mutex::new(None);

fn queue() -> MutexGuard<'static, Option<UnboundedSender<Request>>> {
    // The one change under this lock is an assignment: a panic leaves nothing incomplete.
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a request, without waiting and without the caller's runtime, and a few times more while it says that it may
/// have had no effect. The server ends the statement sooner or later without it, so a failure is not reported.
pub(super) fn detach<F>(request: impl Fn() -> F + Send + 'static)
where
    F: Future<Output = bool> + Send + 'static,
{
    let mut request: Request = Box::pin(attempts(request));
    let mut queue = queue();
    if let Some(sender) = &*queue {
        match sender.send(request) {
            Ok(()) => return,
            // The thread has ended by a panic.
            Err(unsent) => request = unsent.0,
        }
    }
    let (sender, requests) = unbounded_channel();
    // The receiver exists, so sending cannot fail.
    let _ = sender.send(request);
    let started = thread::Builder::new().name("nestling-cancel".into()).spawn(move || serve(requests));
    *queue = started.is_ok().then_some(sender);
}

async fn attempts<F: Future<Output = bool>>(request: impl Fn() -> F) {
    for pause in PAUSES {
        sleep(Duration::from_millis(pause)).await;
        // Nobody closes it.
        let _place = AT_ONCE.acquire().await;
        match timeout(PATIENCE, request()).await {
            Ok(true) => return,
            Ok(false) => {}
            // It may have had its effect, and may not be one to be repeated.
            Err(_elapsed) => {
                tracing::debug!(target: "nestling", "a request to end a statement was not answered in time");
                return;
            }
        }
    }
}

fn serve(requests: UnboundedReceiver<Request>) {
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
        *queue() = None;
        return;
    };
    let at_work = &Cell::new(0_usize);
    let serve =
        stream::unfold(requests, |requests| next(requests, at_work)).for_each_concurrent(None, async |request| {
            request.await;
            at_work.set(at_work.get() - 1);
        });
    runtime.block_on(serve);
}

/// The next request, which is counted; `None` if there was none for a while, and none is at work.
async fn next(
    mut requests: UnboundedReceiver<Request>,
    at_work: &Cell<usize>,
) -> Option<(Request, UnboundedReceiver<Request>)> {
    let request = loop {
        match timeout(IDLE, requests.recv()).await {
            Ok(request) => break request?,
            Err(_elapsed) if at_work.get() > 0 => {}
            Err(_elapsed) => {
                // Nothing can be added under the lock: a request is either seen here, or starts the next thread.
                let mut queue = queue();
                let last = requests.try_recv().ok();
                if last.is_none() {
                    *queue = None;
                }
                drop(queue);
                break last?;
            }
        }
    };
    at_work.set(at_work.get() + 1);
    Some((request, requests))
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::channel,
    };

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_not_answered_is_not_repeated() {
        let count = async |answer: Option<bool>| {
            let made = AtomicU32::new(0);
            attempts(|| {
                made.fetch_add(1, Ordering::Relaxed);
                async move {
                    match answer {
                        Some(answer) => answer,
                        None => std::future::pending().await,
                    }
                }
            })
            .await;
            made.into_inner()
        };
        assert_eq!(count(None).await, 1);
        assert_eq!(count(Some(true)).await, 1);
        assert_eq!(count(Some(false)).await, 5);
    }

    #[test]
    fn a_thread_that_is_at_work_takes_what_comes() {
        let (tell, told) = channel();
        let release = Arc::new(Notify::new());
        let request = |waits: bool| {
            let (tell, release) = (tell.clone(), Arc::clone(&release));
            detach(move || {
                let (tell, release) = (tell.clone(), Arc::clone(&release));
                async move {
                    tell.send(thread::current().id()).unwrap();
                    if waits {
                        release.notified().await;
                    }
                    true
                }
            });
            told.recv().unwrap()
        };
        let first = request(true);
        // Nothing comes for longer than it would wait for.
        thread::sleep(IDLE * 3 / 2);
        assert_eq!(request(false), first);
        release.notify_one();
    }

    #[test]
    fn one_thread_carries_out_all_requests_item_1_5() {
        let (tell, told) = channel();
        // The thread stays meanwhile, however long the requests take to come.
        let release = Arc::new(Notify::new());
        let held = Arc::clone(&release);
        detach(move || {
            let held = Arc::clone(&held);
            async move {
                held.notified().await;
                true
            }
        });
        for _ in 0..50 {
            let tell = tell.clone();
            let attempts = AtomicU32::new(0);
            detach(move || {
                let (tell, is_last) = (tell.clone(), attempts.fetch_add(1, Ordering::Relaxed) == 1);
                async move {
                    tokio::task::yield_now().await;
                    tell.send(thread::current().id()).unwrap();
                    is_last
                }
            });
        }
        drop(tell);
        release.notify_one();
        let threads: Vec<_> = told.iter().collect();
        assert_eq!(threads, [threads[0]; 100], "each is made until it has its effect, all on one thread");
    }
}
