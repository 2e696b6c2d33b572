//! [`Scratch`]: a buffer for the request that is being written, reused by the next one.

use std::{
    fmt, mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The largest buffer that is kept.
const KEPT: usize = 64 << 10;

/// The buffer of one connection. If it is in use, another one is allocated.
#[derive(Default)]
pub(super) struct Scratch(Mutex<Vec<u8>>);

impl Scratch {
    fn room(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> Vec<u8> {
        mem::take(&mut *self.room())
    }

    /// Returns the buffer.
    pub(super) fn put(&self, mut room: Vec<u8>) {
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
