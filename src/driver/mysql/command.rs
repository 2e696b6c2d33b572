//! [`Command`]: what is to be done in one turn on the wire. It is data, so that the future that carries it out is one for
//! all. Made by the connection, carried out as an errand.

use std::sync::Arc;

use mysql_async::Value;

use super::{
    errand::{Outcome, Turn, Work},
    known::Known,
    placeholders::Text,
    prepared::Wanted,
};
use crate::{
    control::{Control, Steps},
    driver::Answer,
    fault::{Fault, Verdict},
    statement::SessionEffect,
};

/// One command.
pub(super) enum Command {
    /// Steps, and behind them a statement without parameters whose rows nobody wants.
    Text { steps: Steps, tail: Option<Arc<Text>> },
    /// A statement as a prepared one.
    Prepared { text: Arc<Text>, params: Vec<Value>, wanted: Wanted },
    /// Asks for a sign of life.
    Ping,
    /// Steps with a COMMIT at their end.
    Commit(Steps),
    /// Ends the transaction, and then undoes what was left behind in the session.
    Rollback { effect: SessionEffect },
}

impl Command {
    /// Carries it out, to its last answer. Each is a future of its own, which is just as large as it needs to be.
    pub(super) fn carry_out(self, mut turn: Turn) -> Work {
        match self {
            Self::Text { steps, tail } => Box::pin(async move {
                let result = turn.text(&steps, tail.as_deref()).await;
                at_rest(result, turn, tail.as_deref().map_or("", |text| &*text.sql)).await
            }),
            Self::Prepared { text, params, wanted } => Box::pin(async move {
                let result = turn.prepared(&text, params, wanted).await;
                at_rest(result, turn, &text.sql).await
            }),
            Self::Ping => Box::pin(async move {
                let result = turn.ping().await;
                at_rest(result, turn, "").await
            }),
            Self::Commit(steps) => Box::pin(async move {
                let result = turn.end(&steps).await;
                if result.as_ref().is_err_and(|fault| fault.verdict != Verdict::Lost) {
                    // What is left of it goes. Should this fail too, the state tells.
                    let _ = Box::pin(turn.end(&[Control::Rollback])).await;
                }
                at_end(result, turn).await
            }),
            Self::Rollback { effect } => Box::pin(async move {
                let mut result = turn.end(&[Control::Rollback]).await;
                match effect {
                    SessionEffect::Reset if result.is_ok() => {
                        result = Box::pin(turn.reset()).await.map(|()| Answer::count(0));
                    }
                    SessionEffect::Discard => turn.shown.set(Known::Lost),
                    SessionEffect::None | SessionEffect::Reset => {}
                }
                at_end(result, turn).await
            }),
        }
    }
}

/// Behind the end of a transaction. With `completion_type = CHAIN` another one is open, in which nothing was done.
async fn at_end(result: Result<Answer, Fault>, mut turn: Turn) -> Outcome {
    if !turn.is_settled() {
        // That a transaction was left open is no news here; should it stay so, the state tells.
        let _ = Box::pin(turn.settled(Ok(Answer::count(0)), "")).await;
    }
    turn.rest();
    (result, turn)
}

async fn at_rest(result: Result<Answer, Fault>, mut turn: Turn, sql: &str) -> Outcome {
    let result = if turn.is_settled() { result } else { Box::pin(turn.settled(result, sql)).await };
    turn.rest();
    (result, turn)
}
