//! [`FrontendScanner`]: what tokio-postgres sends, cut into messages, to know what will be answered by ReadyForQuery.

use bytes::{Buf as _, BytesMut};

use super::message::length;

/// What a message of a client means for the answers that come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// A query, or a call of a function: it is answered by ReadyForQuery.
    Query,
    /// A Sync, which is answered by it too, unless the server waits for the data of a COPY; `ends_copy` tells that the data
    /// has ended right ahead of it.
    Sync { ends_copy: bool },
}

/// Cuts what is sent into messages.
#[derive(Debug, Default)]
pub(super) struct FrontendScanner {
    /// The beginning of a message whose end is still to come: nothing else may go between.
    partial: BytesMut,
    /// The last message has ended the data of a COPY.
    ends_copy: bool,
}

impl FrontendScanner {
    /// Adds what is sent to `out` as far as its messages are whole, and calls `sent` for each that has an answer.
    pub(super) fn pass(&mut self, bytes: &[u8], out: &mut BytesMut, mut sent: impl FnMut(Sent)) {
        if self.partial.is_empty() {
            let whole = self.look(bytes, &mut sent);
            out.extend_from_slice(&bytes[..whole]);
            self.partial.extend_from_slice(&bytes[whole..]);
            return;
        }
        let mut all = std::mem::take(&mut self.partial);
        all.extend_from_slice(bytes);
        let whole = self.look(&all, &mut sent);
        out.extend_from_slice(&all[..whole]);
        all.advance(whole);
        self.partial = all;
    }

    /// How many bytes of whole messages there are.
    fn look(&mut self, bytes: &[u8], sent: &mut impl FnMut(Sent)) -> usize {
        let mut at = 0;
        while let Some(length) = length(&bytes[at..]).filter(|length| at + length <= bytes.len()) {
            let tag = bytes[at];
            match tag {
                b'Q' | b'F' => sent(Sent::Query),
                b'S' => sent(Sent::Sync { ends_copy: self.ends_copy }),
                _ => {}
            }
            self.ends_copy = matches!(tag, b'c' | b'f');
            at += length;
        }
        at
    }
}
