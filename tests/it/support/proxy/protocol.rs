//! What the proxy knows of a protocol, whichever it is: the words for messages, and a session that hands them on to the
//! protocol at hand.
//!
//! Used by the proxy and its counts. Pure: it sees bytes and keeps no sockets, no clocks and no counts.

use super::{mysql, postgres};

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// One message as it stands at the front of a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// The type byte; `'\0'` for the packets that have none (start-up, cancel, TLS request and its answer).
    pub(crate) tag: char,
    pub(crate) body: &'a [u8],
    /// All its bytes, the head included.
    pub(crate) len: usize,
}

/// What a message means for the counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The client opened a session.
    Startup,
    /// The client asked for another session's statement to be cancelled.
    Cancel,
    /// A simple query.
    Simple(String),
    /// A statement was sent to be prepared.
    Prepare(String),
    /// A prepared statement was executed.
    Execute(String),
    /// The tag of a finished command, or the SQLSTATE of an error.
    Outcome(String),
    /// Nothing that is counted beyond its type.
    Other,
}

/// What the client may conclude once a message of the server has reached it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// One request is answered completely (ReadyForQuery).
    Ready,
    /// It has failed (ErrorResponse). The server flushes that ahead of ReadyForQuery, and clients act on it at once.
    Failed,
    /// The server waits for COPY data (CopyInResponse).
    CopyIn,
}

/// Which protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Postgres,
    Mysql,
}

/// The state of one connection.
#[derive(Debug)]
pub(crate) enum Session {
    Postgres(postgres::Session),
    Mysql(mysql::Session),
}

/// Hands a call on to the protocol at hand.
macro_rules! either {
    ($session:expr, $inner:ident => $call:expr) => {
        match $session {
            Session::Postgres($inner) => $call,
            Session::Mysql($inner) => $call,
        }
    };
}

impl Session {
    pub(crate) fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Postgres => Self::Postgres(postgres::Session::new()),
            Protocol::Mysql => Self::Mysql(mysql::Session::new()),
        }
    }

    /// The first message in `bytes`, if it is there as a whole.
    pub(crate) fn next<'a>(&self, side: Side, bytes: &'a [u8]) -> Option<Frame<'a>> {
        either!(self, session => session.next(side, bytes))
    }

    /// Start-up is over: what the client sends now is counted.
    pub(crate) fn is_ready(&self) -> bool {
        either!(self, session => session.is_ready())
    }

    /// Whether a message that the client sends now begins a flight.
    pub(crate) fn begins_flight(&self, tag: char) -> bool {
        either!(self, session => session.begins_flight(tag))
    }

    /// Takes note of a message of the client.
    pub(crate) fn client_sent(&mut self, frame: &Frame<'_>) -> Meaning {
        either!(self, session => session.client_sent(frame))
    }

    /// Takes note of a message that the server has sent: what it is, and what it will tell the client once it gets
    /// there.
    pub(crate) fn server_sent(&mut self, frame: &Frame<'_>) -> (Meaning, Option<Answer>) {
        either!(self, session => session.server_sent(frame))
    }

    /// Takes note of an answer that is handed to the client now.
    pub(crate) fn delivered(&mut self, answer: Answer) {
        either!(self, session => session.delivered(answer));
    }
}
