//! Logs and spans (rule 75): what is told by `tracing`, with the target `nestling`. Used by sessions and by `db`, which call it for
//! each statement, each wait for a connection, and each end of a transaction. Generic over the session; it knows no pool and no
//! `Database` handle.

mod calls;
mod labels;
mod open_transaction;
mod parameters;
mod place;
mod statement;
mod steps;
mod transaction_span;

pub(crate) use self::{
    calls::{Traced, acquire, attempt, dropped, ending, is_on, listens, statement, steps},
    labels::{Labels, TraceOptions},
    open_transaction::OpenTransaction,
    steps::Sent,
    transaction_span::{EnteredSpan, TransactionSpan},
};
