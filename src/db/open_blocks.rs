//! What is open on a database now: the call that tells it, and the option that warns of it.

use std::time::Duration;

use super::{Database, DatabaseBuilder};
use crate::session::OpenBlock;

impl Database {
    /// The transactions and pinned connections of this database that are open now, the oldest first: where the program opened each,
    /// how long ago, what it does and which statement it has sent last. Those of its blocking handles are among them.
    ///
    /// A block holds nothing before its first statement, and is not listed before it. The error of a pool that has no connection to
    /// give, [`PoolTimeout`](crate::ErrorKind::PoolTimeout), names the oldest of them.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// db.build_transaction()
    ///     .name("nightly report")
    ///     .atomic(|| async {
    ///         db.query("select 1", params![]).await?;
    ///         let open = db.open_blocks();
    ///         assert_eq!((open.len(), open[0].depth, open[0].statements), (1, 1, 1));
    ///         // #1 "nightly report", opened at src/report.rs:14, 3 ms ago, depth 1, idle, 1 statement, last `select 1` 2 ms ago
    ///         assert!(open[0].to_string().contains("\"nightly report\", opened at "));
    ///         Ok::<_, Error>(())
    ///     })
    ///     .await?;
    /// assert!(db.open_blocks().is_empty());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn open_blocks(&self) -> Vec<OpenBlock> {
        let mut open = self.shared().open_blocks();
        for pool in self.blocking_pools() {
            open.extend(pool.open_blocks());
        }
        open.sort_by_key(|block| std::cmp::Reverse(block.age));
        open
    }
}

impl DatabaseBuilder {
    /// Warns of each transaction and each pinned connection that is open for longer than this, once: by an event of `tracing` of the
    /// level WARN, with the line that [`OpenBlock`](crate::status::OpenBlock) is shown as. Defaults to no warning.
    ///
    /// One task for the database looks at what is open; without this option there is none. It runs on the runtime of the first
    /// block, and starts anew with the next block once that runtime has ended.
    pub fn warn_open_longer_than(mut self, time: Duration) -> Self {
        self.warn_open = Some(time);
        self
    }
}
