//! nestling, the drivers it stands on, and their pools, each as a [`Peer`](agent::Peer): for the agents, and for the
//! program whose instructions are counted.

pub mod bb8_pool;
pub mod deadpool;
pub mod diesel;
mod mysql_async;
pub mod mysql_held;
pub mod mysql_pool;
pub mod nestling;
pub mod postgres_held;
pub mod rusqlite_thread;
mod sql;
mod tokio_postgres;
