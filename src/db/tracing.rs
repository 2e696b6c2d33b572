//! What a program asks of logs and spans: the name of the database, which statements are slow, and whether values are told.

use std::time::Duration;

use super::DatabaseBuilder;

impl DatabaseBuilder {
    /// The name of the database in logs and spans, in [`Database::open_blocks`](crate::Database::open_blocks) and in the error of a pool
    /// that has no connection to give. Defaults to the name that the server knows it by, or to that of the file.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use nestling::{Database, Error, params};
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// let db = Database::builder("sqlite::memory:")
    ///     .name("orders")
    ///     .slow_statement_threshold(Duration::from_millis(200))
    ///     .build()?;
    /// db.atomic(|| async {
    ///     db.query("select 1", params![]).await?;
    ///     assert_eq!(db.open_blocks()[0].database, "orders");
    ///     Ok::<_, Error>(())
    /// })
    /// .await?;
    /// # Ok(()) }
    /// ```
    pub fn name(mut self, name: &str) -> Self {
        self.pool.name = Some(name.into());
        self
    }

    /// How long a statement takes that is warned of: it is an event of `tracing` of the level WARN rather than DEBUG. Defaults
    /// to 1 s. The time of a stream is that until its last row.
    pub fn slow_statement_threshold(mut self, time: Duration) -> Self {
        self.trace.slow = time;
        self
    }

    /// Whether logs and spans tell the values of parameters, and the literals in statements without parameters. Defaults to no, as
    /// values may be secrets. Long values are cut.
    pub fn log_parameters(mut self, yes: bool) -> Self {
        self.trace.parameters = yes;
        self
    }
}
