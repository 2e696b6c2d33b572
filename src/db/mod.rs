//! The database: what a program opens and asks. It has the calls for blocks and statements, over the sessions of a pool. It knows
//! no models.

mod attempts;
mod block_run;
mod blocking;
mod blocks;
mod builder;
mod connect_parts;
mod database;
mod hooks;
mod limited;
mod listen;
mod manual_block;
#[cfg(feature = "refinery")]
mod migrations;
mod named;
mod native;
mod open_blocks;
mod options;
mod own_block;
#[cfg(feature = "sea-query")]
mod portable;
mod propagated;
mod propagation;
mod queries;
mod reading;
mod retry;
mod row_stream;
mod sandbox;
mod savepoints;
mod sessions;
mod statement_clock;
mod status;
#[cfg(test)]
mod tests;
mod time_limits;
mod tracing;
mod writer;

#[cfg(feature = "sea-query")]
pub use self::portable::{Outcome, Portable};
pub use self::{
    attempts::Retrying,
    builder::DatabaseBuilder,
    database::Database,
    hooks::HookResult,
    listen::{ListenEvent, Listener},
    named::{MySQLDatabase, PostgresqlDatabase, PostgresqlExtDatabase, SqliteDatabase},
    options::TransactionBuilder,
    propagation::Propagation,
    retry::Retry,
    row_stream::RowStream,
    sandbox::Sandbox,
    status::Status,
};
pub(crate) use self::{manual_block::ManualBlock, options::BlockOptions, writer::Writer};
#[cfg(feature = "mysql")]
pub use native::MysqlClient;
#[cfg(feature = "postgres")]
pub use native::PostgresClient;
