//! Connections: how they are made, shared, checked, replaced and closed.

mod closing;
mod closing_with_open_blocks;
#[cfg(feature = "full")]
mod connect_parts;
mod connecting;
#[cfg(feature = "full")]
mod demoted_servers;
mod extreme_times;
mod fairness;
mod health;
mod limits;
#[cfg(feature = "full")]
mod not_sent_twice;
mod open_blocks;
#[cfg(feature = "full")]
mod refused_connections;
#[cfg(feature = "full")]
mod resend;
mod runtimes;
mod session_setup;
mod session_state;
#[cfg(feature = "full")]
mod stale_connections;
