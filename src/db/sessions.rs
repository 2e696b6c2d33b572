//! The options of a database that are about its sessions: what each runs first, how an idle one is checked, whether each is reset,
//! and what transactions are that do not ask for anything else.

use std::error::Error as StdError;

use super::DatabaseBuilder;
use crate::{
    pool::{ConnectionInfo, PoolConnection},
    transaction::control::Isolation,
};

impl DatabaseBuilder {
    /// What each new connection runs before anybody uses it: session settings, a role, SQLite's pragmas. Defaults to nothing;
    /// called again, it takes the place of what was given before.
    ///
    /// Its statements run on that connection, one after the other as they are awaited, and what they change in the session
    /// stays for all users. Where what a user has changed is undone by a reset of the session, it runs again behind that, and
    /// so it does for the connections of blocking handles, and for those that are made ahead of their use. It may take as long
    /// as [`connect_timeout`](Self::connect_timeout). It runs in whatever task asks for a connection, and must not use the
    /// database itself.
    ///
    /// A database in memory has one connection, which stays: there it must be possible to run it twice.
    ///
    /// # Errors
    /// Where it fails, takes too long, or leaves a call or a transaction open, the connection is closed, and the caller that
    /// needed it gets [`Connect`](crate::ErrorKind::Connect) with that error as its source. Behind a pooler that gives each
    /// transaction another session (`pgbouncer=true`), a statement that changes the session is `Unsupported`.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// let db = Database::builder("sqlite::memory:")
    ///     .after_connect(|connection| async move { connection.batch("pragma recursive_triggers = on").await })
    ///     .build()?;
    /// let on: bool = db.query_one("pragma recursive_triggers", params![]).await?.get(0)?;
    /// assert!(on);
    /// # Ok(()) }
    /// ```
    pub fn after_connect<Fut, E>(mut self, callback: impl Fn(PoolConnection) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.pool.session.set_after_connect(callback);
        self
    }

    /// Checks an idle connection before it is lent: with `false`, and with an error, it is closed, and another one is taken or
    /// made. A new connection is not checked. Defaults to no check; called again, it takes the place of the one before.
    ///
    /// It costs what its statements cost, each time that a connection is lent. It may take as long as
    /// [`connect_timeout`](Self::connect_timeout). What it changes in the session holds for the one user that gets the
    /// connection, and is then undone. As [`after_connect`](Self::after_connect), it must not use the database itself.
    ///
    /// # Examples
    /// ```
    /// # use std::time::Duration;
    /// # use nestling::{Database, Error};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// let db = Database::builder("sqlite::memory:")
    ///     .before_acquire(|connection, info| async move {
    ///         if info.idle > Duration::from_secs(60) {
    ///             connection.query("select 1", ()).await?;
    ///         }
    ///         Ok::<_, Error>(true)
    ///     })
    ///     .build()?;
    /// # db.ping().await?;
    /// # db.ping().await
    /// # }
    /// ```
    pub fn before_acquire<Fut, E>(
        mut self,
        callback: impl Fn(PoolConnection, ConnectionInfo) -> Fut + Send + Sync + 'static,
    ) -> Self
    where
        Fut: Future<Output = Result<bool, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.pool.session.set_before_acquire(callback);
        self
    }

    /// Whether each connection is reset when it is given back, for programs whose functions and triggers change session state,
    /// which cannot be seen from outside. Defaults to no: then it is reset if a statement was seen to change the session.
    ///
    /// It costs two or three round trips for each statement outside a block, and for each block. Settings, temporary tables,
    /// advisory locks and the like are gone then; PostgreSQL's prepared statements stay, MySQL's are prepared anew. A SQLite
    /// file is closed and opened again; on a database in memory the pragmas are set back. Then
    /// [`after_connect`](Self::after_connect) runs again.
    ///
    /// # Errors
    /// [`build`](Self::build) refuses it with `Unsupported` behind a pooler that gives each transaction another session
    /// (`pgbouncer=true`).
    pub fn reset_on_return(mut self, yes: bool) -> Self {
        self.pool.session.reset_on_return = yes;
        self
    }

    /// The isolation level of each transaction that does not ask for its own. Defaults to the server's. SQLite is serializable
    /// whatever is asked for.
    ///
    /// It rides with BEGIN, and costs no round trip. A nested block that asks for this level gets it, and one that asks for
    /// another level is `SettingsMismatch`, as if the block around had asked for this one. A statement outside any block has
    /// the server's level.
    pub fn default_isolation(mut self, isolation: Isolation) -> Self {
        self.defaults = self.defaults.with_isolation(isolation);
        self
    }

    /// Whether transactions are read-only unless they ask for
    /// [`read_write`](crate::TransactionBuilder::read_write). Defaults to the server's setting.
    ///
    /// It rides with BEGIN, and costs no round trip. With `true` a statement outside any block runs in a read-only
    /// transaction of its own, which costs the round trip of a COMMIT.
    pub fn default_read_only(mut self, yes: bool) -> Self {
        self.defaults = self.defaults.with_read_only(yes);
        self
    }
}
