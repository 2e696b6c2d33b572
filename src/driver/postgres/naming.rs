//! [`Naming`]: whether the statements of a pool have names at the server. A transaction pooler gives each transaction
//! any server session, so that a name may be missing there, and statements must be unnamed. One value is shared by all
//! connections of a pool; it sends nothing.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::{link::Key, message, names::NameText};

/// The probe, see [`ProbeAnswer`]. The name of the probe is placed between the two.
const PROBE: [&str; 2] = [
    "SELECT pg_catalog.pg_backend_pid(), pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements WHERE name = '",
    "'",
];

/// Whether the server, or a pooler in front of it, keeps names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum NameSupport {
    /// Unknown: no name is relied on before the probe is answered.
    Unknown,
    /// Names are kept: a server, or a pooler that keeps statements for its clients.
    Named,
    /// Names may be lost: nothing has one.
    Unnamed,
    /// As `Unnamed`; each transaction may be in another session.
    ByTransaction,
}

/// Whether statements have names. It goes from one [`NameSupport`] to a later one, never back.
#[derive(Debug)]
pub(super) struct Naming {
    support: AtomicU8,
    /// A pooler keeps the statements, and may keep stale ones.
    by_pooler: AtomicBool,
}

impl Naming {
    /// `Named` from the start means a pooler that keeps names.
    pub(super) fn new(support: NameSupport) -> Self {
        Self { support: AtomicU8::new(support as u8), by_pooler: AtomicBool::new(support == NameSupport::Named) }
    }

    /// Whether statements have names.
    #[inline]
    pub(super) fn has_names(&self) -> bool {
        self.support.load(Ordering::Relaxed) == NameSupport::Named as u8
    }

    /// Whether statements have names, or may have them later.
    pub(super) fn may_have_names(&self) -> bool {
        self.support.load(Ordering::Relaxed) <= NameSupport::Named as u8
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.support.load(Ordering::Relaxed) == NameSupport::Unknown as u8
    }

    /// Whether the session is another client's with the next transaction.
    pub(super) fn is_by_transaction(&self) -> bool {
        self.support.load(Ordering::Relaxed) == NameSupport::ByTransaction as u8
    }

    /// Takes the answer to the probe, which was sent in the session of this key.
    pub(super) fn learn(&self, answer: ProbeAnswer, key: Option<Key>) {
        let is_server = key.is_some_and(|key| key.process == answer.process);
        if is_server || !answer.is_named {
            self.by_pooler.fetch_or(!is_server, Ordering::Relaxed);
            self.support.fetch_max(NameSupport::Named as u8, Ordering::Relaxed);
        } else {
            self.give_up(
                NameSupport::Unnamed,
                "the server is behind a pooler that does not keep prepared statements for its clients",
            );
        }
    }

    /// Whether a pooler keeps the statements: prepared again, one may be stale still.
    pub(super) fn is_by_pooler(&self) -> bool {
        self.by_pooler.load(Ordering::Relaxed)
    }

    /// The server no longer accepts a statement. A pooler that keeps it would use it again for the same text.
    pub(super) fn found_stale(&self) {
        if self.is_by_pooler() {
            self.give_up(NameSupport::Unnamed, "a pooler keeps prepared statements that the server no longer accepts");
        }
    }

    /// A name was missing or taken, and nothing of ours can be the reason.
    pub(super) fn lost_name(&self) {
        let what =
            "a prepared statement was lost: the server is behind a pooler that gives each transaction another session";
        self.give_up(NameSupport::ByTransaction, what);
    }

    fn give_up(&self, support: NameSupport, what: &str) {
        if self.support.fetch_max(support as u8, Ordering::Relaxed) < NameSupport::Unnamed as u8 {
            warn(what);
        }
    }
}

fn warn(what: &str) {
    tracing::warn!(
        target: "nestling",
        "{what}. The pool's statements have no names from now on; pgbouncer=true in the URL says so from the start, and \
         pgbouncer=false that names are kept, as by a pooler that gives each client a session"
    );
}

/// The answer to the probe, a named statement that asks which process answers and whether that process knows the name.
/// A server answers with the process id of the login. A pooler sends process ids of its own, and the server knows the
/// name only if the pooler does not rename statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProbeAnswer {
    process: i32,
    is_named: bool,
}

impl ProbeAnswer {
    /// Writes the probe.
    pub(super) fn ask(name: &NameText, out: &mut Vec<u8>) {
        let text = [PROBE[0], name.as_str(), PROBE[1]].concat();
        message::parse(name.bytes(), &text, &[], out);
        message::bind_texts(name.bytes(), &[], out);
        message::execute(out);
        message::close(name.bytes(), out);
        message::sync(out);
    }

    /// Reads the row, of two texts.
    pub(super) fn read(row: &[u8]) -> Option<Self> {
        let mut rest = row.strip_prefix(&[0, 2])?;
        let mut number = || {
            let (length, behind) = rest.split_first_chunk()?;
            let (text, next) = behind.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
            rest = next;
            std::str::from_utf8(text).ok()?.parse::<i32>().ok()
        };
        Some(Self { process: number()?, is_named: number()? != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(process: i32, is_named: bool) -> Naming {
        let naming = Naming::new(NameSupport::Unknown);
        naming.learn(ProbeAnswer { process, is_named }, Some(Key { process: 7 }));
        naming
    }

    #[test]
    fn a_probe_tells_a_server_from_a_pooler() {
        assert_eq!(
            ProbeAnswer::read(b"\0\x02\0\0\0\x03123\0\0\0\x011"),
            Some(ProbeAnswer { process: 123, is_named: true })
        );
        assert_eq!(ProbeAnswer::read(b"\0\x02\0\0\0\x03123\0\0\0\x02"), None);
        assert!(learnt(7, true).has_names(), "the server itself");
        assert!(learnt(8, false).has_names(), "a pooler that has names of its own for statements");
        assert!(!learnt(8, true).has_names(), "a pooler that knows nothing of statements");
    }

    #[test]
    fn what_is_known_is_not_forgotten() {
        let naming = learnt(8, true);
        naming.learn(ProbeAnswer { process: 7, is_named: true }, Some(Key { process: 7 }));
        assert!(!naming.has_names() && !naming.is_by_transaction());
        naming.lost_name();
        assert!(naming.is_by_transaction());
    }

    #[test]
    fn a_stale_statement_is_a_reason_where_a_pooler_keeps_it() {
        for (naming, keeps) in
            [(learnt(7, true), true), (learnt(8, false), false), (Naming::new(NameSupport::Named), false)]
        {
            assert!(naming.has_names());
            naming.found_stale();
            assert_eq!(naming.has_names(), keeps);
        }
    }
}
