//! Receives the answers of requests, and turns a failure into its meaning for the transaction. Used by the connection
//! and by streams.

use std::{future::poll_fn, mem};

use super::{
    classify,
    in_flight::{Failure, InFlight},
    message,
    wire::Wire,
};
use crate::{
    error::{Error, ErrorKind},
    transaction::{
        control::{Control, Steps},
        impact::{DriverError, Impact},
        owed::Flight,
    },
};

/// A request that has failed, with the steps that it had taken along.
#[derive(Debug)]
pub(super) struct FailedRequest {
    pub(super) fault: DriverError,
    pub(super) taken: Steps,
    /// One of the steps has failed.
    pub(super) by_step: bool,
    /// The server does not know a name of ours, or uses it for another statement: the statement has not run.
    pub(super) lost_name: bool,
    /// The parameters do not fit to the types that the statement had: nothing was sent.
    pub(super) is_misfit: bool,
}

impl From<DriverError> for FailedRequest {
    fn from(fault: DriverError) -> Self {
        Self { fault, taken: Steps::new(), by_step: false, lost_name: false, is_misfit: false }
    }
}

impl From<DriverError> for Box<FailedRequest> {
    fn from(fault: DriverError) -> Self {
        Self::new(fault.into())
    }
}

impl Wire {
    /// Sends the owed steps alone, and `steps` behind them; nothing if there are none.
    pub(super) async fn run_steps(&self, flight: &dyn Flight, steps: &[Control]) -> Result<(), Box<FailedRequest>> {
        let in_flight = self.take(flight, |owed| {
            let all: Steps = owed.iter().chain(steps).cloned().collect();
            (!all.is_empty()).then(|| InFlight::new(self.send_group(&all, false, message::SYNC), all))
        })?;
        let Some(mut in_flight) = in_flight else { return Ok(()) };
        self.receive(&mut in_flight, "", |_, _| false).await
    }

    /// Reads the answer to its end; `read` gets what belongs to the statement.
    pub(super) async fn receive(
        &self,
        in_flight: &mut InFlight,
        sql: &str,
        mut read: impl FnMut(u8, &[u8]) -> bool,
    ) -> Result<(), Box<FailedRequest>> {
        let result = poll_fn(|cx| in_flight.poll_answer(cx, &mut read)).await;
        self.settle(in_flight);
        result.map_err(|failure| self.failed_request(in_flight, failure, sql))
    }

    /// As [`receive`](Self::receive), for a message that controls the transaction or the session.
    pub(super) async fn receive_control(
        &self,
        in_flight: &mut InFlight,
        mut read: impl FnMut(u8, &[u8]) -> bool,
    ) -> Result<(), DriverError> {
        match poll_fn(|cx| in_flight.poll_answer(cx, &mut read)).await {
            Ok(()) => Ok(()),
            Err(Failure::Statement(response)) if !response.ends_session() => Err(classify::control(*response)),
            Err(failure) => Err(self.failed_request(in_flight, failure, "").fault),
        }
    }

    /// Notes the steps that have succeeded.
    pub(super) fn settle(&self, in_flight: &InFlight) {
        if in_flight.steps_succeeded() {
            self.prepared_steps.learn(in_flight.preparing);
            if !in_flight.taken.is_empty() && !in_flight.begins() && in_flight.taken.contains(&Control::Rollback) {
                self.end_transaction();
            }
        }
    }

    /// The meaning of a failed request.
    pub(super) fn failed_request(&self, in_flight: &mut InFlight, failure: Failure, sql: &str) -> Box<FailedRequest> {
        let by_step = matches!(failure, Failure::Step(_));
        let lost_name = self.has_lost_name(&failure);
        let mut fault = self.with_fatal_error(self.judge(in_flight, failure, sql));
        if fault.impact == Impact::Connection {
            // The connection is broken for all, even if the socket is open: the rest of the answers is unknown.
            self.mark_broken();
            if in_flight.begins() && in_flight.is_untouched() && fault.error.code().is_some() {
                // The server has ended the session ahead of this request: nothing of it has run.
                fault.impact = Impact::NotSent;
            }
        }
        if by_step {
            self.prepared_steps.forget();
        }
        let taken = mem::take(&mut in_flight.taken);
        Box::new(FailedRequest { taken, by_step, lost_name, ..FailedRequest::from(fault) })
    }

    /// Whether a request has failed because a name is missing or taken.
    fn has_lost_name(&self, failure: &Failure) -> bool {
        let response = match failure {
            Failure::Guard(response) | Failure::Step(response) | Failure::Statement(response) => response,
            Failure::Revoked | Failure::Ended | Failure::Unclear => return false,
        };
        classify::is_about_name(response) && self.names.stand_in(&response.message)
    }

    fn judge(&self, in_flight: &InFlight, failure: Failure, sql: &str) -> DriverError {
        match failure {
            Failure::Revoked => classify::revoked(),
            Failure::Ended => classify::lost(self.link.failure(), sql),
            Failure::Unclear => classify::not_understood(sql),
            Failure::Statement(response) => classify::statement(*response, sql),
            // The transaction is open and aborted: the statement would have failed so too.
            Failure::Guard(response) if &*response.code == "25P02" => classify::statement(*response, sql),
            Failure::Guard(response) if response.ends_session() => classify::statement(*response, sql),
            Failure::Guard(response) if &*response.code == "25P01" => {
                let text = "the transaction is not open any more: its BEGIN has failed, or it was ended from elsewhere";
                let error = Error::new(ErrorKind::RolledBack, text).with_source(*response).with_statement(sql);
                DriverError::new(Impact::Transaction, error)
            }
            // The guard itself was cancelled, or its name was lost: it is unknown whether the transaction is open.
            Failure::Guard(response) => classify::control(*response),
            Failure::Step(response) => match in_flight.failed_step() {
                Some(step) => classify::step(*response, step),
                None => classify::control(*response),
            },
        }
    }
}
