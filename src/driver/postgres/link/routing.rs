//! Reads the socket and routes each message to the owner of the answer. Used by the link whenever one of its clients is
//! polled.

use std::{
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Buf as _;
use tokio::io::AsyncReadExt as _;

use super::{
    message::{HEAD, length},
    state::{AnswerOwner, SlotState, State},
    status::ReadyStatus,
    waker_set::{Waiter, WakerSet},
};
use crate::driver::postgres::error_response::ErrorResponse;

/// The bytes that are read at a time.
const READ: usize = 8 << 10;
/// The bytes that may wait for an owner that does not take them, before reading stops.
const BACKLOG: usize = 256 << 10;
/// The buffer that a message of known length is given in advance.
const ROOM: usize = 4 << 20;

impl State {
    /// Writes what can be written, and reads and routes what was received.
    pub(super) fn pump(&mut self, cx: &mut Context<'_>, wakers: &WakerSet) {
        self.write(cx);
        let is_quiet = self.quiet_since == Some(wakers.wake_count()) && !self.write_failed;
        while !is_quiet && !self.is_ended && !self.is_backlogged() {
            self.quiet_since = None;
            let since = wakers.wake_count();
            match self.read(cx) {
                Poll::Ready(Ok(0)) => self.end(wakers),
                Poll::Ready(Ok(_)) => self.route(wakers),
                Poll::Ready(Err(error)) => {
                    self.failure.get_or_insert_with(|| Arc::new(error));
                    self.end(wakers);
                }
                Poll::Pending if self.write_failed => self.end(wakers),
                Poll::Pending => {
                    self.quiet_since = Some(since);
                    break;
                }
            }
        }
        wakers.want_native(self.wants_native());
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

    /// Whether the owner of the next message does not take what was received already.
    fn is_backlogged(&self) -> bool {
        let waiting = match self.owners.front() {
            Some(AnswerOwner::Slot(slot)) => self.slots[*slot].inbox.len(),
            Some(AnswerOwner::Native { .. }) | None => self.native.len(),
            Some(AnswerOwner::Discarded) => 0,
        };
        waiting > BACKLOG
    }

    /// Routes each complete message to its owner.
    fn route(&mut self, wakers: &WakerSet) {
        let mut whole = 0;
        while let Some(length) = length(&self.input[whole..]).filter(|length| whole + length <= self.input.len()) {
            match self.input[whole] {
                // Notices, notifications and parameters come at any time, and belong to tokio-postgres.
                b'N' | b'A' | b'S' => {
                    self.deliver(whole, wakers);
                    let message = self.input.split_to(length);
                    self.native.extend_from_slice(&message);
                    wakers.wake(Waiter::Native);
                    whole = 0;
                    continue;
                }
                b'Z' => {
                    self.ready = ReadyStatus::of(self.input.get(whole + HEAD).copied().unwrap_or_default());
                    self.deliver(whole + length, wakers);
                    self.finish_request();
                    whole = 0;
                    continue;
                }
                b'C' => self.note_command_tag(whole, length),
                b'E' => {
                    self.has_failed = true;
                    self.note_fatal_error(whole, length);
                }
                b'G' => self.begin_copy(),
                _ => {}
            }
            whole += length;
        }
        self.deliver(whole, wakers);
        if self.fatal_error.is_some() {
            self.end(wakers);
        }
    }

    /// Delivers the first bytes of the input to their owner.
    fn deliver(&mut self, count: usize, wakers: &WakerSet) {
        if count == 0 {
            return;
        }
        match self.owners.front() {
            Some(AnswerOwner::Slot(slot)) => {
                let piece = self.input.split_to(count);
                let inbox = &mut self.slots[*slot].inbox;
                if inbox.is_empty() {
                    *inbox = piece;
                } else {
                    inbox.unsplit(piece);
                }
                wakers.wake(Waiter::Slot(*slot));
            }
            Some(AnswerOwner::Native { .. }) | None => {
                self.native.extend_from_slice(&self.input[..count]);
                self.input.advance(count);
                wakers.wake(Waiter::Native);
            }
            Some(AnswerOwner::Discarded) => self.input.advance(count),
        }
    }

    /// A request is answered completely.
    fn finish_request(&mut self) {
        self.has_failed = false;
        match self.owners.pop_front() {
            Some(AnswerOwner::Slot(slot)) => self.slots[slot].state = SlotState::Complete,
            Some(AnswerOwner::Native { .. }) => {
                self.others -= 1;
                // The COPY has failed before its first Sync was ignored.
                self.is_copying = false;
            }
            Some(AnswerOwner::Discarded) => self.others -= 1,
            None => {}
        }
    }

    /// Notes a command that drops all prepared statements.
    fn note_command_tag(&mut self, at: usize, length: usize) {
        let tag = &self.input[at + HEAD..at + length];
        self.deallocations += u64::from(tag == b"DEALLOCATE ALL\0" || tag == b"DISCARD ALL\0");
    }

    /// Notes an error that ends the session.
    fn note_fatal_error(&mut self, at: usize, length: usize) {
        let response = ErrorResponse::parse(&self.input[at + HEAD..at + length]);
        if response.ends_session() {
            self.fatal_error.get_or_insert(response);
        }
    }

    /// The server expects the data of a COPY, and ignores the Sync behind the request for it.
    fn begin_copy(&mut self) {
        let Some(AnswerOwner::Native { by_sync: true, ends_copy: false }) = self.owners.front() else { return };
        if let Some(AnswerOwner::Native { ends_copy: true, .. }) = self.owners.get(1) {
            // The client gave the data up before it was requested: one Sync instead of two.
            self.owners.pop_front();
            self.others -= 1;
        } else {
            self.is_copying = true;
        }
    }

    fn end(&mut self, wakers: &WakerSet) {
        self.is_ended = true;
        wakers.wake_all();
    }
}
