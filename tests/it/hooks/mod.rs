//! Hooks on the end of a transaction: their order and fate, what happens when they fail, and when their caller is dropped.
//! Section F.

mod dropped;
mod failing;
mod fate;
mod inside;
mod order;

use std::{
    fmt::Display,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::support::waits::PATIENCE;

/// What hooks have told, in its order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn add(&self, entry: impl Display) {
        self.0.lock().unwrap().push(entry.to_string());
    }

    /// A hook that writes one entry.
    fn entry(&self, entry: impl Display) -> impl FnOnce() -> std::future::Ready<()> + Send + 'static {
        let (diary, entry) = (self.clone(), entry.to_string());
        move || {
            diary.add(entry);
            std::future::ready(())
        }
    }

    fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// Waits until all hooks that write here have run or are dropped: they hold it.
    async fn settled(&self) {
        let start = Instant::now();
        while Arc::strong_count(&self.0) > 1 {
            assert!(start.elapsed() < PATIENCE, "a hook is left: {:?}", self.entries());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits for so many entries: hooks of a dropped block run in a task of their own.
    async fn comes_to(&self, count: usize) -> Vec<String> {
        let start = Instant::now();
        while self.entries().len() < count {
            assert!(start.elapsed() < PATIENCE, "only {:?}", self.entries());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.take()
    }
}
