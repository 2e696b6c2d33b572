//! The database: what a program opens and asks. It has the calls for blocks and statements, over the sessions of a pool. It knows
//! no models.

mod blocking;
mod blocks;
mod builder;
mod database;
mod limited;
mod manual_block;
mod native;
mod options;
#[cfg(feature = "sea-query")]
mod portable;
mod queries;
mod reading;
mod row_stream;
mod status;
#[cfg(test)]
mod tests;
mod time_limits;
mod writer;

#[cfg(feature = "sea-query")]
pub use self::portable::{Outcome, Portable};
pub use self::{
    builder::{DatabaseBuilder, MySQLDatabase, PostgresqlDatabase, PostgresqlExtDatabase, SqliteDatabase},
    database::Database,
    options::TransactionBuilder,
    row_stream::RowStream,
    status::Status,
};
pub(crate) use self::{manual_block::ManualBlock, options::BlockOptions, writer::Writer};
#[cfg(feature = "mysql")]
pub use native::MysqlClient;
#[cfg(feature = "postgres")]
pub use native::PostgresClient;
