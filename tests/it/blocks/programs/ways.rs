//! In what the back ends differ, for the programs and for the model.
//!
//! Used by the machine and the model. It must not know what a program does, nor what comes of it.

use nestling::Dialect;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::program::What;
use crate::harness::Backend;

/// In what the back ends differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ways {
    /// A failed statement aborts its block (rule 31), or it does not (rule 32).
    pub(super) errors_abort: bool,
    /// A statement can be dropped while the server is at it. Where it runs on the spot it cannot.
    pub(super) abandons: bool,
    /// Two savepoints of one name may be open. Where they cannot, the second is refused (rule 21).
    pub(super) nests_names: bool,
    /// A statement is sent while another of its block is under way.
    pub(super) pipelines: bool,
    /// A setting by plain SQL is undone with the block in which it was made.
    pub(super) undoes_settings: bool,
}

impl Ways {
    /// Called within the runtime that the back end is used on.
    pub(super) fn of(backend: &Backend) -> Self {
        let on_the_spot = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
        let dialect = backend.db.dialect();
        let is_postgres = dialect == Dialect::Postgres;
        Self {
            errors_abort: is_postgres,
            abandons: dialect != Dialect::Sqlite || !on_the_spot,
            nests_names: !backend.is_mysql(),
            pipelines: is_postgres,
            undoes_settings: is_postgres,
        }
    }

    /// What is kept instead of something that cannot be: a statement that runs on the spot is ready at once.
    pub(super) fn keeps(self, what: What) -> What {
        match what {
            What::Sleep | What::Two if !self.abandons => What::Few,
            what => what,
        }
    }
}
