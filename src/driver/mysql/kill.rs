//! Ends the statement of a session, from a connection of its own.

use mysql_async::{Conn, Opts, prelude::Queryable as _};

/// Who can end the statements of one session.
#[derive(Debug, Clone)]
pub(super) struct Killer {
    opts: Opts,
    id: u32,
}

impl Killer {
    pub(super) fn new(opts: Opts, id: u32) -> Self {
        Self { opts, id }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Asks the server to end what the session is at. It may come too late, and then hit what comes next: whoever uses
    /// the session sees to that.
    pub(super) async fn kill(&self) {
        let killed = async {
            let mut helper = Conn::new(self.opts.clone()).await?;
            helper.query_drop(format!("KILL QUERY {}", self.id)).await?;
            helper.disconnect().await
        };
        let killed: Result<(), mysql_async::Error> = killed.await;
        if let Err(error) = killed {
            tracing::debug!(target: "nestling", %error, "a KILL QUERY did not reach the server");
        }
    }
}
