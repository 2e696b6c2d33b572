//! What is sent once more, as the server had forgotten a statement, or no longer accepted it. It is done wherever nothing is
//! lost by it: outside a transaction, or where a flight had begun the transaction or the savepoint itself.

use super::{
    classify,
    connection::{PostgresConnection, refused_at},
    outcome::Stopped,
};
use crate::{
    driver::{Answer, Query, Want},
    sql::effects,
    transaction::{control::Control, impact::DriverError, owed::Flight},
};

/// How often a statement is sent once more: as its name was forgotten, and then as names are not kept.
const TIMES: usize = 2;

impl PostgresConnection {
    /// Runs a statement that is not known yet.
    pub(super) async fn run_new(
        &self,
        owing: &dyn Flight,
        query: Query<'_>,
        want: Want,
    ) -> Result<Answer, DriverError> {
        match self.execute_new(owing, query, want).await {
            Ok(answer) => Ok(answer),
            // It was prepared just now. What it rests on is of today, unless a pooler has kept it.
            Err(stopped) if stopped.lost_name || self.is_kept_stale(&stopped) => {
                self.after(owing, stopped, query, want).await
            }
            Err(stopped) => Err(stopped.fault),
        }
    }

    /// A statement has failed that was known. It is run once more if the server no longer accepted it as prepared.
    pub(super) async fn after(
        &self,
        owing: &dyn Flight,
        mut stopped: Box<Stopped>,
        query: Query<'_>,
        want: Want,
    ) -> Result<Answer, DriverError> {
        for time in 1.. {
            let back = if stopped.lost_name {
                self.lost_name(time);
                self.cache.forget(query.sql);
                way_back(&stopped, self.wire.is_in_transaction())
            } else if time == 1 {
                self.way_back_of_stale(&stopped, query)
            } else {
                None
            };
            let Some(back) = back.filter(|_| time <= TIMES) else { break };
            if !back.is_empty() {
                self.wire.fly_steps(owing, &back).await.map_err(|stopped| stopped.fault)?;
            }
            match self.execute_new(owing, query, want).await {
                Ok(answer) => return Ok(answer),
                Err(again) => stopped = again,
            }
        }
        Err(stopped.fault)
    }

    /// The steps that lead back to where a statement may run again that is not accepted any more.
    fn way_back_of_stale(&self, stopped: &Stopped, query: Query<'_>) -> Option<Vec<Control>> {
        let Stopped { fault, paid, by_step, .. } = stopped;
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
        back(paid.last())
    }

    fn is_kept_stale(&self, stopped: &Stopped) -> bool {
        self.wire.naming.is_by_pooler() && classify::is_stale_statement(&stopped.fault)
    }

    /// A name was lost: by something that has changed the session, or to a pooler. What is prepared anew for the first reason
    /// and lost again is lost for the other.
    fn lost_name(&self, time: usize) {
        if time > 1 || self.wire.tells_of_pooler() {
            self.wire.naming.lost_name();
        }
        self.wire.forget_steps();
    }

    async fn execute_new(&self, owing: &dyn Flight, query: Query<'_>, want: Want) -> Result<Answer, Box<Stopped>> {
        let prepared = self.prepare(owing, query).await?;
        let Some(name) = prepared.name.as_ref().filter(|_| self.wire.naming.has_names()) else {
            return self.execute_unnamed(owing, &prepared, query, want).await;
        };
        let request = self.bind(name.bytes(), &prepared, query).map_err(|refused| refused_at(refused, query))?;
        self.execute(owing, &prepared, query, request, want).await
    }

    /// Sends the owed steps alone, and `steps` behind them.
    pub(super) async fn fly(&self, owing: &dyn Flight, steps: &[Control]) -> Result<(), DriverError> {
        match self.wire.fly_steps(owing, steps).await {
            Ok(()) => Ok(()),
            Err(stopped) => self.fly_again(owing, *stopped).await,
        }
    }

    /// Steps have failed. They are sent once more if the name of one was lost, and they were to begin the transaction.
    pub(super) async fn fly_again(&self, owing: &dyn Flight, stopped: Stopped) -> Result<(), DriverError> {
        if !stopped.lost_name {
            return Err(stopped.fault);
        }
        self.lost_name(1);
        match way_back(&stopped, true) {
            Some(back) => self.wire.fly_steps(owing, &back).await.map_err(|stopped| stopped.fault),
            None => Err(stopped.fault),
        }
    }
}

/// The steps that lead back to where a flight may be sent again of which a name was lost, so that it has not run.
fn way_back(stopped: &Stopped, in_transaction: bool) -> Option<Vec<Control>> {
    let Stopped { paid, by_step, .. } = stopped;
    if let Some(begin) = paid.iter().position(|step| matches!(step, Control::Begin(_))) {
        return Some([&[Control::Rollback], &paid[begin..]].concat());
    }
    match (by_step, in_transaction) {
        (true, _) => None,
        (false, false) => Some(Vec::new()),
        (false, true) => back(paid.last()),
    }
}

/// The steps that lead back to where a flight's own statement began, if the steps it took along end in one that allows it.
fn back(last: Option<&Control>) -> Option<Vec<Control>> {
    match last? {
        Control::Savepoint(name) | Control::RollbackTo(name) => Some(vec![Control::RollbackTo(name.clone())]),
        begin @ Control::Begin(_) => Some(vec![Control::Rollback, begin.clone()]),
        Control::Set(_) | Control::Restore(_) | Control::Release(_) | Control::Commit | Control::Rollback => None,
    }
}
