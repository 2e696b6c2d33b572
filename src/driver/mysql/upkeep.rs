//! What keeps a session fit for whoever uses it next: a sign of life, late cancellations taken up, a reset.

use mysql_async::prelude::Queryable as _;

use super::{classify, known::Known, wire::Wire};
use crate::{
    driver::Answer,
    error::{Error, ErrorKind},
    fault::{Fault, Verdict},
};

impl Wire {
    /// Asks the server for a sign of life, which takes a round trip.
    pub(super) async fn ping(&mut self) -> Result<Answer, Fault> {
        self.conn.ping().await.map(|()| Answer::count(0)).map_err(|error| {
            self.shown.set(Known::Lost);
            Fault::new(Verdict::Lost, classify::statement(error, "ping"))
        })
    }

    /// Makes sure that a KILL QUERY that came too late for its statement does not hit a later one.
    pub(super) async fn absorb_kill(&mut self) {
        if matches!(self.shown.get(), Known::Unknown | Known::Lost) {
            return;
        }
        for _ in 0..3 {
            match self.conn.query_drop("DO 0").await {
                Ok(()) => {
                    if self.gone.is_none() {
                        self.shown.set(self.look());
                    }
                    return;
                }
                Err(error) if classify::is_killed(&error) => {}
                Err(_) => break,
            }
        }
        self.shown.set(Known::Lost);
    }

    /// A session as new: for the next user after the native client was lent.
    pub(super) async fn reset(&mut self) -> Result<(), Fault> {
        self.texts.reset();
        match self.conn.reset().await {
            Ok(true) => {
                self.shown.set(Known::Idle);
                self.locals.clear();
                self.gone = None;
                Ok(())
            }
            Ok(false) | Err(_) => {
                self.shown.set(Known::Lost);
                let text = "the session could not be reset";
                Err(Fault::new(Verdict::Lost, Error::new(ErrorKind::ConnectionLost, text)))
            }
        }
    }
}
