//! Ends a session that nobody can speak to any more, so that the server does not go on with its statement and its locks:
//! without a runtime, as the runtime may be what has ended. Used by whoever drops a connection half-way through a command.

use mysql_async::{Conn, Opts, prelude::Queryable as _};

use crate::driver::detached::detach;

/// Asks the server to end a session, without waiting.
pub(super) fn end_session(opts: Opts, id: u32) {
    detach(async move {
        let ended = async {
            let mut helper = Conn::new(opts).await?;
            helper.query_drop(format!("KILL {id}")).await?;
            helper.disconnect().await
        };
        let ended: Result<(), mysql_async::Error> = ended.await;
        if let Err(error) = ended {
            tracing::debug!(target: "nestling", %error, "a KILL did not reach the server");
        }
    });
}
