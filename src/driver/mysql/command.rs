//! [`Command`]: what is to be done in one turn on the wire. It is data, so that the future that carries it out is one for
//! all. Made by the connection, carried out as an errand.

use std::sync::Arc;

use mysql_async::Value;

use super::{placeholders::Text, wire::Wire};
use crate::{
    control::Control,
    driver::{Answer, Want},
    fault::{Fault, Verdict},
};

/// One command.
pub(super) enum Command {
    /// Steps, and behind them a statement without parameters whose rows nobody wants.
    Text { steps: Vec<Control>, tail: Option<Arc<Text>> },
    /// A statement as a prepared one.
    Prepared { text: Arc<Text>, params: Vec<Value>, want: Want },
    /// Asks for a sign of life.
    Ping,
    /// Steps with a COMMIT at their end.
    Commit(Vec<Control>),
    /// Ends the transaction, and sets the session back if it was lent.
    Rollback { was_lent: bool },
}

impl Command {
    /// Carries it out, to its last answer.
    pub(super) async fn carry_out(self, wire: &mut Wire) -> Result<Answer, Fault> {
        match self {
            Self::Text { steps, tail } => wire.text(&steps, tail.as_deref().map(|text| &*text.sql)).await,
            Self::Prepared { text, params, want } => wire.prepared(&text, params, want).await,
            Self::Ping => wire.ping().await,
            Self::Commit(steps) => {
                let result = wire.end(&steps).await;
                if result.as_ref().is_err_and(|fault| fault.verdict != Verdict::Lost) {
                    // What is left of it goes. Should this fail too, the state tells.
                    let _ = wire.end(&[Control::Rollback]).await;
                }
                result
            }
            Self::Rollback { was_lent } => {
                let ended = wire.end(&[Control::Rollback]).await?;
                if was_lent { wire.reset().await.map(|()| ended) } else { Ok(ended) }
            }
        }
    }
}
