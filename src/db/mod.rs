//! The database: what a program opens and asks. It owns the task-local context, the pool, and the calls for blocks and
//! queries; it joins the runtime's frames with the drivers' connections. It knows no models.

mod blocks;
mod builder;
mod counters;
mod database;
mod dispatch;
mod flight;
mod generation;
mod health;
mod held;
mod lease;
mod leasing;
mod local;
mod named;
mod native;
mod options;
mod pool;
mod pooled_connection;
#[cfg(feature = "sea-query")]
mod portable;
mod queries;
mod reading;
mod registry;
mod row_stream;
#[cfg(feature = "tower")]
mod scope_future;
mod session;
mod state;
mod sweep;
#[cfg(test)]
mod tests;
mod trace;
mod twin;
mod wait_queue;
mod writer;

#[cfg(feature = "sea-query")]
pub use self::portable::{Outcome, Portable};
#[cfg(feature = "tower")]
pub use self::scope_future::ScopeFuture;
pub use self::{
    builder::DatabaseBuilder,
    counters::Stats,
    database::Database,
    local::{Context, scope, spawn},
    named::{MySQLDatabase, PostgresqlDatabase, PostgresqlExtDatabase, SqliteDatabase},
    options::TransactionBuilder,
    row_stream::RowStream,
    state::Status,
};
pub(crate) use self::{held::Held, options::Plan, writer::Writer};
#[cfg(feature = "mysql")]
pub use native::MysqlClient;
#[cfg(feature = "postgres")]
pub use native::PostgresClient;
