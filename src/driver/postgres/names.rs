//! [`Names`]: what prepared statements are called, and which of them are to be closed. One that nobody has any more is closed
//! with the next message. Used by the wire and the cache.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use bytes::BytesMut;

use super::message;

/// The names of one connection.
#[derive(Debug, Default)]
pub(super) struct Names {
    next: AtomicU32,
    closed: Mutex<Vec<u32>>,
}

impl Names {
    fn closed(&self) -> MutexGuard<'_, Vec<u32>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name that no statement has had so far.
    pub(super) fn name(self: &Arc<Self>) -> Name {
        Name { number: self.next.fetch_add(1, Ordering::Relaxed), names: Arc::clone(self) }
    }

    /// Writes what closes the statements that nobody has any more.
    pub(super) fn write_closed(&self, out: &mut BytesMut) {
        for number in self.closed().drain(..) {
            message::close(&text(number), out);
        }
    }
}

/// The name of a prepared statement, which is closed when this is dropped.
#[derive(Debug)]
pub(super) struct Name {
    number: u32,
    names: Arc<Names>,
}

impl Name {
    /// As it goes over the wire.
    pub(super) fn text(&self) -> [u8; 10] {
        text(self.number)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        self.names.closed().push(self.number);
    }
}

/// Neither tokio-postgres nor anybody else calls a statement so.
fn text(number: u32) -> [u8; 10] {
    let mut text = *b"_p00000000";
    let mut rest = number;
    for digit in text[2..].iter_mut().rev() {
        *digit = b"0123456789abcdef"[(rest & 0xf) as usize];
        rest >>= 4;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_closed_once() {
        let names = Arc::new(Names::default());
        let (first, second) = (names.name(), names.name());
        assert_eq!((&first.text(), &second.text()), (b"_p00000000", b"_p00000001"));
        drop(second);
        let mut out = BytesMut::new();
        names.write_closed(&mut out);
        assert_eq!(out, &b"C\0\0\0\x10S_p00000001\0"[..]);
        names.write_closed(&mut out);
        assert_eq!(out.len(), 17);
    }
}
