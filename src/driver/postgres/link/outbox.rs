//! [`Outbox`]: the bytes that are to be written to the socket.

/// The largest buffer that is kept.
const KEPT: usize = 64 << 10;

/// What is to be written: a `Vec`, as appending a few bytes to it is inlined, and appending to a `BytesMut` is a call.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// The number of bytes that are written.
    written: usize,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// The bytes that are not written yet.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The buffer, to append to it.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// So many more bytes are written. Each byte is moved once at most, however small the pieces are.
    pub(super) fn advance(&mut self, count: usize) {
        self.written += count;
        if self.is_empty() {
            self.clear();
        } else if self.written > KEPT && self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    /// Drops what is not written.
    pub(super) fn clear(&mut self) {
        self.written = 0;
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let (mut outbox, mut sent, mut received, mut state) = (Outbox::default(), Vec::new(), Vec::new(), 7_usize);
        for round in 0..400 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let more = vec![round as u8; (state >> 33) % 3000];
            sent.extend_from_slice(&more);
            outbox.room().extend_from_slice(&more);
            let count = ((state >> 17) % 2000).min(outbox.rest().len());
            received.extend_from_slice(&outbox.rest()[..count]);
            outbox.advance(count);
            assert!(outbox.bytes.len() <= 2 * outbox.rest().len() + KEPT, "what is written is not kept");
        }
        assert!(outbox.rest().len() > KEPT, "it was under pressure");
        received.extend_from_slice(outbox.rest());
        outbox.advance(outbox.rest().len());
        assert_eq!(received, sent);
        assert!(outbox.is_empty() && outbox.bytes.capacity() <= KEPT);
    }
}
