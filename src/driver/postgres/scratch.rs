//! [`Scratch`]: room for the request that is being written, which is used again for the next.

use std::{
    fmt, mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::BytesMut;

/// How much room is kept.
const KEPT: usize = 64 << 10;

/// The room of one connection. Who finds it taken has some of its own.
#[derive(Default)]
pub(super) struct Scratch(Mutex<BytesMut>);

impl Scratch {
    fn room(&self) -> MutexGuard<'_, BytesMut> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> BytesMut {
        mem::take(&mut *self.room())
    }

    /// Gives the room back.
    pub(super) fn put(&self, mut room: BytesMut) {
        if room.capacity() <= KEPT {
            room.clear();
            *self.room() = room;
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}
