//! [`StatementNames`]: the names of prepared statements, and which of them are to be closed. A statement that is
//! dropped is closed with the next message.
//!
//! No two connections use the same name, in this process or another: behind a pooler a name may reach a session in
//! which another client has prepared statements, and must not run one of those.

use std::{
    hash::{BuildHasher as _, RandomState},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use super::message;

const DIGITS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-";

/// The random digits of a connection's names: 54 bits.
const RANDOM: usize = 9;

/// The longest name: one mark, the random digits, and those of a number of 36 bits.
const LONGEST: usize = 1 + RANDOM + 6;

/// The first number of a statement. Numbers of one digit are for control steps.
const FIRST: u64 = 64;

/// The names of one connection.
#[derive(Debug)]
pub(super) struct StatementNames {
    prefix: NameText,
    next: AtomicU64,
    closed: Mutex<Vec<NameText>>,
}

impl StatementNames {
    /// Names that no other connection has.
    pub(super) fn new() -> Self {
        // A forked process has the keys of its parent.
        let random = RandomState::new().hash_one((process::id(), SystemTime::now()));
        let mut prefix = NameText { bytes: [0; LONGEST], length: 0 };
        prefix.push(b'_');
        for digit in 0..RANDOM {
            prefix.push(DIGITS[(random >> (6 * digit) & 63) as usize]);
        }
        Self { prefix, next: AtomicU64::new(FIRST), closed: Mutex::default() }
    }

    fn closed(&self) -> MutexGuard<'_, Vec<NameText>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new name.
    pub(super) fn name(self: &Arc<Self>) -> StatementName {
        StatementName { text: self.once(), names: Arc::clone(self) }
    }

    /// As [`name`](Self::name), for a statement that is closed by the request that prepares it.
    pub(super) fn once(&self) -> NameText {
        let mut text = self.prefix;
        let mut rest = self.next.fetch_add(1, Ordering::Relaxed);
        while rest > 0 && text.length < LONGEST {
            text.push(DIGITS[(rest & 63) as usize]);
            rest >>= 6;
        }
        text
    }

    /// The name of a prepared step.
    pub(super) fn of_step(&self, place: u8) -> NameText {
        let mut text = self.prefix;
        text.push(DIGITS[usize::from(place & 63)]);
        text
    }

    /// Whether a message of the server contains one of these names.
    pub(super) fn stand_in(&self, text: &str) -> bool {
        text.contains(self.prefix.as_str())
    }

    /// Closes a statement with the next request.
    pub(super) fn close(&self, name: NameText) {
        self.closed().push(name);
    }

    /// Writes Close for the dropped statements. It does so too where it is unknown whether names are kept, and where
    /// they were given up: closing an unknown name is no error.
    pub(super) fn write_closed(&self, out: &mut Vec<u8>) {
        for name in self.closed().drain(..) {
            message::close(name.bytes(), out);
        }
    }
}

/// A name, as it is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameText {
    bytes: [u8; LONGEST],
    length: usize,
}

impl NameText {
    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(super) fn as_str(&self) -> &str {
        // All of its bytes are ASCII.
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }
}

/// The name of a prepared statement, which is closed when this is dropped.
#[derive(Debug)]
pub(super) struct StatementName {
    text: NameText,
    names: Arc<StatementNames>,
}

impl StatementName {
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.text.bytes()
    }
}

impl Drop for StatementName {
    fn drop(&mut self) {
        self.names.close(self.text);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_is_dropped_is_closed_once() {
        let names = Arc::new(StatementNames::new());
        let (first, second) = (names.name(), names.name());
        assert_ne!(first.bytes(), second.bytes());
        let text = second.text;
        drop(second);
        let mut out = Vec::new();
        names.write_closed(&mut out);
        assert_eq!(out, [&b"C\0\0\0\x12S"[..], text.bytes(), b"\0"].concat());
        names.write_closed(&mut out);
        assert_eq!(out.len(), 19);
        let text = first.text;
        drop(first);
        names.write_closed(&mut out);
        assert_eq!(out[19..], [&b"C\0\0\0\x12S"[..], text.bytes(), b"\0"].concat());
    }

    #[test]
    fn no_two_connections_use_one_name() {
        let all: Vec<_> = (0..100).map(|_| Arc::new(StatementNames::new())).collect();
        let mut seen = HashSet::new();
        for names in &all {
            for number in 0..200 {
                let text = if number < FIRST { names.of_step(number as u8) } else { names.once() };
                assert!(names.stand_in(&format!("statement \"{}\" is gone", text.as_str())));
                assert!(seen.insert(text.bytes().to_vec()));
            }
        }
        assert!(!all[0].stand_in(all[1].of_step(1).as_str()));
    }
}
