//! A lease: one connection, borrowed from the pool. It goes back idle, or it is thrown away, in whatever way its user
//! came to an end.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, task::JoinHandle, time::timeout};

use super::{
    database::Inner,
    line::Place,
    slot::Borrowed,
    trace::{self, Observed},
};
use crate::{
    control::Control,
    driver::{Connection, State},
    fault::{Fault, NoDebt, Sparing},
};

/// How long a connection may take to become idle before it is thrown away.
const PATIENCE: Duration = Duration::from_secs(5);

/// A borrowed connection.
pub(super) struct Lease {
    /// With a connection in it.
    place: Option<Place>,
    /// How many answers have come over it.
    answers: AtomicU64,
    condemned: AtomicBool,
    user: OnceLock<User>,
}

/// Whose transaction may have to be rolled back when the connection is given back: for the statistics and the traces.
struct User {
    inner: Arc<Inner>,
    name: Option<Arc<str>>,
}

impl Lease {
    /// The place must have its connection.
    pub(super) fn new(mut place: Place) -> Self {
        place.borrowed.iter_mut().for_each(Borrowed::arrive);
        Self {
            place: Some(place),
            answers: AtomicU64::new(0),
            condemned: AtomicBool::new(false),
            user: OnceLock::new(),
        }
    }

    fn borrowed(&self) -> &Borrowed {
        let borrowed = self.place.as_ref().and_then(|place| place.borrowed.as_ref());
        borrowed.expect("only the drop takes the connection out")
    }

    pub(super) fn connection(&self) -> &dyn Connection {
        &*self.borrowed().connection
    }

    /// Whether the database was closed since the connection was asked for.
    pub(super) fn is_late(&self) -> bool {
        self.place.as_ref().is_none_or(Place::is_late)
    }

    /// An answer came, good or bad: from now on a loss of the connection loses work.
    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn has_answers(&self) -> bool {
        self.answers.load(Ordering::Acquire) > 0
    }

    /// The block that had it has ended; its transaction is called `name`.
    pub(super) fn left_by(&self, inner: &Arc<Inner>, name: Option<Arc<str>>) {
        // A session is left once.
        let _ = self.user.set(User { inner: Arc::clone(inner), name });
    }

    /// The runtime that the connection was borrowed on, where whatever must still be waited for goes on.
    pub(super) fn handle(&self) -> &Handle {
        self.borrowed().handle()
    }

    /// Whether the connection can go back as it is.
    pub(super) fn is_clean(&self) -> bool {
        matches!(self.connection().state(), State::Idle | State::Broken)
    }

    /// Gives the connection back, and waits until what was left behind on it is undone.
    ///
    /// # Cancel safety
    /// Dropped, it is undone all the same.
    pub(super) async fn clean(mut self) {
        if let Some(under_way) = self.give_back() {
            // It ends early at the end of its runtime alone, which nobody outlives here.
            let _ = under_way.await;
        }
    }

    /// Gives the connection back. What is still to be done with it first goes on in a task.
    fn give_back(&mut self) -> Option<JoinHandle<()>> {
        let mut place = self.place.take()?;
        let borrowed = place.borrowed.as_mut()?;
        borrowed.condemned |= *self.condemned.get_mut();
        if borrowed.condemned {
            return None;
        }
        match borrowed.connection.state() {
            State::Idle | State::Broken => None,
            State::Transaction | State::Handled | State::Busy => {
                let handle = borrowed.handle().clone();
                Some(handle.spawn(clean_up(place, self.user.take())))
            }
        }
    }

    /// The connection is thrown away at its return.
    pub(super) fn condemn(&self) {
        self.condemned.store(true, Ordering::Release);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.give_back());
    }
}

/// Makes a connection idle: stops what runs, rolls back. What does not become idle in time is thrown away.
async fn clean_up(mut place: Place, user: Option<User>) {
    let Some(borrowed) = &mut place.borrowed else { return };
    // Should the runtime end meanwhile, this is dropped half-way: the state then tells that it is not idle.
    let cleaned = timeout(PATIENCE, async {
        let connection = &*borrowed.connection;
        if connection.state() == State::Busy {
            connection.cancel(Sparing::Nothing).await;
        }
        // The first ends what is open, the second resets what the native client has left.
        for _ in 0..2 {
            if !matches!(connection.state(), State::Idle | State::Broken) {
                roll_back(connection, user.as_ref()).await?;
            }
        }
        Ok::<_, Fault>(connection.state() == State::Idle)
    });
    let outcome = cleaned.await;
    if !matches!(outcome, Ok(Ok(true))) {
        tracing::debug!(target: "nestling", "a connection could not be made idle and is thrown away");
        borrowed.condemned = true;
    }
}

async fn roll_back(connection: &dyn Connection, user: Option<&User>) -> Result<(), Fault> {
    let steps = [Control::Rollback];
    match user {
        Some(User { inner, name }) => {
            let observed = Observed::new(&NoDebt, inner, None);
            trace::ending(inner, name.as_deref(), &steps, connection.control(&observed, &steps)).await
        }
        None => connection.control(&NoDebt, &steps).await,
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let borrowed = self.place.as_ref().and_then(|place| place.borrowed.as_ref());
        f.debug_struct("Lease").field("connection", &borrowed.map(|one| one.connection.state())).finish()
    }
}
