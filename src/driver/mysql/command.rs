//! [`Command`]: what the connection does under one guard. It is data; the future that runs it is an
//! [`InFlight`](super::in_flight::InFlight).

use std::sync::Arc;

use mysql_async::Value;

use super::{
    in_flight::{Outcome, WireGuard, Work},
    prepared::Wanted,
    session_status::SessionStatus,
    statement::StatementText,
};
use crate::{
    driver::Answer,
    sql::statement::SessionEffect,
    transaction::{
        control::{Control, Steps},
        impact::{DriverError, Impact},
    },
};

/// One command.
pub(super) enum Command {
    /// Steps, and behind them a statement without parameters that returns no rows to the caller.
    Text { steps: Box<Steps>, tail: Option<Arc<StatementText>> },
    /// A statement as a prepared one.
    Prepared { text: Arc<StatementText>, params: Vec<Value>, wanted: Wanted },
    /// A ping.
    Ping,
    /// Steps with a COMMIT at their end.
    Commit(Steps),
    /// Ends the transaction, and then resets what was left behind in the session.
    Rollback { effect: SessionEffect },
}

impl Command {
    /// Runs the command, to its last answer. Each command has a future of its own, as large as it needs to be.
    pub(super) fn run(self, mut wire: WireGuard) -> Work {
        match self {
            Self::Text { steps, tail } => Box::pin(text(wire, steps, tail)),
            Self::Prepared { text, params, wanted } => Box::pin(prepared(wire, text, params, wanted)),
            Self::Ping => Box::pin(async move {
                let result = wire.ping().await;
                at_rest(result, wire, "").await
            }),
            Self::Commit(steps) => Box::pin(commit(wire, steps)),
            Self::Rollback { effect } => Box::pin(async move {
                let mut result = wire.end(&[Control::Rollback]).await;
                match effect {
                    SessionEffect::Reset if result.is_ok() => {
                        result = Box::pin(wire.reset()).await.map(|()| Answer::count(0));
                    }
                    SessionEffect::Discard => wire.status.set(SessionStatus::Lost),
                    SessionEffect::None | SessionEffect::Reset => {}
                }
                at_end(result, wire).await
            }),
        }
    }
}

// No `async fn`s: these keep their parameters twice, and the futures are to be small.

#[expect(clippy::manual_async_fn, reason = "it would be larger")]
fn text(mut wire: WireGuard, steps: Box<Steps>, tail: Option<Arc<StatementText>>) -> impl Future<Output = Outcome> {
    async move {
        let result = wire.text(&steps, tail.as_deref()).await;
        at_rest(result, wire, tail.as_deref().map_or("", |text| &*text.sql)).await
    }
}

#[expect(clippy::manual_async_fn, reason = "it would be larger")]
fn prepared(
    mut wire: WireGuard,
    text: Arc<StatementText>,
    mut params: Vec<Value>,
    wanted: Wanted,
) -> impl Future<Output = Outcome> {
    async move {
        let result = wire.prepared(&text, &mut params, &wanted).await;
        at_rest(result, wire, &text.sql).await
    }
}

#[expect(clippy::manual_async_fn, reason = "it would be larger")]
fn commit(mut wire: WireGuard, steps: Steps) -> impl Future<Output = Outcome> {
    async move {
        let result = wire.end(&steps).await;
        if result.as_ref().is_err_and(|fault| fault.impact != Impact::Connection) {
            // The transaction is rolled back. If that fails too, the state tells.
            let _ = Box::pin(wire.end(&[Control::Rollback])).await;
        }
        at_end(result, wire).await
    }
}

/// After the end of a transaction. With `completion_type = CHAIN` another one is open, in which nothing was done.
async fn at_end(result: Result<Answer, DriverError>, mut wire: WireGuard) -> Outcome {
    if !wire.is_settled() {
        // That a transaction was left open is expected here; if it stays so, the state tells.
        let _ = Box::pin(wire.settled(Ok(Answer::count(0)), "")).await;
    }
    wire.end_command();
    (result, wire)
}

async fn at_rest(result: Result<Answer, DriverError>, mut wire: WireGuard, sql: &str) -> Outcome {
    let result = if wire.is_settled() { result } else { Box::pin(wire.settled(result, sql)).await };
    wire.end_command();
    (result, wire)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest allocation that glibc caches when it is freed: a larger one costs some 700 instructions more, one in
    /// twenty of a statement.
    const AT_HAND: usize = 1032;

    fn size<A, F>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn what_is_allocated_for_each_statement_is_small() {
        let sizes = [
            size(|(wire, steps, tail)| text(wire, steps, tail)),
            size(|(wire, text, params, wanted)| prepared(wire, text, params, wanted)),
            size(|(wire, steps)| commit(wire, steps)),
        ];
        assert!(sizes.iter().all(|size| *size <= AT_HAND), "{sizes:?}");
    }
}
