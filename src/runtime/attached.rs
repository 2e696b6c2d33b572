//! What hangs on a frame besides its statements: hooks, and the tasks that take part. It is made for the first of them, as there
//! is seldom one: a frame without costs one check.

use std::sync::{Arc, OnceLock};

use super::{hooks::Hooks, tasks::Tasks};

/// What hangs on one frame, whose hooks run in contexts `C`.
#[derive(Debug)]
pub(super) struct Attached<C> {
    pub(super) hooks: Hooks<C>,
    pub(super) tasks: Arc<Tasks>,
}

/// Where a frame keeps it.
#[derive(Debug)]
pub(super) struct Attachment<C>(OnceLock<Box<Attached<C>>>);

impl<C> Attachment<C> {
    pub(super) fn new() -> Self {
        Self(OnceLock::new())
    }

    /// What hangs there, if anything ever did.
    #[inline]
    pub(super) fn get(&self) -> Option<&Attached<C>> {
        self.0.get().map(|attached| &**attached)
    }

    /// As [`get`](Self::get), made now if there was nothing.
    pub(super) fn get_or_new(&self) -> &Attached<C> {
        self.0.get_or_init(|| Box::new(Attached { hooks: Hooks::default(), tasks: Arc::default() }))
    }
}
