//! The session of a block: a connection that is leased with its first statement and given back with its end, the task-local
//! context, and what is counted. It joins the runtime's frames with the pool's connections, and knows no
//! `Database` handle.

mod counters;
mod current;
mod ending;
mod flight;
mod idle_watch;
mod join_set;
mod lease;
mod leasing;
mod open_block;
mod open_watch;
mod registry;
mod scope;
mod session;
mod transaction_count;

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
    lease::{Lease, StatementLease},
    session::{DbSession, RowSource, Shared},
};
