//! [`PreparedSteps`]: which control steps are known to be prepared at the server. A request that prepares a step closes
//! the step's name first; a request that is cancelled in between leaves none. So a step counts as prepared only if the
//! last request that has prepared any has succeeded: of pipelined requests, a later one may undo what an earlier one
//! did.

use std::sync::atomic::{AtomicU64, Ordering};

use super::steps::StepSet;

/// The lower half of the word: the prepared steps.
const STEPS: u64 = u32::MAX as u64;

/// The steps that one request prepares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Preparing {
    steps: StepSet,
    number: u64,
    /// The count of deallocations when it was sent.
    deallocations: u64,
}

/// The steps that are prepared on one connection.
#[derive(Debug, Default)]
pub(super) struct PreparedSteps {
    /// The prepared steps, and above them the number of the last request that has prepared any.
    word: AtomicU64,
    /// The count of deallocations at that time.
    since: AtomicU64,
}

impl PreparedSteps {
    /// The prepared steps, unless the server has deallocated them.
    pub(super) fn known(&self, deallocations: u64) -> StepSet {
        if self.since.swap(deallocations, Ordering::AcqRel) != deallocations {
            self.forget();
        }
        StepSet((self.word.load(Ordering::Acquire) & STEPS) as u32)
    }

    /// A request is sent that prepares these steps. None of them counts as prepared until it is answered.
    pub(super) fn prepare(&self, steps: StepSet, deallocations: u64) -> Preparing {
        if steps == StepSet::default() {
            return Preparing::default();
        }
        let next = |word: u64| (word & !u64::from(steps.0)).wrapping_add(STEPS + 1);
        let before = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| Some(next(word)));
        let (Ok(word) | Err(word)) = before;
        Preparing { steps, number: next(word) & !STEPS, deallocations }
    }

    /// A request has succeeded.
    pub(super) fn learn(&self, Preparing { steps, number, deallocations }: Preparing) {
        if steps != StepSet::default() && self.since.load(Ordering::Acquire) == deallocations {
            let learnt = |word: u64| (word & !STEPS == number).then_some(word | u64::from(steps.0));
            // If another request was sent meanwhile, its answer decides.
            let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, learnt);
        }
    }

    pub(super) fn forget(&self) {
        self.word.fetch_and(!STEPS, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_known_once_the_request_that_has_prepared_it_has_succeeded() {
        let steps = PreparedSteps::default();
        let sent = steps.prepare(StepSet(5), 0);
        assert_eq!(steps.known(0), StepSet(0));
        steps.learn(sent);
        assert_eq!(steps.known(0), StepSet(5));
        steps.learn(steps.prepare(StepSet(2), 0));
        assert_eq!(steps.known(0), StepSet(7));
        steps.learn(Preparing::default());
        steps.forget();
        assert_eq!(steps.known(0), StepSet(0));
    }

    #[test]
    fn a_step_is_not_known_while_a_later_request_may_have_closed_it() {
        let steps = PreparedSteps::default();
        let (first, second) = (steps.prepare(StepSet(3), 0), steps.prepare(StepSet(2), 0));
        steps.learn(first);
        assert_eq!(steps.known(0), StepSet(0), "the second may be cancelled between Close and Parse");
        steps.learn(second);
        assert_eq!(steps.known(0), StepSet(2));
        // One that was known is closed, as the request was written before that was learnt.
        let third = steps.prepare(StepSet(2), 0);
        assert_eq!(steps.known(0), StepSet(0));
        steps.learn(second);
        assert_eq!(steps.known(0), StepSet(0));
        steps.learn(third);
        assert_eq!(steps.known(0), StepSet(2));
    }

    #[test]
    fn what_the_server_has_forgotten_since_is_not_known() {
        let steps = PreparedSteps::default();
        let sent = steps.prepare(StepSet(1), 0);
        assert_eq!(steps.known(1), StepSet(0));
        steps.learn(sent);
        assert_eq!(steps.known(1), StepSet(0));
        steps.learn(steps.prepare(StepSet(1), 1));
        assert_eq!((steps.known(1), steps.known(2)), (StepSet(1), StepSet(0)));
    }

    #[test]
    fn numbers_may_begin_anew() {
        let steps = PreparedSteps { word: AtomicU64::new(!STEPS | 9), ..PreparedSteps::default() };
        let sent = steps.prepare(StepSet(8), 0);
        assert_eq!(steps.known(0), StepSet(1));
        steps.learn(sent);
        assert_eq!(steps.known(0), StepSet(9));
    }
}
