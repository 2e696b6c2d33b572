//! The session of a block: a connection that is leased with its first statement and given back with its end, the task-local
//! context, and what is counted and traced. It joins the runtime's frames with the pool's connections, and knows no
//! `Database` handle.

mod counters;
mod current;
mod ending;
mod flight;
mod idle_watch;
mod join_set;
mod labels;
mod lease;
mod leasing;
mod open_block;
mod open_transaction;
mod open_watch;
mod parameters;
mod place;
mod registry;
mod scope;
mod session;
mod statement_trace;
mod step_events;
pub(crate) mod trace;
mod transaction_count;
mod transaction_span;

#[cfg(feature = "tower")]
pub use self::scope::ScopeFuture;
pub use self::{
    counters::Stats,
    current::{Context, spawn},
    join_set::{JoinSet, join_set},
    open_block::{BlockState, OpenBlock},
    scope::{Scope, ScopeSettings, scope},
};
pub(crate) use self::{
    current::{current, held, with_current},
    flight::{DbFlight, examine},
    idle_watch::IdleWatch,
    labels::{Labels, TraceOptions},
    lease::{Lease, StatementLease},
    session::{DbSession, RowSource, Shared},
    transaction_span::TransactionSpan,
};
