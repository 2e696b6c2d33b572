//! What is read is dealt out, message by message, to those who own the answers. Used by the link whenever one of its clients
//! is polled.

use std::{
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Buf as _;
use tokio::io::AsyncReadExt as _;

use super::{
    bell::{Bell, Who},
    message::{HEAD, length},
    state::{Owner, Stage, State},
    status::Status,
};
use crate::driver::postgres::told::Told;

/// How much is read at a time.
const READ: usize = 8 << 10;
/// How much may wait for one who does not take it, before nothing more is read.
const FULL: usize = 256 << 10;
/// How much room a message of a known length is given before it is here.
const ROOM: usize = 4 << 20;

impl State {
    /// Writes what can be written, reads what is there, and deals it out.
    pub(super) fn pump(&mut self, cx: &mut Context<'_>, bell: &Bell) {
        self.write(cx);
        while !self.is_ended && !self.is_stuffed() {
            match self.read(cx) {
                Poll::Ready(Ok(0)) => self.end(bell),
                Poll::Ready(Ok(_)) => self.deal(bell),
                Poll::Ready(Err(error)) => {
                    self.failure.get_or_insert_with(|| Arc::new(error));
                    self.end(bell);
                }
                Poll::Pending if self.write_failed => self.end(bell),
                Poll::Pending => break,
            }
        }
        bell.want_theirs(self.wants_theirs());
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(transport) = self.transport.as_mut() else { return Poll::Ready(Ok(0)) };
        let spare = self.input.capacity() - self.input.len();
        let missing = length(&self.input).map_or(0, |length| length.saturating_sub(self.input.len()));
        if spare < missing.min(ROOM) || spare < READ / 2 {
            self.input.reserve(missing.clamp(READ, ROOM));
        }
        pin!(transport.read_buf(&mut self.input)).poll(cx)
    }

    /// Whether the one who has what comes next does not take what is here already.
    fn is_stuffed(&self) -> bool {
        let waiting = match self.owners.front() {
            Some(Owner::Slot(slot)) => self.slots[*slot].inbox.len(),
            Some(Owner::Theirs { .. }) | None => self.theirs.len(),
            Some(Owner::Nobody) => 0,
        };
        waiting > FULL
    }

    /// Gives each message that is here as a whole to its owner.
    fn deal(&mut self, bell: &Bell) {
        let mut whole = 0;
        while let Some(length) = length(&self.input[whole..]).filter(|length| whole + length <= self.input.len()) {
            match self.input[whole] {
                // Notices, notifications and parameters come at any time, and are for the client that knows them.
                b'N' | b'A' | b'S' => {
                    self.hand_over(whole, bell);
                    let message = self.input.split_to(length);
                    self.theirs.extend_from_slice(&message);
                    bell.ring_for(Who::Theirs);
                    whole = 0;
                    continue;
                }
                b'Z' => {
                    self.status = Status::of(self.input.get(whole + HEAD).copied().unwrap_or_default());
                    self.hand_over(whole + length, bell);
                    self.answered();
                    whole = 0;
                    continue;
                }
                b'C' => self.look_at_tag(whole, length),
                b'E' => {
                    self.has_failed = true;
                    self.listen(whole, length);
                }
                b'G' => self.begin_copy(),
                _ => {}
            }
            whole += length;
        }
        self.hand_over(whole, bell);
        if self.last_words.is_some() {
            self.end(bell);
        }
    }

    /// Gives the first bytes of what was read to their owner.
    fn hand_over(&mut self, count: usize, bell: &Bell) {
        if count == 0 {
            return;
        }
        match self.owners.front() {
            Some(Owner::Slot(slot)) => {
                let piece = self.input.split_to(count);
                let inbox = &mut self.slots[*slot].inbox;
                if inbox.is_empty() {
                    *inbox = piece;
                } else {
                    inbox.unsplit(piece);
                }
                bell.ring_for(Who::Slot(*slot));
            }
            Some(Owner::Theirs { .. }) | None => {
                self.theirs.extend_from_slice(&self.input[..count]);
                self.input.advance(count);
                bell.ring_for(Who::Theirs);
            }
            Some(Owner::Nobody) => self.input.advance(count),
        }
    }

    /// A request is answered as a whole.
    fn answered(&mut self) {
        self.has_failed = false;
        match self.owners.pop_front() {
            Some(Owner::Slot(slot)) => self.slots[slot].stage = Stage::Answered,
            Some(Owner::Theirs { .. }) => {
                self.others -= 1;
                // The COPY has failed before its first Sync was passed over.
                self.is_copying = false;
            }
            Some(Owner::Nobody) => self.others -= 1,
            None => {}
        }
    }

    /// Takes note of a command that makes the server forget what was prepared.
    fn look_at_tag(&mut self, at: usize, length: usize) {
        let tag = &self.input[at + HEAD..at + length];
        self.forgotten += u64::from(tag == b"DEALLOCATE ALL\0" || tag == b"DISCARD ALL\0");
    }

    /// Takes note of an error that ends the session.
    fn listen(&mut self, at: usize, length: usize) {
        let told = Told::parse(&self.input[at + HEAD..at + length]);
        if told.ends_session() {
            self.last_words.get_or_insert(told);
        }
    }

    /// The server takes the data of a COPY, and passes over the Sync behind the request for it.
    fn begin_copy(&mut self) {
        let Some(Owner::Theirs { by_sync: true, ends_copy: false }) = self.owners.front() else { return };
        if let Some(Owner::Theirs { ends_copy: true, .. }) = self.owners.get(1) {
            // The data was given up before it was asked for: one Sync in place of two.
            self.owners.pop_front();
            self.others -= 1;
        } else {
            self.is_copying = true;
        }
    }

    fn end(&mut self, bell: &Bell) {
        self.is_ended = true;
        bell.ring_all();
    }
}
