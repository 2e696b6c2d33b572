//! [`SessionSetup`]: runs what a program asks of each session: `after_connect` on one that is new, or that was reset, and
//! `before_acquire` on one that is idle.

use std::{sync::Arc, time::Duration};

use super::{
    pool_connection::Loan,
    session_options::{ConnectionInfo, SessionOptions},
};
use crate::{
    driver::{Connection, Dialect, State},
    error::{Error, ErrorKind},
    runtime::{require_live_runtime, within},
};

/// What each session of one pool is to be, and how it becomes that.
#[derive(Debug)]
pub(super) struct SessionSetup {
    options: SessionOptions,
    dialect: Dialect,
    /// How long a callback may take.
    wait: Duration,
}

impl SessionSetup {
    pub(super) fn new(options: SessionOptions, dialect: Dialect, wait: Duration) -> Self {
        Self { options, dialect, wait }
    }

    pub(super) fn resets_on_return(&self) -> bool {
        self.options.reset_on_return
    }

    /// Whether a session has something to run behind its start and each reset.
    pub(super) fn prepares(&self) -> bool {
        self.options.after_connect.is_some()
    }

    /// Makes a session what its users expect, one that is as the server starts it. What it runs is not undone when the
    /// connection is given back.
    ///
    /// # Errors
    /// `Connect`: the connection must be closed. `NoRuntime`.
    ///
    /// # Cancel safety
    /// Dropped, the connection must be closed.
    pub(super) async fn prepare(&self, connection: &Arc<dyn Connection>) -> Result<(), Error> {
        let Some(after_connect) = &self.options.after_connect else { return Ok(()) };
        let failed =
            |text: &str| Error::new(ErrorKind::Connect, format!("after_connect {text}: the connection is closed"));
        let (loan, handle) = Loan::of(connection, self.dialect);
        match within(self.wait, after_connect(handle)).await? {
            Some(Ok(())) if loan.end() => {
                connection.set_changed(false);
                match connection.state() {
                    State::Idle => Ok(()),
                    _ => Err(failed("has dropped what the driver had prepared")),
                }
            }
            Some(Ok(())) => Err(failed("has left a statement or a transaction open")),
            // At the shutdown of a runtime sockets fail: the callback is not at fault then.
            Some(Err(failure)) => {
                Err(require_live_runtime().err().unwrap_or_else(|| failed("has failed").with_boxed_source(failure)))
            }
            None => Err(failed(&format!("did not end within {:?}", self.wait))),
        }
    }

    /// Whether an idle connection may be lent. Otherwise it must be closed.
    ///
    /// # Cancel safety
    /// Dropped, the connection may be lent later only if it is idle then.
    pub(super) async fn check(&self, connection: &Arc<dyn Connection>, info: ConnectionInfo) -> bool {
        let Some(before_acquire) = &self.options.before_acquire else { return true };
        let (loan, handle) = Loan::of(connection, self.dialect);
        let outcome = match within(self.wait, before_acquire(handle, info)).await {
            Ok(Some(Ok(passes))) => return loan.end() && passes,
            Ok(Some(Err(failure))) => failure.to_string(),
            Ok(None) => format!("it did not end within {:?}", self.wait),
            Err(error) => error.to_string(),
        };
        tracing::debug!(target: "nestling", error = outcome, "before_acquire has failed; its connection is closed");
        false
    }
}
