//! [`InFlight`]: one request under way, with the steps ahead of it in the same group. It reads the answer and tells
//! which part of it belongs to a step. It knows no statements and not what errors mean.

use std::task::{Context, Poll, ready};

use super::{
    error_response::ErrorResponse,
    link::{AnswerError, PendingAnswer, messages},
    prepared_steps::Preparing,
    steps::{self, GUARDS},
};
use crate::transaction::control::{Control, Steps};

/// Why a request has failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The request was revoked.
    Revoked,
    /// The connection has ended.
    Ended,
    /// The answer is not understood.
    Unclear,
    /// The guard has failed: no transaction is open, or an aborted one.
    Guard(Box<ErrorResponse>),
    /// A step has failed, and nothing behind it has run.
    Step(Box<ErrorResponse>),
    /// The statement has failed.
    Statement(Box<ErrorResponse>),
}

/// A group of steps and a request, as it was sent.
pub(super) struct Group {
    pub(super) answer: PendingAnswer,
    pub(super) is_guarded: bool,
    pub(super) preparing: Preparing,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct InFlight {
    answer: PendingAnswer,
    /// The owed steps that it has taken along.
    pub(super) taken: Steps,
    is_guarded: bool,
    /// The number of commands ahead of the statement.
    ahead: usize,
    /// The number of commands that were answered.
    answered: usize,
    /// The number of portals that were bound.
    bound: usize,
    /// The steps that are prepared if all succeed.
    pub(super) preparing: Preparing,
    failed: Option<Box<Failure>>,
}

impl InFlight {
    /// A request without steps.
    pub(super) fn alone(answer: PendingAnswer) -> Self {
        Self::new(Group { answer, is_guarded: false, preparing: Preparing::default() }, Steps::new())
    }

    /// A group, and the steps in it.
    pub(super) fn new(Group { answer, is_guarded, preparing }: Group, taken: Steps) -> Self {
        let guards = if is_guarded { GUARDS } else { 0 };
        let ahead = guards + taken.iter().map(steps::count).sum::<usize>();
        Self { answer, taken, is_guarded, ahead, answered: 0, bound: 0, preparing, failed: None }
    }

    /// Whether all steps are known to have succeeded.
    pub(super) fn steps_succeeded(&self) -> bool {
        self.answered == self.ahead
    }

    /// Whether the server has done nothing for it, as far as is known.
    pub(super) fn is_untouched(&self) -> bool {
        self.answered == 0 && self.bound == 0
    }

    /// Whether the server has begun to run the statement.
    pub(super) fn is_running(&self) -> bool {
        self.bound > self.ahead
    }

    /// Whether it begins a transaction.
    pub(super) fn begins(&self) -> bool {
        begins(&self.taken)
    }

    /// The step that has failed, if one has.
    pub(super) fn failed_step(&self) -> Option<&Control> {
        let guards = if self.is_guarded { GUARDS } else { 0 };
        steps::step_of(&self.taken, self.answered.checked_sub(guards)?)
    }

    /// Reads the answer to its end. `read` gets what belongs to the statement, and returns whether it understands that.
    pub(super) fn poll_answer(
        &mut self,
        cx: &Context<'_>,
        read: &mut impl FnMut(u8, &[u8]) -> bool,
    ) -> Poll<Result<(), Failure>> {
        loop {
            if let Some(result) = ready!(self.poll_piece(cx, read)) {
                return Poll::Ready(result);
            }
        }
    }

    /// As [`poll_answer`](Self::poll_answer), but reads one piece; `None` if there is more.
    pub(super) fn poll_piece(
        &mut self,
        cx: &Context<'_>,
        read: &mut impl FnMut(u8, &[u8]) -> bool,
    ) -> Poll<Option<Result<(), Failure>>> {
        let piece = match ready!(self.answer.poll(cx)) {
            Ok(piece) => piece,
            Err(AnswerError::Revoked) => return Poll::Ready(Some(Err(Failure::Revoked))),
            Err(AnswerError::Ended) => return Poll::Ready(Some(Err(Failure::Ended))),
        };
        Poll::Ready(messages(&piece).find_map(|(tag, body)| self.read_message(tag, body, read)))
    }

    fn read_message(
        &mut self,
        tag: u8,
        body: &[u8],
        read: &mut impl FnMut(u8, &[u8]) -> bool,
    ) -> Option<Result<(), Failure>> {
        let is_ahead = self.answered < self.ahead;
        match tag {
            b'Z' => return Some(self.failed.take().map_or(Ok(()), |failure| Err(*failure))),
            b'E' => {
                let response = Box::new(ErrorResponse::parse(body));
                let ends_session = response.ends_session();
                let failure = match self.answered {
                    answered if self.is_guarded && answered < GUARDS => Failure::Guard(response),
                    _ if is_ahead => Failure::Step(response),
                    _ => Failure::Statement(response),
                };
                if ends_session {
                    return Some(Err(failure));
                }
                self.failed.get_or_insert_with(|| Box::new(failure));
            }
            _ if self.failed.is_some() => {}
            b'1' | b'3' => {}
            b'2' => self.bound += 1,
            b'C' | b'I' if is_ahead => self.answered += 1,
            b'D' if is_ahead => {}
            // The rest of the answer is unknown.
            _ if !read(tag, body) => return Some(Err(Failure::Unclear)),
            _ => {}
        }
        None
    }
}

/// Whether steps begin a transaction.
pub(super) fn begins(steps: &[Control]) -> bool {
    steps.iter().any(|step| matches!(step, Control::Begin(_)))
}
