//! What the proxy has seen: counts, the steps in order, and one message as a predicate sees it.
//!
//! Used by the proxy, which fills it, and by the tests, which read it. It must not know sockets.

use std::collections::BTreeMap;

use super::protocol::{Frame, Meaning, Session, Side};

/// What has passed since the last [`super::Proxy::reset`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Round trips, all connections together.
    pub(crate) flights: usize,
    /// Round trips of each connection, by its number.
    pub(crate) flights_of: BTreeMap<usize, usize>,
    /// Bytes that clients sent, start-up excluded.
    pub(crate) bytes: usize,
    /// Connections opened; cancel requests are not among them.
    pub(crate) connections: usize,
    /// Cancel requests.
    pub(crate) cancels: usize,
    /// Messages of clients by type byte, start-up excluded.
    pub(crate) messages: BTreeMap<char, usize>,
    /// Messages of both sides, start-up included, goodbyes not: the last useful argument of [`super::Proxy::stall_at`].
    pub(crate) total: usize,
    /// What was sent, in order.
    pub(crate) steps: Vec<Step>,
}

impl Counts {
    /// The texts of the simple queries and of the control steps, in order.
    pub(crate) fn queries(&self) -> Vec<&str> {
        self.texts(StepKind::Simple)
    }

    /// The texts of the prepared statements that were executed, in order.
    pub(crate) fn executed(&self) -> Vec<&str> {
        self.texts(StepKind::Execute)
    }

    /// The texts of all that was run, simple queries and executed statements, in order.
    pub(crate) fn sequence(&self) -> Vec<&str> {
        self.steps.iter().filter(|step| step.kind != StepKind::Prepare).map(|step| step.text.as_str()).collect()
    }

    fn texts(&self, kind: StepKind) -> Vec<&str> {
        self.steps.iter().filter(|step| step.kind == kind).map(|step| step.text.as_str()).collect()
    }
}

/// One thing that a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    pub(crate) text: String,
    pub(crate) connection: usize,
    /// The connection's flight that carried it, from 1.
    pub(crate) flight: usize,
}

/// How it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepKind {
    Simple,
    Prepare,
    Execute,
}

/// A message, as a predicate of [`super::Proxy::stall_when`] sees it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Its place among all messages since the last reset, from 1. A goodbye has none: nobody waits for it, so it may come
    /// whenever it likes, after a reset too.
    pub(crate) index: Option<usize>,
    pub(crate) connection: usize,
    pub(crate) from: Side,
    /// The type byte; `'\0'` if it has none.
    pub(crate) tag: char,
    /// A query's or statement's SQL; of the server, a command's tag or an error's SQLSTATE. Else empty.
    pub(crate) text: String,
}

impl Counts {
    /// Takes note of a message that a client has sent.
    pub(super) fn client_sent(&mut self, connection: usize, session: &mut Session, frame: &Frame<'_>) -> Meaning {
        if session.is_ready() {
            self.bytes += frame.len;
            *self.messages.entry(frame.tag).or_default() += 1;
            if session.begins_flight(frame.tag) {
                self.flights += 1;
                *self.flights_of.entry(connection).or_default() += 1;
            }
        }
        let meaning = session.client_sent(frame);
        let (kind, text) = match &meaning {
            Meaning::Startup => {
                self.connections += 1;
                return meaning;
            }
            Meaning::Cancel => {
                self.cancels += 1;
                return meaning;
            }
            Meaning::Simple(text) => (StepKind::Simple, text.strip_prefix(GUARD).unwrap_or(text)),
            Meaning::Prepare(text) => (StepKind::Prepare, text.as_str()),
            Meaning::Execute(text) => (StepKind::Execute, text.as_str()),
            Meaning::Outcome(_) | Meaning::Other => return meaning,
        };
        if text.starts_with(PROBE) {
            return meaning;
        }
        let flight = self.flights_of.get(&connection).copied().unwrap_or_default();
        if is_control(text) && kind != StepKind::Simple {
            self.add_control(kind, text, connection, flight);
        } else {
            self.steps.push(Step { kind, text: text.to_owned(), connection, flight });
        }
        meaning
    }

    /// Control steps go as prepared statements or not, which is no affair of who looks at what they are: those that are sent
    /// together are one text.
    fn add_control(&mut self, kind: StepKind, text: &str, connection: usize, flight: usize) {
        if kind == StepKind::Prepare {
            return;
        }
        let last = self.steps.last_mut().filter(|last| last.kind == StepKind::Simple && is_control(&last.text));
        match last.filter(|last| (last.connection, last.flight) == (connection, flight)) {
            Some(last) => last.text.extend(["; ", text]),
            None => self.steps.push(Step { kind: StepKind::Simple, text: text.to_owned(), connection, flight }),
        }
    }
}

/// What a pool asks once of whoever answers, beside its first statement.
const PROBE: &str = "SELECT pg_catalog.pg_backend_pid(), pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements";

/// What keeps a text of several statements from running outside the transaction that it is for.
const GUARD: &str = "SAVEPOINT _n0; RELEASE SAVEPOINT _n0; ";

fn is_control(text: &str) -> bool {
    let words = ["BEGIN", "SAVEPOINT ", "RELEASE SAVEPOINT ", "ROLLBACK", "SELECT set_config("];
    words.iter().any(|word| text.starts_with(word))
}
