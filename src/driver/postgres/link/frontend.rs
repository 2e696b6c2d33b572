//! [`FrontendScanner`]: cuts what tokio-postgres sends into messages, to know which of them will be answered by
//! ReadyForQuery.

use bytes::{Buf as _, BytesMut};

use super::message::length;

/// What a message of the client means for the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// A query, or a function call: it is answered by ReadyForQuery.
    Query,
    /// A Sync, which is answered by ReadyForQuery too, unless the server waits for the data of a COPY; `ends_copy`
    /// tells that the data has ended right ahead of it.
    Sync { ends_copy: bool },
}

/// Cuts what is sent into messages.
#[derive(Debug, Default)]
pub(super) struct FrontendScanner {
    /// The beginning of an incomplete message: nothing else may be sent in between.
    partial: BytesMut,
    /// The last message has ended the data of a COPY.
    ends_copy: bool,
}

impl FrontendScanner {
    /// Appends the complete messages to `out`, and calls `sent` for each that has an answer.
    pub(super) fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>, mut sent: impl FnMut(Sent)) {
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

    /// The number of bytes of complete messages.
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
