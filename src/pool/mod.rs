//! The pool of connections: opening and closing, a FIFO wait queue, and how connections are made, kept and checked. bb8 makes,
//! counts and ends them. It knows no sessions, no transactions and no database handle.

mod connection;
mod generation;
mod outside;
mod pool;
mod pool_connection;
mod recent;
mod session_options;
mod session_setup;
mod sweep;
#[cfg(test)]
pub(crate) mod tests;
mod timings;
mod usage;
mod wait_queue;

pub(crate) use self::{
    connection::{PooledConnection, SIGN_OF_LIFE},
    generation::PoolOptions,
    outside::Outside,
    pool::Pool,
    recent::RecentStatements,
    session_options::SessionOptions,
    usage::{Counter, Holders, PoolFigures},
    wait_queue::{Slot, closed},
};
pub use self::{pool_connection::PoolConnection, session_options::ConnectionInfo, timings::Timings};
