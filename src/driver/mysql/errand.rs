//! An errand: a command that is under way, from its sending to its last answer. Whoever began it polls it; but nobody
//! else reads its answer, so that whoever waits for the connection must be able to see it through too: the beginner may
//! have been dropped, or be a future that nobody polls any more.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::wire::Wire;
use crate::{fault::Fault, outlive::Outlive};

pub(super) type Turn = OwnedMutexGuard<Wire>;

/// A command under way, for others than its beginner.
#[derive(Clone)]
pub(super) struct Errand {
    drive: Shared<BoxFuture<'static, ()>>,
    parked: Parked,
}

/// The turn of an errand that has ended, until its beginner takes it back.
#[derive(Clone, Default)]
struct Parked(Arc<Mutex<Option<Turn>>>);

impl Parked {
    fn put(&self, turn: Turn) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
    }

    fn take(&self) -> Option<Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The end of the beginner, who takes the turn back, or gives it up when dropped.
pub(super) struct Begun<T: Send + 'static> {
    drive: Outlive<()>,
    told: oneshot::Receiver<Result<T, Fault>>,
    parked: Parked,
}

/// Begins an errand: both ends of it. Nothing is sent before one of them is polled.
pub(super) fn begin<T, W>(mut turn: Turn, work: W) -> (Errand, Begun<T>)
where
    T: Send + 'static,
    W: for<'w> FnOnce(&'w mut Wire) -> BoxFuture<'w, Result<T, Fault>> + Send + 'static,
{
    let (tell, told) = oneshot::channel();
    let parked = Parked::default();
    let place = parked.clone();
    let whole = async move {
        let result = work(&mut turn).await;
        // Before it is told: whoever hears of the end finds the turn.
        place.put(turn);
        if tell.send(result).is_err() {
            drop(place.take());
        }
    };
    let drive = whole.boxed().shared();
    let errand = Errand { drive: drive.clone(), parked: parked.clone() };
    (errand, Begun { drive: Outlive::new(drive.boxed()), told, parked })
}

impl Errand {
    /// Sees the errand through, and takes its turn if `is_due` says so and its beginner has not.
    pub(super) async fn see_through(self, is_due: impl Fn() -> bool) -> Option<Turn> {
        self.drive.await;
        if is_due() { self.parked.take() } else { None }
    }
}

impl<T: Send + 'static> Begun<T> {
    /// Waits for the end: what came of it, and the turn, unless somebody else has taken it.
    pub(super) async fn end(mut self) -> Option<(Result<T, Fault>, Option<Turn>)> {
        (&mut self.drive).await;
        let result = self.told.try_recv().ok()?;
        Some((result, self.parked.take()))
    }
}

impl<T: Send + 'static> Drop for Begun<T> {
    fn drop(&mut self) {
        self.told.close();
        drop(self.parked.take());
    }
}
