//! [`State`]: the buffers of both directions, and the owners of the outstanding answers. Answers come in the order of
//! the requests: the first owner gets what comes next, up to ReadyForQuery. `routing.rs` delivers.

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
    outbox::Outbox,
    status::{LinkStatus, ReadyStatus, Transport},
    waker_set::WakerSet,
};
use crate::driver::postgres::error_response::ErrorResponse;

/// The owner of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerOwner {
    /// tokio-postgres. `by_sync` tells a group of messages from a query; `ends_copy` tells that the data of a COPY has
    /// ended with it.
    Native {
        by_sync: bool,
        ends_copy: bool,
    },
    Slot(usize),
    /// The answer is discarded.
    Discarded,
}

/// Why an answer is incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerError {
    /// The request was revoked.
    Revoked,
    /// The connection has ended.
    Ended,
}

#[derive(Debug, Default)]
pub(super) enum SlotState {
    #[default]
    Free,
    /// The answer is not complete.
    Waiting,
    Complete,
    Revoked,
}

/// The place of one answer.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) state: SlotState,
    pub(super) inbox: BytesMut,
}

pub(super) struct State {
    /// `None` once tokio-postgres has dropped its stream.
    pub(super) transport: Option<Transport>,
    is_logged_in: bool,
    keys: KeyScanner,
    pub(super) out: Outbox,
    /// The transport may have buffered what was written.
    pub(super) is_unflushed: bool,
    pub(super) write_failed: bool,
    scan: FrontendScanner,
    /// The socket had nothing to read when it had woken so often: it wakes when it has something, so it is not asked again before
    /// that.
    pub(super) quiet_since: Option<u64>,
    /// What was read; between two reads it holds no complete message.
    pub(super) input: BytesMut,
    /// Messages for tokio-postgres.
    pub(super) native: BytesMut,
    pub(super) owners: VecDeque<AnswerOwner>,
    /// The number of requests that were sent.
    sent: u64,
    /// The number of owners that are not slots.
    pub(super) others: usize,
    pub(super) slots: Vec<Slot>,
    /// The server waits for the data of a COPY and ignores the first Sync.
    pub(super) is_copying: bool,
    /// The first outstanding request has failed, and only its ReadyForQuery is missing.
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
            out: Outbox::default(),
            is_unflushed: false,
            write_failed: false,
            scan: FrontendScanner::default(),
            quiet_since: None,
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

    // --- sending ---

    /// Takes a request of ours, and returns the slot of its answer.
    pub(super) fn send(&mut self, write: impl FnOnce(&mut Vec<u8>, LinkStatus)) -> usize {
        let free = self.slots.iter().position(|slot| matches!(slot.state, SlotState::Free));
        let slot = free.unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        self.slots[slot].state = SlotState::Waiting;
        let status = self.status();
        write(self.out.room(), status);
        self.owners.push_back(AnswerOwner::Slot(slot));
        self.sent += 1;
        slot
    }

    /// Takes what tokio-postgres sends.
    pub(super) fn pass(&mut self, bytes: &[u8], wakers: &WakerSet) {
        if !self.is_logged_in {
            self.out.room().extend_from_slice(bytes);
            return;
        }
        let Self { scan, out, owners, others, is_copying, sent: count, .. } = self;
        scan.pass(bytes, out.room(), |sent| {
            let (by_sync, ends_copy) = match sent {
                Sent::Query => (false, false),
                Sent::Sync { ends_copy } => (true, ends_copy),
            };
            // It replaces the Sync that the server has ignored.
            if ends_copy && mem::take(is_copying) {
                return;
            }
            owners.push_back(AnswerOwner::Native { by_sync, ends_copy });
            *others += 1;
            *count += 1;
        });
        wakers.want_native(self.wants_native());
    }

    /// Writes the output. False if the transport does not accept all of it now.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(transport) = self.transport.as_mut() else { return true };
        while !self.out.is_empty() {
            match Pin::new(&mut *transport).poll_write(cx, self.out.rest()) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.is_unflushed = true;
                    self.out.advance(written);
                }
                Poll::Ready(result) => {
                    // The server's fatal error may still be readable.
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

    /// Whether the task of tokio-postgres must use the socket, in addition to the waiting slots.
    pub(super) fn wants_native(&self) -> bool {
        self.others > 0 || self.is_copying || !self.out.is_empty() || self.is_unflushed
    }

    // --- receiving ---

    /// The data for a slot; `None` if there is none yet.
    pub(super) fn take(&mut self, slot: usize) -> Option<Result<BytesMut, AnswerError>> {
        let Slot { state, inbox } = &mut self.slots[slot];
        match state {
            SlotState::Revoked => Some(Err(AnswerError::Revoked)),
            _ if !inbox.is_empty() => Some(Ok(mem::take(inbox))),
            SlotState::Waiting if !self.is_ended => None,
            _ => Some(Err(AnswerError::Ended)),
        }
    }

    /// As [`leave`](Self::leave), if the answer is complete: then no waker is registered, as it was woken with that.
    /// False if nothing was done.
    pub(super) fn leave_answered(&mut self, slot: usize) -> bool {
        let is_answered = matches!(self.slots[slot].state, SlotState::Complete);
        if is_answered {
            self.slots[slot] = Slot::default();
        }
        is_answered
    }

    /// Frees a slot. True if its answer is outstanding.
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

    /// Revokes all slots.
    pub(super) fn revoke(&mut self, wakers: &WakerSet) {
        for slot in 0..self.slots.len() {
            if matches!(self.slots[slot].state, SlotState::Waiting | SlotState::Complete) {
                self.slots[slot] = Slot { state: SlotState::Revoked, inbox: BytesMut::new() };
                self.disown(slot);
            }
        }
        wakers.want_native(self.wants_native());
    }

    /// The data for tokio-postgres; `None` if there is none yet.
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

    /// Reads for tokio-postgres during the login.
    pub(super) fn read_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(transport) = self.transport.as_mut() else { return Poll::Ready(Ok(())) };
        let before = buf.filled().len();
        let result = Pin::new(transport).poll_read(cx, buf);
        self.keys.read_message(&buf.filled()[before..]);
        result
    }

    /// Writes for tokio-postgres during the login.
    pub(super) fn flush_through(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(transport) = self.transport.as_mut() else { return Poll::Ready(Ok(())) };
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut *transport).poll_write(cx, self.out.rest()))?;
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

    /// Returns the transport, to be dropped.
    pub(super) fn close(&mut self) -> Option<Transport> {
        self.is_ended = true;
        self.transport.take()
    }
}
