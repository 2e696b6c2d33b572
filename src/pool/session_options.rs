//! [`SessionOptions`]: what a program asks of all sessions of its pool: what each runs first, how an idle one is checked, and
//! whether each is reset at its return. It runs nothing.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::pool_connection::PoolConnection;

/// Why a callback has failed.
pub(super) type Failure = Box<dyn StdError + Send + Sync>;

type AfterConnect = dyn Fn(PoolConnection) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync;
type BeforeAcquire = dyn Fn(PoolConnection, ConnectionInfo) -> BoxFuture<'static, Result<bool, Failure>> + Send + Sync;

/// What is known of an idle connection, in [`before_acquire`](crate::DatabaseBuilder::before_acquire).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// How long ago it was made.
    pub age: Duration,
    /// How long it has been idle.
    pub idle: Duration,
}

/// What all sessions of a pool have in common. By default nothing.
#[derive(Clone, Default)]
pub(crate) struct SessionOptions {
    pub(super) after_connect: Option<Arc<AfterConnect>>,
    pub(super) before_acquire: Option<Arc<BeforeAcquire>>,
    pub(crate) reset_on_return: bool,
}

impl SessionOptions {
    /// Whether idle connections are checked before they are lent.
    pub(super) fn checks(&self) -> bool {
        self.before_acquire.is_some()
    }

    pub(crate) fn set_after_connect<Fut, E>(&mut self, callback: impl Fn(PoolConnection) -> Fut + Send + Sync + 'static)
    where
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure>,
    {
        self.after_connect = Some(Arc::new(move |connection| {
            let work = callback(connection);
            async move { work.await.map_err(Into::into) }.boxed()
        }));
    }

    pub(crate) fn set_before_acquire<Fut, E>(
        &mut self,
        callback: impl Fn(PoolConnection, ConnectionInfo) -> Fut + Send + Sync + 'static,
    ) where
        Fut: Future<Output = Result<bool, E>> + Send + 'static,
        E: Into<Failure>,
    {
        self.before_acquire = Some(Arc::new(move |connection, info| {
            let work = callback(connection, info);
            async move { work.await.map_err(Into::into) }.boxed()
        }));
    }
}

impl fmt::Debug for SessionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after_connect, before_acquire, reset_on_return } = self;
        f.debug_struct("SessionOptions")
            .field("after_connect", &after_connect.is_some())
            .field("before_acquire", &before_acquire.is_some())
            .field("reset_on_return", reset_on_return)
            .finish()
    }
}
