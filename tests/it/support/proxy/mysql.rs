//! The protocol of MySQL and MariaDB as far as the proxy needs it: where a packet ends, what it is, and whether the client
//! has been answered.
//!
//! Used by [`super::protocol::Session`] alone. Pure: it sees bytes and keeps no sockets, no clocks and no counts. A packet of
//! the client is tagged as PostgreSQL's message for the same purpose would be: `Q` text, `P` prepare, `E` execute, `C`
//! close, `X` quit; of the server, `O` is a success, `E` an error, `D` the rest.

use std::collections::{HashMap, VecDeque};

use super::protocol::{Answer, Frame, Meaning, Side};

const HEAD: usize = 4;
const DEPRECATE_EOF: u32 = 1 << 24;
const MORE_RESULTS: u16 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before the client's answer to the greeting.
    Greeting,
    /// Until the server's first OK.
    Login,
    Ready,
}

/// What the server is to answer, and how far it has got.
#[derive(Debug)]
struct Request {
    kind: Kind,
    part: Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// One OK or error.
    Simple,
    /// Any number of results.
    Results,
    /// The statement that is being prepared.
    Prepare(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    First,
    /// So many definitions of columns (and the packets that end them) are left; what comes then.
    Definitions(usize, Then),
    Rows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Rows,
    End,
}

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    phase: Phase,
    /// Whether a result has no packet between its columns and its rows.
    has_no_eof: bool,
    /// What the server has not answered yet.
    asked: VecDeque<Request>,
    /// How many answers have not reached the client.
    outstanding: usize,
    statements: HashMap<u32, String>,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Greeting,
            has_no_eof: false,
            asked: VecDeque::new(),
            outstanding: 0,
            statements: HashMap::new(),
        }
    }

    /// The first packet in `bytes`, if it is there as a whole.
    pub(crate) fn next<'a>(&self, side: Side, bytes: &'a [u8]) -> Option<Frame<'a>> {
        let head: &[u8; HEAD] = bytes.first_chunk()?;
        let len = HEAD + u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
        let body = bytes.get(HEAD..len)?;
        let tag = match (self.phase, side, body.first()) {
            (Phase::Greeting | Phase::Login, ..) => '\0',
            // What is no first packet belongs to the one before it.
            (_, Side::Client, _) if head[3] != 0 => 'd',
            (_, Side::Client, Some(command)) => match command {
                0x01 => 'X',
                0x03 => 'Q',
                0x16 => 'P',
                0x17 => 'E',
                0x18 => 'd',
                0x19 => 'C',
                _ => 'M',
            },
            (_, Side::Server, Some(0xff)) => 'E',
            (_, Side::Server, Some(0x00)) if self.asked.front().is_some_and(|asked| asked.part == Part::First) => 'O',
            _ => 'D',
        };
        Some(Frame { tag, body, len })
    }

    /// Start-up is over: what the client sends now is counted.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Whether a packet that the client sends now begins a flight: it waits for nothing. Quitting, and closing a
    /// statement, have no answer.
    pub(crate) fn begins_flight(&self, tag: char) -> bool {
        !matches!(tag, 'X' | 'C' | 'd') && self.outstanding == 0
    }

    /// Takes note of a packet of the client.
    pub(crate) fn client_sent(&mut self, frame: &Frame<'_>) -> Meaning {
        match self.phase {
            Phase::Greeting => {
                let flags = frame.body.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
                self.has_no_eof = flags & DEPRECATE_EOF != 0;
                self.phase = Phase::Login;
                return Meaning::Startup;
            }
            Phase::Login => return Meaning::Other,
            Phase::Ready => {}
        }
        let rest = frame.body.get(1..).unwrap_or_default();
        let text = || String::from_utf8_lossy(rest).into_owned();
        let id = || rest.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        match frame.tag {
            'Q' if rest.starts_with(b"KILL QUERY") => {
                self.ask(Kind::Results);
                Meaning::Cancel
            }
            'Q' => {
                self.ask(Kind::Results);
                Meaning::Simple(text())
            }
            'P' => {
                self.ask(Kind::Prepare(text()));
                Meaning::Prepare(text())
            }
            'E' => {
                self.ask(Kind::Results);
                Meaning::Execute(self.statements.get(&id()).cloned().unwrap_or_default())
            }
            'C' => {
                self.statements.remove(&id());
                Meaning::Other
            }
            'M' => {
                self.ask(Kind::Simple);
                Meaning::Other
            }
            _ => Meaning::Other,
        }
    }

    fn ask(&mut self, kind: Kind) {
        self.asked.push_back(Request { kind, part: Part::First });
        self.outstanding += 1;
    }

    /// Takes note of a packet that the server has sent: what it is, and what it will tell the client once it gets there.
    pub(crate) fn server_sent(&mut self, frame: &Frame<'_>) -> (Meaning, Option<Answer>) {
        match self.phase {
            Phase::Greeting => return (Meaning::Other, None),
            Phase::Login if frame.body.first() == Some(&0) => return (Meaning::Other, Some(Answer::Ready)),
            Phase::Login => return (Meaning::Other, None),
            Phase::Ready => {}
        }
        let Some(asked) = self.asked.front_mut() else { return (Meaning::Other, None) };
        let (meaning, is_last) = asked.step(frame.body, self.has_no_eof, &mut self.statements);
        if is_last {
            self.asked.pop_front();
        }
        (meaning, is_last.then_some(Answer::Ready))
    }

    /// Takes note of an answer that is handed to the client now.
    pub(crate) fn delivered(&mut self, answer: Answer) {
        match (answer, self.phase) {
            (Answer::Ready, Phase::Ready) => self.outstanding = self.outstanding.saturating_sub(1),
            (Answer::Ready, _) => self.phase = Phase::Ready,
            (Answer::Failed | Answer::CopyIn, _) => {}
        }
    }
}

impl Request {
    /// Goes on by one packet: what it is, and whether it is the last.
    fn step(&mut self, body: &[u8], has_no_eof: bool, statements: &mut HashMap<u32, String>) -> (Meaning, bool) {
        let first = body.first().copied().unwrap_or_default();
        if first == 0xff {
            let code = body.get(1..).and_then(|rest| rest.first_chunk()).map_or(0, |code| u16::from_le_bytes(*code));
            return (Meaning::Outcome(code.to_string()), true);
        }
        match (&self.kind, self.part) {
            (Kind::Simple, _) => (Meaning::Outcome("OK".to_owned()), true),
            (Kind::Prepare(sql), Part::First) => {
                let number = |at: usize| {
                    body.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |two| u16::from_le_bytes(*two))
                };
                let id = body.get(1..).and_then(|rest| rest.first_chunk()).map_or(0, |id| u32::from_le_bytes(*id));
                statements.insert(id, sql.clone());
                // Parameters and columns, each with a packet that ends them unless there is none.
                let packets = |count: u16| usize::from(count) + usize::from(!has_no_eof && count > 0);
                let left = packets(number(5)) + packets(number(7));
                self.part = Part::Definitions(left, Then::End);
                (Meaning::Other, left == 0)
            }
            (_, Part::Definitions(left, then)) => {
                self.part = match (left, then) {
                    (1, Then::Rows) => Part::Rows,
                    (left, then) => Part::Definitions(left - 1, then),
                };
                (Meaning::Other, left == 1 && then == Then::End)
            }
            (_, Part::First) if first == 0 => self.result_ended(status_of_ok(body)),
            (_, Part::First) => {
                let columns = length(body).0;
                self.part = Part::Definitions(columns + usize::from(!has_no_eof), Then::Rows);
                (Meaning::Other, false)
            }
            (_, Part::Rows) if first == 0xfe && has_no_eof && body.len() < 0xff_ffff => {
                self.result_ended(status_of_ok(body))
            }
            (_, Part::Rows) if first == 0xfe && body.len() < 9 => {
                let status =
                    body.get(3..).and_then(|rest| rest.first_chunk()).map_or(0, |two| u16::from_le_bytes(*two));
                self.result_ended(status)
            }
            (_, Part::Rows) => (Meaning::Other, false),
        }
    }

    /// A result is through; another one may follow.
    fn result_ended(&mut self, status: u16) -> (Meaning, bool) {
        self.part = Part::First;
        (Meaning::Outcome("OK".to_owned()), status & MORE_RESULTS == 0)
    }
}

/// The status flags of an OK packet: behind the type byte and two numbers.
fn status_of_ok(body: &[u8]) -> u16 {
    let mut rest = body.get(1..).unwrap_or_default();
    for _ in 0..2 {
        rest = rest.get(length(rest).1..).unwrap_or_default();
    }
    rest.first_chunk().map_or(0, |two| u16::from_le_bytes(*two))
}

/// A number at the front of `bytes`, cut off at 16 bits, and how many bytes it takes.
fn length(bytes: &[u8]) -> (usize, usize) {
    let two =
        || bytes.get(1..).and_then(|rest| rest.first_chunk()).map_or(0, |two| usize::from(u16::from_le_bytes(*two)));
    match bytes.first() {
        Some(0xfc) => (two(), 3),
        Some(0xfd) => (two(), 4),
        Some(0xfe) => (two(), 9),
        Some(small) => (usize::from(*small), 1),
        None => (0, 1),
    }
}
