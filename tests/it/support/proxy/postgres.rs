//! PostgreSQL's protocol as far as the proxy needs it: where a message ends, what it is, and whether the client has
//! been answered.
//!
//! Used by [`super::protocol::Session`] alone. Pure: it sees bytes and keeps no sockets, no clocks and no counts.

use std::collections::{HashMap, VecDeque};

use super::protocol::{Answer, Frame, Meaning, Side};

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before the start-up packet.
    First,
    /// After a TLS or GSS request: the server answers with one bare byte.
    Negotiating,
    /// Between the start-up packet and the first ReadyForQuery.
    Startup,
    Ready,
    /// Encrypted, or a cancel request: passed on unread.
    Opaque,
}

/// Where the client stands in what it is sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Between two requests.
    Idle,
    /// In the middle of a request: its Sync has not come yet.
    Sending,
    /// In the middle of a request that has only closed statements so far.
    Closing,
    /// The server has asked it for COPY data.
    Prompted,
}

/// What the server still owes a ReadyForQuery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Simple,
    Sync,
    /// Nobody waits for its end: it only closed statements, or the client knows already that it failed.
    Unawaited,
}

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    phase: Phase,
    outstanding: VecDeque<Request>,
    turn: Turn,
    statements: HashMap<String, String>,
    portals: HashMap<String, String>,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::First,
            outstanding: VecDeque::new(),
            turn: Turn::Idle,
            statements: HashMap::new(),
            portals: HashMap::new(),
        }
    }

    /// The first message in `bytes`, if it is there as a whole.
    pub(crate) fn next<'a>(&self, side: Side, bytes: &'a [u8]) -> Option<Frame<'a>> {
        let (tag, head, len) = match (self.phase, side) {
            (Phase::Opaque, _) => ('\0', 0, bytes.len()),
            (Phase::Negotiating, Side::Server) => ('\0', 0, 1),
            (Phase::First, Side::Client) => ('\0', 4, length(bytes, 0)?),
            _ => (char::from(*bytes.first()?), 5, length(bytes, 1)? + 1),
        };
        if len == 0 || bytes.len() < len.max(head) {
            return None;
        }
        Some(Frame { tag, body: &bytes[head..len.max(head)], len: len.max(head) })
    }

    /// Start-up is over: what the client sends now is counted.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Whether a message that the client sends now begins a flight: it has had every answer that it can have waited
    /// for. Terminate, and a Close by itself, are never waited for.
    pub(crate) fn begins_flight(&self, tag: char) -> bool {
        match (tag, self.turn) {
            ('X' | 'C', _) | ('S', Turn::Closing) | (_, Turn::Sending) => false,
            (_, Turn::Idle | Turn::Closing) => self.outstanding.iter().all(|request| *request == Request::Unawaited),
            (_, Turn::Prompted) => true,
        }
    }

    /// Takes note of a message of the client.
    pub(crate) fn client_sent(&mut self, frame: &Frame<'_>) -> Meaning {
        match self.phase {
            Phase::First => return self.opened(frame.body),
            Phase::Ready => {}
            Phase::Negotiating | Phase::Startup | Phase::Opaque => return Meaning::Other,
        }
        let body = frame.body;
        let closing = self.turn == Turn::Closing || (self.turn == Turn::Idle && frame.tag == 'C');
        self.turn = if closing && matches!(frame.tag, 'C' | 'S') { Turn::Closing } else { Turn::Sending };
        match frame.tag {
            'Q' => {
                self.complete(Request::Simple);
                Meaning::Simple(text(body).0)
            }
            'F' | 'S' => {
                self.complete(if self.turn == Turn::Closing { Request::Unawaited } else { Request::Sync });
                Meaning::Other
            }
            'P' => {
                let (name, rest) = text(body);
                let sql = text(rest).0;
                self.statements.insert(name, sql.clone());
                Meaning::Prepare(sql)
            }
            'B' => {
                let (portal, rest) = text(body);
                let sql = self.statements.get(&text(rest).0).cloned().unwrap_or_default();
                self.portals.insert(portal, sql);
                Meaning::Other
            }
            'E' => Meaning::Execute(self.portals.get(&text(body).0).cloned().unwrap_or_default()),
            'C' => {
                match body.split_first() {
                    Some((b'S', name)) => self.statements.remove(&text(name).0),
                    Some((b'P', name)) => self.portals.remove(&text(name).0),
                    _ => None,
                };
                Meaning::Other
            }
            _ => Meaning::Other,
        }
    }

    fn complete(&mut self, request: Request) {
        self.outstanding.push_back(request);
        self.turn = Turn::Idle;
    }

    fn opened(&mut self, body: &[u8]) -> Meaning {
        let code = body.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let (phase, meaning) = match code {
            CANCEL_REQUEST => (Phase::Opaque, Meaning::Cancel),
            SSL_REQUEST | GSS_REQUEST => (Phase::Negotiating, Meaning::Other),
            _ => (Phase::Startup, Meaning::Startup),
        };
        self.phase = phase;
        meaning
    }

    /// Takes note of a message that the server has sent: what it is, and what it will tell the client once it gets
    /// there.
    pub(crate) fn server_sent(&mut self, frame: &Frame<'_>) -> (Meaning, Option<Answer>) {
        match self.phase {
            // 'N' declines encryption, and the client begins anew in the clear.
            Phase::Negotiating => {
                self.phase = if frame.body == b"N" { Phase::First } else { Phase::Opaque };
                (Meaning::Other, None)
            }
            Phase::Opaque | Phase::First => (Meaning::Other, None),
            Phase::Startup | Phase::Ready => match frame.tag {
                'Z' => (Meaning::Other, Some(Answer::Ready)),
                'G' => (Meaning::Other, Some(Answer::CopyIn)),
                'C' => (Meaning::Outcome(text(frame.body).0), None),
                'E' => (Meaning::Outcome(sqlstate(frame.body)), Some(Answer::Failed)),
                _ => (Meaning::Other, None),
            },
        }
    }

    /// Takes note of an answer that is handed to the client now.
    pub(crate) fn delivered(&mut self, answer: Answer) {
        match answer {
            Answer::Ready if self.phase == Phase::Startup => self.phase = Phase::Ready,
            Answer::Ready => {
                self.outstanding.pop_front();
            }
            Answer::Failed => {
                if let Some(request) = self.outstanding.front_mut() {
                    *request = Request::Unawaited;
                }
            }
            Answer::CopyIn => {
                self.turn = Turn::Prompted;
                // The server ignores a Sync that it meets while it waits for COPY data; the one behind CopyDone is
                // answered.
                if self.outstanding.front() == Some(&Request::Sync) {
                    self.outstanding.pop_front();
                }
            }
        }
    }
}

/// The length that stands at an offset; it counts itself.
fn length(bytes: &[u8], offset: usize) -> Option<usize> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_be_bytes(*field) as usize)
}

/// A zero-terminated text at the front of `bytes`, and what follows it.
fn text(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes.get(end + 1..).unwrap_or_default())
}

/// The field `C` of an ErrorResponse.
fn sqlstate(mut body: &[u8]) -> String {
    while let Some((field, rest)) = body.split_first().filter(|(field, _)| **field != 0) {
        let (value, rest) = text(rest);
        if *field == b'C' {
            return value;
        }
        body = rest;
    }
    String::new()
}
