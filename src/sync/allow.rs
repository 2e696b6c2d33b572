//! `allow_sync`: blocking calls for the length of a closure (rule 62).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{SyncDatabase, handle::Core, inside::Inside};
use crate::db::Database;

impl Database {
    /// Allows blocking queries for as long as a closure runs, and closes their connections at its end, in whatever way it
    /// ends.
    ///
    /// The permission holds for the closure and the current task alone: by the handle that the closure gets, another
    /// thread or another task cannot query, nor can anybody after the closure's end. It is [`sync`](Self::sync) for who
    /// wants the rest of the program to be asynchronous.
    ///
    /// # Panics
    /// With the panic of the closure, after the connections were closed.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// use nestling::{Database, ErrorKind, params};
    ///
    /// let db = Database::open("sqlite::memory:")?;
    /// let mut leaked = None;
    /// db.allow_sync(|sync| {
    ///     leaked = Some(sync.clone());
    ///     sync.batch("create table note (text text)")?;
    ///     sync.execute("insert into note values ($1)", params!["written while nothing else ran"])
    /// })?;
    /// let refused = leaked.expect("it was stored").execute("delete from note", params![]);
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::SyncNotAllowed);
    /// assert_eq!(db.query("select * from note", params![]).await?.len(), 1);
    /// # Ok(()) }
    /// ```
    pub fn allow_sync<T>(&self, body: impl FnOnce(&SyncDatabase) -> T) -> T {
        let sync = SyncDatabase::of_permission(self);
        if Inside::Permission.current(self.id()).is_some() {
            // The connections are closed at the end of the outer one.
            return body(&sync);
        }
        let core = Core::new(self);
        let permission = Inside::Permission.enter(&core);
        // Not by a drop, which must not block.
        let result = catch_unwind(AssertUnwindSafe(|| body(&sync)));
        drop(permission);
        core.shut();
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
