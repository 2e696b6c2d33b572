//! [`State`]: the bytes on their way in both directions, and whose the answers are that are still to come. Answers come in
//! the order of the requests, so the first of the owners has whatever comes next, up to ReadyForQuery; `routing.rs` deals them out.

use std::{
    collections::VecDeque,
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_postgres::tls::ChannelBinding;

use super::{
    frontend::{FrontendScanner, Sent},
    key::{Key, KeyScanner},
    status::{LinkStatus, ReadyStatus, Transport},
    waker_set::WakerSet,
};
use crate::driver::postgres::error_response::ErrorResponse;

/// How much room is kept for what is to be sent.
const KEPT: usize = 64 << 10;

/// Whose an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerOwner {
    /// Of tokio-postgres: `by_sync` tells a group of messages from a query, and `ends_copy` that the data of a COPY has ended
    /// with it.
    Native {
        by_sync: bool,
        ends_copy: bool,
    },
    Slot(usize),
    /// It is thrown away.
    Discarded,
}

/// Why there is no more of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerError {
    /// The request was taken away.
    Revoked,
    /// The connection has ended.
    Ended,
}

#[derive(Debug, Default)]
pub(super) enum SlotState {
    #[default]
    Free,
    /// The answer is not here as a whole.
    Waiting,
    Answered,
    Revoked,
}

/// Where the answer of one request is put.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) state: SlotState,
    pub(super) inbox: BytesMut,
}

pub(super) struct State {
    /// Gone with the stream of tokio-postgres.
    pub(super) transport: Option<Transport>,
    is_logged_in: bool,
    keys: KeyScanner,
    pub(super) out: BytesMut,
    /// The transport may keep what was written.
    pub(super) is_unflushed: bool,
    pub(super) write_failed: bool,
    scan: FrontendScanner,
    /// What was read; between two reads it holds no whole message.
    pub(super) input: BytesMut,
    /// Messages for tokio-postgres.
    pub(super) native: BytesMut,
    pub(super) owners: VecDeque<AnswerOwner>,
    /// How many requests were sent so far.
    sent: u64,
    /// How many of the owners are not slots.
    pub(super) others: usize,
    pub(super) slots: Vec<Slot>,
    /// The server waits for the data of a COPY, for which its first Sync does not count.
    pub(super) is_copying: bool,
    /// The request in front has failed, and ReadyForQuery is all that is still to come of it.
    pub(super) has_failed: bool,
    pub(super) ready: ReadyStatus,
    pub(super) deallocations: u64,
    pub(super) is_ended: bool,
    pub(super) failure: Option<Arc<io::Error>>,
    pub(super) fatal_error: Option<ErrorResponse>,
}

impl State {
    pub(super) fn new(transport: Transport) -> Self {
        Self {
            transport: Some(transport),
            is_logged_in: false,
            keys: KeyScanner::default(),
            out: BytesMut::new(),
            is_unflushed: false,
            write_failed: false,
            scan: FrontendScanner::default(),
            input: BytesMut::new(),
            native: BytesMut::new(),
            owners: VecDeque::new(),
            sent: 0,
            others: 0,
            slots: Vec::new(),
            is_copying: false,
            has_failed: false,
            ready: ReadyStatus::Idle,
            deallocations: 0,
            is_ended: false,
            failure: None,
            fatal_error: None,
        }
    }

    pub(super) fn log_in(&mut self) {
        self.is_logged_in = true;
        self.keys.end();
    }

    pub(super) fn key(&self) -> Option<Key> {
        self.keys.key
    }

    pub(super) fn is_logged_in(&self) -> bool {
        self.is_logged_in
    }

    pub(super) fn status(&self) -> LinkStatus {
        LinkStatus {
            is_ended: self.is_ended,
            is_busy: !self.owners.is_empty(),
            has_failed: self.has_failed,
            ready: self.ready,
            deallocations: self.deallocations,
            sent: self.sent,
            answered: self.sent - self.owners.len() as u64,
        }
    }

    pub(super) fn fatal_error(&self) -> Option<ErrorResponse> {
        self.fatal_error.clone()
    }

    pub(super) fn failure(&self) -> Option<Arc<io::Error>> {
        self.failure.clone()
    }

    pub(super) fn channel_binding(&self) -> ChannelBinding {
        self.transport.as_ref().map_or_else(ChannelBinding::none, |transport| transport.channel_binding())
    }

    // --- what is sent ---

    /// Takes a request of ours, and gives the slot of its answer.
    pub(super) fn send(&mut self, write: impl FnOnce(&mut BytesMut, LinkStatus)) -> usize {
        let free = self.slots.iter().position(|slot| matches!(slot.state, SlotState::Free));
        let slot = free.unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        self.slots[slot].state = SlotState::Waiting;
        let status = self.status();
        write(&mut self.out, status);
        self.owners.push_back(AnswerOwner::Slot(slot));
        self.sent += 1;
        slot
    }

    /// Takes what tokio-postgres sends.
    pub(super) fn pass(&mut self, bytes: &[u8], wakers: &WakerSet) {
        if !self.is_logged_in {
            self.out.extend_from_slice(bytes);
            return;
        }
        let Self { scan, out, owners, others, is_copying, sent: count, .. } = self;
        scan.pass(bytes, out, |sent| {
            let (by_sync, ends_copy) = match sent {
                Sent::Query => (false, false),
                Sent::Sync { ends_copy } => (true, ends_copy),
            };
            // It takes the place of the Sync that the server has passed over.
            if ends_copy && mem::take(is_copying) {
                return;
            }
            owners.push_back(AnswerOwner::Native { by_sync, ends_copy });
            *others += 1;
            *count += 1;
        });
        wakers.want_native(self.wants_native());
    }

    /// Writes what is to be sent. False if the transport does not take all of it now.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(transport) = self.transport.as_mut() else { return true };
        while !self.out.is_empty() {
            match Pin::new(&mut *transport).poll_write(cx, &self.out) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.is_unflushed = true;
                    if written < self.out.len() {
                        self.out.advance(written);
                    } else if self.out.capacity() > KEPT {
                        self.out = BytesMut::new();
                    } else {
                        self.out.clear();
                    }
                }
                Poll::Ready(result) => {
                    // The server's last words may be there to be read still.
                    self.out.clear();
                    self.write_failed = true;
                    self.failure = self.failure.take().or(result.err().map(Arc::new));
                }
                Poll::Pending => return false,
            }
        }
        if self.is_unflushed {
            match Pin::new(transport).poll_flush(cx) {
                Poll::Ready(_) => self.is_unflushed = false,
                Poll::Pending => return false,
            }
        }
        true
    }

    /// Whether tokio-postgres is to see to the socket, beside those who wait for answers of ours.
    pub(super) fn wants_native(&self) -> bool {
        self.others > 0 || self.is_copying || !self.out.is_empty() || self.is_unflushed
    }

    // --- who takes it ---

    /// What is there for a slot; `None` if it has to wait.
    pub(super) fn take(&mut self, slot: usize) -> Option<Result<BytesMut, AnswerError>> {
        let Slot { state, inbox } = &mut self.slots[slot];
        match state {
            SlotState::Revoked => Some(Err(AnswerError::Revoked)),
            _ if !inbox.is_empty() => Some(Ok(mem::take(inbox))),
            SlotState::Waiting if !self.is_ended => None,
            _ => Some(Err(AnswerError::Ended)),
        }
    }

    /// As [`leave`](Self::leave), if all of the answer has come: then no waker is kept, as it was woken with that. False if
    /// nothing was done.
    pub(super) fn leave_answered(&mut self, slot: usize) -> bool {
        let is_answered = matches!(self.slots[slot].state, SlotState::Answered);
        if is_answered {
            self.slots[slot] = Slot::default();
        }
        is_answered
    }

    /// Nobody waits for a slot any more. True if its answer is outstanding.
    pub(super) fn leave(&mut self, slot: usize, wakers: &WakerSet) -> bool {
        let before = mem::take(&mut self.slots[slot]);
        let is_outstanding = matches!(before.state, SlotState::Waiting);
        if is_outstanding {
            self.disown(slot);
            wakers.want_native(self.wants_native());
        }
        is_outstanding
    }

    fn disown(&mut self, slot: usize) {
        if let Some(owner) = self.owners.iter_mut().find(|owner| **owner == AnswerOwner::Slot(slot)) {
            *owner = AnswerOwner::Discarded;
            self.others += 1;
        }
    }

    /// Takes all slots from those who wait for them.
    pub(super) fn revoke(&mut self, wakers: &WakerSet) {
        for slot in 0..self.slots.len() {
            if matches!(self.slots[slot].state, SlotState::Waiting | SlotState::Answered) {
                self.slots[slot] = Slot { state: SlotState::Revoked, inbox: BytesMut::new() };
                self.disown(slot);
            }
        }
        wakers.want_native(self.wants_native());
    }

    /// Gives tokio-postgres what is there for it; `None` if it has to wait.
    pub(super) fn take_native(&mut self, buf: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        if self.native.is_empty() {
            return self.is_ended.then_some(Ok(()));
        }
        let count = self.native.len().min(buf.remaining());
        buf.put_slice(&self.native[..count]);
        self.native.advance(count);
        Some(Ok(()))
    }

    // --- beginning and end ---

    /// Reads for tokio-postgres, which logs in.
    pub(super) fn read_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(transport) = self.transport.as_mut() else { return Poll::Ready(Ok(())) };
        let before = buf.filled().len();
        let result = Pin::new(transport).poll_read(cx, buf);
        self.keys.read_message(&buf.filled()[before..]);
        result
    }

    /// Writes for tokio-postgres, which logs in.
    pub(super) fn flush_through(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(transport) = self.transport.as_mut() else { return Poll::Ready(Ok(())) };
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut *transport).poll_write(cx, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
        }
        Pin::new(transport).poll_flush(cx)
    }

    /// Nothing more is read or sent.
    pub(super) fn shut(&mut self) {
        self.is_ended = true;
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.transport.as_mut() {
            Some(transport) => Pin::new(transport).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Gives the transport away, to be dropped.
    pub(super) fn close(&mut self) -> Option<Transport> {
        self.is_ended = true;
        self.transport.take()
    }
}
