//! [`State`]: the bytes on their way in both directions, and whose the answers are that are still to come. Answers come in
//! the order of the requests, so the first of the owners has whatever comes next, up to ReadyForQuery.

use std::{
    collections::VecDeque,
    io, mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream as _};

use super::{
    Status, Transport,
    bell::{Bell, Who},
    frontend::{Scan, Sent},
    message::{HEAD, length},
    ticket::Gone,
};
use crate::driver::postgres::told::Told;

/// How much is read at a time.
const READ: usize = 8 << 10;
/// How much may wait for one who does not take it, before nothing more is read.
const FULL: usize = 256 << 10;
/// How much room a message of a known length is given before it is here.
const ROOM: usize = 4 << 20;
/// How much room is kept for what is to be sent.
const KEPT: usize = 64 << 10;

/// Whose an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Of tokio-postgres: `by_sync` tells a group of messages from a query, and `ends_copy` that the data of a COPY has ended
    /// with it.
    Theirs {
        by_sync: bool,
        ends_copy: bool,
    },
    Slot(usize),
    /// It is thrown away.
    Nobody,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Free,
    /// The answer is not here as a whole.
    Waiting,
    Answered,
    Revoked,
}

/// Where the answer of one request is put.
#[derive(Debug, Default)]
struct Slot {
    stage: Stage,
    inbox: BytesMut,
}

pub(super) struct State {
    /// Gone with the stream of tokio-postgres.
    transport: Option<Transport>,
    is_logged_in: bool,
    out: BytesMut,
    /// The transport may keep what was written.
    is_unflushed: bool,
    write_failed: bool,
    scan: Scan,
    /// What was read; between two reads it holds no whole message.
    input: BytesMut,
    /// Messages for tokio-postgres.
    theirs: BytesMut,
    owners: VecDeque<Owner>,
    /// How many of the owners are not slots.
    others: usize,
    slots: Vec<Slot>,
    /// The server waits for the data of a COPY, for which its first Sync does not count.
    is_copying: bool,
    status: Status,
    forgotten: u64,
    is_ended: bool,
    failure: Option<Arc<io::Error>>,
    last_words: Option<Told>,
}

impl State {
    pub(super) fn new(transport: Transport) -> Self {
        Self {
            transport: Some(transport),
            is_logged_in: false,
            out: BytesMut::new(),
            is_unflushed: false,
            write_failed: false,
            scan: Scan::default(),
            input: BytesMut::new(),
            theirs: BytesMut::new(),
            owners: VecDeque::new(),
            others: 0,
            slots: Vec::new(),
            is_copying: false,
            status: Status::Idle,
            forgotten: 0,
            is_ended: false,
            failure: None,
            last_words: None,
        }
    }

    pub(super) fn log_in(&mut self) {
        self.is_logged_in = true;
    }

    pub(super) fn is_logged_in(&self) -> bool {
        self.is_logged_in
    }

    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.owners.is_empty()
    }

    pub(super) fn status(&self) -> Status {
        self.status
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn last_words(&self) -> Option<Told> {
        self.last_words.clone()
    }

    pub(super) fn failure(&self) -> Option<Arc<io::Error>> {
        self.failure.clone()
    }

    pub(super) fn channel_binding(&self) -> ChannelBinding {
        self.transport.as_ref().map_or_else(ChannelBinding::none, |transport| transport.channel_binding())
    }

    // --- what is sent ---

    /// Takes a request of ours, and gives the slot of its answer.
    pub(super) fn send(&mut self, write: impl FnOnce(&mut BytesMut, Status)) -> usize {
        let free = self.slots.iter().position(|slot| matches!(slot.stage, Stage::Free));
        let slot = free.unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        self.slots[slot].stage = Stage::Waiting;
        self.owners.push_back(Owner::Slot(slot));
        write(&mut self.out, self.status);
        slot
    }

    /// Takes what tokio-postgres sends.
    pub(super) fn pass(&mut self, bytes: &[u8], bell: &Bell) {
        if !self.is_logged_in {
            self.out.extend_from_slice(bytes);
            return;
        }
        let Self { scan, out, owners, others, is_copying, .. } = self;
        scan.pass(bytes, out, |sent| {
            let (by_sync, ends_copy) = match sent {
                Sent::Query => (false, false),
                Sent::Sync { ends_copy } => (true, ends_copy),
            };
            // It takes the place of the Sync that the server has passed over.
            if ends_copy && mem::take(is_copying) {
                return;
            }
            owners.push_back(Owner::Theirs { by_sync, ends_copy });
            *others += 1;
        });
        bell.want_theirs(self.wants_theirs());
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
    fn wants_theirs(&self) -> bool {
        self.others > 0 || self.is_copying || !self.out.is_empty() || self.is_unflushed
    }

    // --- what is read ---

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
                b'E' => self.listen(whole, length),
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

    // --- who takes it ---

    /// What is there for a slot; `None` if it has to wait.
    pub(super) fn take(&mut self, slot: usize) -> Option<Result<BytesMut, Gone>> {
        let Slot { stage, inbox } = &mut self.slots[slot];
        match stage {
            Stage::Revoked => Some(Err(Gone::Revoked)),
            _ if !inbox.is_empty() => Some(Ok(mem::take(inbox))),
            Stage::Waiting if !self.is_ended => None,
            _ => Some(Err(Gone::Ended)),
        }
    }

    /// Nobody waits for a slot any more. True if its answer is outstanding.
    pub(super) fn leave(&mut self, slot: usize, bell: &Bell) -> bool {
        let before = mem::take(&mut self.slots[slot]);
        let is_outstanding = matches!(before.stage, Stage::Waiting);
        if is_outstanding {
            self.disown(slot);
            bell.want_theirs(self.wants_theirs());
        }
        is_outstanding
    }

    fn disown(&mut self, slot: usize) {
        if let Some(owner) = self.owners.iter_mut().find(|owner| **owner == Owner::Slot(slot)) {
            *owner = Owner::Nobody;
            self.others += 1;
        }
    }

    /// Takes all slots from those who wait for them.
    pub(super) fn revoke(&mut self, bell: &Bell) {
        for slot in 0..self.slots.len() {
            if matches!(self.slots[slot].stage, Stage::Waiting | Stage::Answered) {
                self.slots[slot] = Slot { stage: Stage::Revoked, inbox: BytesMut::new() };
                self.disown(slot);
            }
        }
        bell.want_theirs(self.wants_theirs());
    }

    /// Gives tokio-postgres what is there for it; `None` if it has to wait.
    pub(super) fn take_theirs(&mut self, buf: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        if self.theirs.is_empty() {
            return self.is_ended.then_some(Ok(()));
        }
        let count = self.theirs.len().min(buf.remaining());
        buf.put_slice(&self.theirs[..count]);
        self.theirs.advance(count);
        Some(Ok(()))
    }

    // --- beginning and end ---

    /// Reads for tokio-postgres, which logs in.
    pub(super) fn read_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.transport.as_mut() {
            Some(transport) => Pin::new(transport).poll_read(cx, buf),
            None => Poll::Ready(Ok(())),
        }
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
