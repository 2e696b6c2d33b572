//! Futures that are dropped, or kept and never polled again, at every point of their life.

mod abandoned_transactions;
mod blocks;
mod calls;
#[cfg(feature = "full")]
mod condemned_connections;
mod kept_futures;
mod kept_while_waiting;
#[cfg(feature = "full")]
mod late_requests;
mod on_the_wire;
mod runtime_shutdown;
mod sqlite;
#[cfg(feature = "full")]
mod statements;
