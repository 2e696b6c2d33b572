//! Sends a statement again that the server has forgotten or no longer accepts. It is done where nothing is lost by it:
//! outside a transaction, or where the request had begun the transaction or the savepoint itself.

use super::{
    classify,
    connection::{PostgresConnection, refused_at},
    outcome::FailedRequest,
};
use crate::{
    driver::{Answer, Query, Want},
    sql::effects,
    transaction::{control::Control, impact::DriverError, owed::Flight},
};

/// How often a statement is sent again: once for a lost name, and then once more without names.
const TIMES: usize = 2;

impl PostgresConnection {
    /// Runs a statement that is not prepared yet.
    pub(super) async fn run_new(
        &self,
        flight: &dyn Flight,
        query: Query<'_>,
        want: Want,
    ) -> Result<Answer, DriverError> {
        match self.execute_new(flight, query, want).await {
            Ok(answer) => Ok(answer),
            // It was prepared just now, so it is not stale, unless a pooler has kept it.
            Err(failed) if failed.lost_name || self.is_kept_stale(&failed) => {
                self.retry(flight, failed, query, want).await
            }
            Err(failed) => Err(failed.fault),
        }
    }

    /// Runs a failed statement again if the server no longer accepted it as prepared.
    pub(super) async fn retry(
        &self,
        flight: &dyn Flight,
        mut failed: Box<FailedRequest>,
        query: Query<'_>,
        want: Want,
    ) -> Result<Answer, DriverError> {
        for time in 1.. {
            let recovery = if failed.lost_name {
                self.lost_name(time);
                self.cache.forget(query.sql);
                recovery_steps(&failed, self.wire.is_in_transaction())
            } else if time == 1 {
                self.stale_recovery_steps(&failed, query)
            } else {
                None
            };
            let Some(recovery) = recovery.filter(|_| time <= TIMES) else { break };
            if !recovery.is_empty() {
                self.wire.run_steps(flight, &recovery).await.map_err(|failed| failed.fault)?;
            }
            match self.execute_new(flight, query, want).await {
                Ok(answer) => return Ok(answer),
                Err(again) => failed = again,
            }
        }
        Err(failed.fault)
    }

    /// The steps that undo what precedes a stale statement, if it may run again.
    fn stale_recovery_steps(&self, failed: &FailedRequest, query: Query<'_>) -> Option<Vec<Control>> {
        let FailedRequest { fault, taken, by_step, .. } = failed;
        if *by_step || !classify::may_be_stale(fault) {
            return None;
        }
        self.cache.forget(query.sql);
        if classify::is_stale_statement(fault) {
            self.wire.naming.found_stale();
        }
        if !classify::is_stale_statement(fault) && !effects::only_touches_rows(query.sql) {
            return None;
        }
        if !self.wire.is_in_transaction() {
            return Some(Vec::new());
        }
        recovery_of_last(taken)
    }

    fn is_kept_stale(&self, failed: &FailedRequest) -> bool {
        self.wire.naming.is_by_pooler() && classify::is_stale_statement(&failed.fault)
    }

    /// Notes that a name was lost, by a change of the session or to a pooler. If a statement was prepared again and its
    /// name is lost again, the reason is a pooler.
    fn lost_name(&self, time: usize) {
        if time > 1 || self.wire.tells_of_pooler() {
            self.wire.naming.lost_name();
        }
        self.wire.forget_steps();
    }

    async fn execute_new(
        &self,
        flight: &dyn Flight,
        query: Query<'_>,
        want: Want,
    ) -> Result<Answer, Box<FailedRequest>> {
        let prepared = self.prepare(flight, query).await?;
        let Some(name) = prepared.name.as_ref().filter(|_| self.wire.naming.has_names()) else {
            return self.execute_unnamed(flight, &prepared, query, want).await;
        };
        let request = self.bind(name.bytes(), &prepared, query).map_err(|refused| refused_at(refused, query))?;
        self.execute(flight, &prepared, query, request, want).await
    }

    /// Sends the owed steps alone, and `steps` behind them.
    pub(super) async fn run_steps(&self, flight: &dyn Flight, steps: &[Control]) -> Result<(), DriverError> {
        match self.wire.run_steps(flight, steps).await {
            Ok(()) => Ok(()),
            Err(failed) => self.retry_steps(flight, *failed).await,
        }
    }

    /// Sends failed steps again if the name of one was lost and they were to begin the transaction.
    pub(super) async fn retry_steps(&self, flight: &dyn Flight, failed: FailedRequest) -> Result<(), DriverError> {
        if !failed.lost_name {
            return Err(failed.fault);
        }
        self.lost_name(1);
        match recovery_steps(&failed, true) {
            Some(recovery) => self.wire.run_steps(flight, &recovery).await.map_err(|failed| failed.fault),
            None => Err(failed.fault),
        }
    }
}

/// The steps that undo a request that has lost a name, so that it may be sent again: its statement has not run.
fn recovery_steps(failed: &FailedRequest, in_transaction: bool) -> Option<Vec<Control>> {
    let FailedRequest { taken, by_step, .. } = failed;
    if let Some(begin) = taken.iter().position(|step| matches!(step, Control::Begin(_))) {
        return Some([&[Control::Rollback], &taken[begin..]].concat());
    }
    match (by_step, in_transaction) {
        (true, _) => None,
        (false, false) => Some(Vec::new()),
        (false, true) => recovery_of_last(taken),
    }
}

/// The steps that go back to the beginning of a request's own statement, if the last step that it took along allows it. Its
/// time limit is made anew with the request.
fn recovery_of_last(taken: &[Control]) -> Option<Vec<Control>> {
    match taken.iter().rfind(|step| !matches!(step, Control::Limit(_)))? {
        Control::Savepoint(name) | Control::RollbackTo(name) => Some(vec![Control::RollbackTo(name.clone())]),
        begin @ Control::Begin(_) => Some(vec![Control::Rollback, begin.clone()]),
        Control::Set(_)
        | Control::Restore(_)
        | Control::Release(_)
        | Control::Limit(_)
        | Control::Commit
        | Control::Rollback => None,
    }
}
