//! Ends a session whose connection was dropped during a command, so that the server does not go on with the statement
//! and its locks. It needs no runtime, as the runtime may have ended.

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
