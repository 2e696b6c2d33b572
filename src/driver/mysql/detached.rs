//! Ends a session that nobody can speak to any more, so that the server does not go on with its statement and its locks:
//! without a runtime, as the runtime may be what has ended. Used by whoever drops a connection half-way through a command.

use std::{io, thread, time::Duration};

use mysql_async::{Conn, Opts, prelude::Queryable as _};
use tokio::{runtime::Builder, time::timeout};

/// How long a request that nobody waits for may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the server to end a session, on a thread that ends with the request.
pub(super) fn end_session(opts: Opts, id: u32) {
    let end = move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let ended = async {
            let mut helper = Conn::new(opts).await?;
            helper.query_drop(format!("KILL {id}")).await?;
            helper.disconnect().await
        };
        runtime.block_on(async { timeout(PATIENCE, ended).await?.map_err(io::Error::other) })
    };
    // It is a courtesy to the server, which ends the statement sooner or later without it.
    let _ = thread::Builder::new().name("nestling-cancel".into()).spawn(end);
}
