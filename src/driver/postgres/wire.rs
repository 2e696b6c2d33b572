//! [`Wire`]: one connection with what is known of its session: the transaction, what must be reset, what is prepared.
//! It sends owed steps and a request as one group. It does not know what requests are for; `outcome.rs` knows what a
//! failure means.

use std::{
    fmt,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::task::AbortHandle;
use tokio_postgres::Client;

use super::{
    classify,
    connector::Connected,
    in_flight::{Group, InFlight, begins},
    link::{Link, LinkStatus, ReadyStatus},
    message,
    names::{NameText, StatementNames},
    naming::{Naming, ProbeAnswer},
    prepared_steps::{PreparedSteps, Preparing},
    schema_changes::SchemaChanges,
    servers::Servers,
    steps::{self, GUARD_TEXT, Prepares},
};
use crate::{
    driver::{State, session_mark::SessionMark},
    sql::statement::SessionEffect,
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
        owed::{Flight, Owed},
    },
};

/// The wire of one connection.
pub(crate) struct Wire {
    pub(super) client: Client,
    /// The task that speaks with the server for the client. Its end closes the socket.
    pub(super) task: AbortHandle,
    pub(super) servers: Servers,
    pub(super) link: Arc<Link>,
    pub(super) names: Arc<StatementNames>,
    schema_changes: SchemaChanges,
    /// From the sending of BEGIN to the answer to COMMIT or ROLLBACK.
    in_transaction: AtomicBool,
    /// The native client is lent.
    lent: AtomicBool,
    mark: SessionMark,
    broken: AtomicBool,
    /// It still works, but is not given to another user.
    retired: AtomicBool,
    /// Whether statements have names, steps among them.
    pub(super) naming: Arc<Naming>,
    /// The session may have been changed, and have lost prepared statements.
    was_changed: AtomicBool,
    pub(super) prepared_steps: PreparedSteps,
    /// The number of the last request with steps that a cancellation must not hit.
    steps_sent: AtomicU64,
}

impl Wire {
    pub(super) fn new(Connected { client, task, servers, link }: Connected, naming: Arc<Naming>) -> Self {
        Self {
            naming,
            was_changed: AtomicBool::new(false),
            client,
            task,
            servers,
            link,
            names: Arc::new(StatementNames::new()),
            schema_changes: SchemaChanges::default(),
            in_transaction: AtomicBool::new(false),
            lent: AtomicBool::new(false),
            mark: SessionMark::default(),
            broken: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            prepared_steps: PreparedSteps::default(),
            steps_sent: AtomicU64::new(0),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.is_broken() && !self.link.is_ended() && !self.client.is_closed()
    }

    /// Adds the server's fatal error to an error that ends the connection.
    pub(super) fn with_fatal_error(&self, fault: DriverError) -> DriverError {
        match self.link.fatal_error() {
            Some(words) if matches!(fault.impact, Impact::Connection | Impact::NotSent) => {
                classify::ended(fault, &words)
            }
            _ => fault,
        }
    }

    /// How often the server was seen to drop all prepared statements.
    pub(super) fn deallocations(&self) -> u64 {
        self.link.status().deallocations
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Marks the connection as broken.
    pub(super) fn mark_broken(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Has the connection dropped when its user returns it.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// What must be reset in the session.
    pub(super) fn mark(&self) -> &SessionMark {
        &self.mark
    }

    /// Notes the effect of a statement on the session before it is sent: it may drop prepared steps.
    pub(super) fn note(&self, effect: SessionEffect) {
        if effect != SessionEffect::None {
            self.mark.note(effect);
            self.was_changed.store(true, Ordering::Release);
            self.forget_steps();
        }
    }

    /// Says whether the session is to be reset, whatever was seen of it. What was not seen may have dropped prepared
    /// statements: a lost name does not mean a pooler then. A session whose statements were all dropped is never as a new
    /// one is.
    pub(super) fn set_changed(&self, yes: bool) {
        if yes {
            self.mark.note(SessionEffect::Reset);
            self.was_changed.store(true, Ordering::Release);
        } else if self.deallocations() == 0 {
            self.mark.clear();
        }
    }

    /// Lends the native client. Until the loan ends, its requests may be outstanding.
    pub(crate) fn lend(self: &Arc<Self>) -> Loan {
        self.lent.store(true, Ordering::Release);
        self.note(SessionEffect::Reset);
        Loan(Arc::clone(self))
    }

    /// The loan has ended, and all its requests are answered.
    pub(super) fn end_loan(&self) {
        self.lent.store(false, Ordering::Release);
        self.forget_steps();
    }

    /// Whether a change of the schema is not committed, or was undone.
    pub(super) fn has_new_schema(&self) -> bool {
        self.schema_changes.is_there()
    }

    pub(super) fn note_new_schema(&self) {
        if self.is_in_transaction() {
            self.schema_changes.note();
        }
    }

    pub(super) fn take_undone_schema(&self) -> bool {
        self.schema_changes.take_undone()
    }

    pub(super) fn end_transaction(&self) {
        self.schema_changes.settle();
        self.in_transaction.store(false, Ordering::Release);
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        self.in_transaction.load(Ordering::Acquire)
    }

    /// The native client has begun a transaction.
    pub(super) fn adopt_transaction(&self) {
        self.in_transaction.store(true, Ordering::Release);
    }

    pub(super) fn state(&self) -> State {
        let status = self.link.status();
        if self.is_broken() || status.is_ended || self.client.is_closed() {
            State::Broken
        } else if status.is_busy || self.lent.load(Ordering::Acquire) {
            State::Busy
        } else if self.retired.load(Ordering::Acquire) && !self.is_in_transaction() {
            State::Broken
        } else if self.mark.is_set() {
            State::NeedsReset
        } else if self.is_in_transaction() || status.ready != ReadyStatus::Idle {
            State::Transaction
        } else {
            State::Idle
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.link.status().is_busy || self.lent.load(Ordering::Acquire)
    }

    /// Whether steps are outstanding that a cancellation must not hit, as more than a statement would be lost.
    pub(super) fn has_steps_outstanding(&self) -> bool {
        self.link.status().answered < self.steps_sent.load(Ordering::Acquire)
    }

    // --- prepared steps ---

    /// The prepared steps, unless no step has a name.
    fn prepares(&self, status: LinkStatus) -> Option<Prepares<'_>> {
        if !self.naming.has_names() {
            return None;
        }
        Some(Prepares { known: self.prepared_steps.known(status.deallocations), names: &self.names })
    }

    pub(super) fn forget_steps(&self) {
        self.prepared_steps.forget();
    }

    // --- names ---

    /// Whether to send the probe: where it is unknown whether names are kept, and outside a transaction, whose first
    /// statement it would be.
    fn may_probe(&self) -> bool {
        if !self.naming.is_unknown() || self.is_in_transaction() {
            return false;
        }
        let status = self.link.status();
        !status.is_busy && status.ready == ReadyStatus::Idle
    }

    /// Whether a lost name means a pooler: nothing else can have dropped it.
    pub(super) fn tells_of_pooler(&self) -> bool {
        !self.was_changed.load(Ordering::Acquire) && self.deallocations() == 0
    }

    /// Sends the owed steps and a request as [`send_request`](Self::send_request) does, with the probe ahead of them if
    /// it is due: it costs no round trip.
    pub(super) fn send_with_probe(
        &self,
        flight: &dyn Flight,
        request: &[u8],
    ) -> Result<(Option<Probe>, InFlight), DriverError> {
        let needs_transaction = flight.needs_transaction();
        self.take(flight, |owed| {
            let probe = self.may_probe().then(|| {
                let name = self.names.once();
                let answer = self.link.send(|out, _| ProbeAnswer::ask(&name, out));
                Probe { name, in_flight: InFlight::alone(answer) }
            });
            let group = self.send_group(&owed, needs_transaction, request);
            (probe, InFlight::new(group, owed.into_steps()))
        })
    }

    /// Waits for the answer to the probe. If it fails, nothing is learnt, and the request behind it tells why.
    pub(super) async fn learn_naming(&self, Probe { name, mut in_flight }: Probe) {
        let mut answer = None;
        let mut read = |tag, body: &[u8]| {
            if tag == b'D' {
                answer = ProbeAnswer::read(body);
            }
            true
        };
        match (poll_fn(|cx| in_flight.poll_answer(cx, &mut read)).await, answer) {
            (Ok(()), Some(answer)) => self.naming.learn(answer, self.link.key()),
            // It may have failed before its name was closed.
            _ => self.names.close(name),
        }
    }

    // --- sending ---

    /// Takes the owed steps of a flight, and puts them into the buffer with what `send` adds. The ledger is locked
    /// meanwhile; this is the only place where steps are taken.
    ///
    /// # Errors
    /// Nothing was sent: the flight may not send, or the connection is dead.
    pub(super) fn take<T>(&self, flight: &dyn Flight, send: impl FnOnce(Owed<'_>) -> T) -> Result<T, DriverError> {
        if !self.is_alive() {
            return Err(self.with_fatal_error(classify::unsent()));
        }
        let owed = flight.take().map_err(DriverError::harmless)?;
        Ok(send(owed))
    }

    /// Sends the owed steps and a request, which ends in Sync, as one group.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) fn send_request(&self, flight: &dyn Flight, request: &[u8]) -> Result<InFlight, DriverError> {
        let needs_transaction = flight.needs_transaction();
        self.take(flight, |owed| {
            let group = self.send_group(&owed, needs_transaction, request);
            InFlight::new(group, owed.into_steps())
        })
    }

    /// Sends the owed steps, and behind them a text of any number of statements, which cannot be in the same group. It
    /// does not run outside the transaction that the steps begin.
    pub(super) fn send_text(
        &self,
        flight: &dyn Flight,
        text: &str,
    ) -> Result<(Option<InFlight>, InFlight), DriverError> {
        let needs_transaction = flight.needs_transaction();
        self.take(flight, |owed| {
            let ahead = (!owed.is_empty()).then(|| self.send_group(&owed, needs_transaction, message::SYNC));
            let text = self.send_plain(text, needs_transaction || begins(&owed));
            (ahead.map(|group| InFlight::new(group, owed.into_steps())), text)
        })
    }

    /// Sends a text that ends a transaction or resets the session, with its own steps in it: nothing else is owed.
    pub(super) fn send_ending(&self, flight: &dyn Flight, text: &str) -> Result<InFlight, DriverError> {
        let needs_transaction = flight.needs_transaction();
        self.take(flight, |owed| {
            debug_assert!(owed.is_empty(), "what ends a transaction takes its steps along by itself");
            self.send_plain(text, needs_transaction)
        })
    }

    fn send_plain(&self, text: &str, in_transaction: bool) -> InFlight {
        let answer = self.link.send(|out, status| {
            let is_guarded = in_transaction && status.ready == ReadyStatus::Idle;
            message::query(if is_guarded { GUARD_TEXT } else { "" }, text, out);
        });
        InFlight::alone(answer)
    }

    pub(super) fn send_group(&self, steps: &[Control], needs_transaction: bool, request: &[u8]) -> Group {
        let (mut is_guarded, mut preparing) = (false, Preparing::default());
        let begins = begins(steps);
        if !steps.is_empty() {
            self.schema_changes.sent(steps);
        }
        if begins {
            self.in_transaction.store(true, Ordering::Release);
        }
        let answer = self.link.send(|out, status| {
            self.names.write_closed(out);
            // BEGIN may not be answered yet: if it has failed, the statement must not run.
            is_guarded = needs_transaction && !begins && status.ready == ReadyStatus::Idle;
            if is_guarded || !steps.is_empty() {
                let prepared = steps::write(steps, is_guarded, self.prepares(status), out);
                preparing = self.prepared_steps.prepare(prepared, status.deallocations);
            }
            if steps.iter().any(|step| !matches!(step, Control::Begin(_) | Control::Limit(_))) {
                self.steps_sent.store(status.sent + 1, Ordering::Release);
            }
            out.extend_from_slice(request);
        });
        Group { answer, is_guarded, preparing }
    }
}

/// The probe under way, and its name.
pub(super) struct Probe {
    name: NameText,
    in_flight: InFlight,
}

/// The loan of the native client. If it is leaked, the connection stays busy.
pub(crate) struct Loan(Arc<Wire>);

impl Loan {
    /// Ends the loan: all its requests are answered.
    pub(crate) fn over(&self) {
        self.0.end_loan();
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("state", &self.state()).finish_non_exhaustive()
    }
}
