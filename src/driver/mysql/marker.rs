//! A savepoint that tells whether a transaction is still the same one behind a statement that may run anything, such as
//! CALL or EXECUTE. If such a statement commits and begins anew, the status flags are the same as before; a savepoint
//! does not survive that.
//!
//! Used by the commands; see `docs/decisions/mysql-marker.md`. It knows no blocks.

use super::{
    classify, implicit, session_status::SessionStatus, statement::StatementText, upkeep::STEP_RETRIES, wire::Wire,
};
use crate::{
    driver::{Answer, Dialect},
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
    },
};

const SET: &str = "SAVEPOINT nestling_call";
const RELEASE: &str = "RELEASE SAVEPOINT nestling_call";

/// The text of steps, marker and statement, and the number of statements ahead of the last one.
pub(super) fn message(steps: &[Control], is_marked: bool, tail: Option<&StatementText>) -> (String, usize) {
    let mut text = Dialect::Mysql.render_all(steps).into_owned();
    let mut ahead: usize = steps.iter().map(|step| Dialect::Mysql.statements(step)).sum();
    for more in [is_marked.then_some(SET), tail.map(|tail| &*tail.sql)].into_iter().flatten() {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(more);
    }
    ahead += usize::from(is_marked);
    (text, ahead)
}

impl Wire {
    /// Sets the marker in an open transaction.
    pub(super) async fn mark(&mut self, sql: &str) -> Result<(), DriverError> {
        match self.run_text(SET, u32::MAX).await {
            (_, Ok(_)) => {
                self.is_marked = true;
                Ok(())
            }
            // The KILL QUERY was meant for an earlier statement, and this one has not run.
            (_, Err(error)) if classify::is_killed(&error) => {
                self.status.set(SessionStatus::Transaction);
                Err(DriverError::harmless(classify::statement(error, sql)))
            }
            (_, Err(error)) => Err(self.classify_error(error, sql, true).await),
        }
    }

    /// Releases the marker behind the statement `sql`, and returns an error if it is gone.
    pub(super) async fn check_mark(
        &mut self,
        result: Result<Answer, DriverError>,
        sql: &str,
    ) -> Result<Answer, DriverError> {
        for _ in 0..STEP_RETRIES {
            match self.run_text(RELEASE, u32::MAX).await {
                (_, Ok(_)) => {
                    self.status.set(self.read_status());
                    return result;
                }
                (_, Err(error)) if classify::is_killed(&error) => {}
                (_, Err(error)) if classify::is_lost(&error) => {
                    self.status.set(SessionStatus::Lost);
                    return Err(DriverError::new(Impact::Connection, classify::statement(error, sql)));
                }
                (_, Err(_it_is_gone)) => break,
            }
        }
        // The statement's own error says more than its consequence.
        Err(self.transaction_ended(result.err().map_or_else(|| implicit::error(sql), |fault| fault.error)))
    }
}
