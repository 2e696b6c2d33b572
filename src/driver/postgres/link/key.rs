//! [`Key`]: the process id of the server, read from the login, as tokio-postgres does not expose it.

use bytes::{Buf as _, BytesMut};

use super::message::{HEAD, length};

/// The key of a session in a cancel request, without its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) process: i32,
}

/// Looks for the key among the messages of a login.
#[derive(Debug, Default)]
pub(super) struct KeyScanner {
    partial: BytesMut,
    pub(super) key: Option<Key>,
}

impl KeyScanner {
    /// Reads a part of the login.
    pub(super) fn read_message(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        while let Some(length) = length(&self.partial).filter(|length| *length <= self.partial.len()) {
            if self.partial[0] == b'K' {
                let process = self.partial[HEAD..length].first_chunk();
                self.key = process.map(|process| Key { process: i32::from_be_bytes(*process) });
            }
            self.partial.advance(length);
        }
    }

    /// The login is over.
    pub(super) fn end(&mut self) {
        self.partial = BytesMut::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_however_it_comes() {
        let login = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x07aK\0K\0\0\0\x0c\0\0\x01\x02secrZ\0\0\0\x05I";
        for size in 1..=login.len() {
            let mut scan = KeyScanner::default();
            login.chunks(size).for_each(|chunk| scan.read_message(chunk));
            assert_eq!(scan.key, Some(Key { process: 258 }), "in pieces of {size}");
        }
    }
}
