//! The instruments without the feature `metrics`: nothing is measured.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};

#[derive(Debug, Clone)]
pub(crate) struct Instruments;

#[allow(clippy::unused_self, reason = "they stand for those that measure")]
impl Instruments {
    pub(crate) fn new(
        _system: &'static str,
        _pool: &str,
        _namespace: Option<&str>,
        _server: (Option<&str>, Option<u16>),
    ) -> Self {
        Self
    }

    pub(crate) fn connected_to(&self, _system: &'static str) {}

    pub(crate) fn created(&self, _time: Duration) {}

    pub(crate) fn waited(&self, _time: Duration) {}

    pub(crate) fn used(&self, _time: Duration) {}

    pub(crate) fn timed_out(&self) {}

    pub(crate) fn transaction_ended(&self, _outcome: &'static str) {}

    pub(crate) fn failed(&self, _kind: ErrorKind) {}
}

#[derive(Debug, Default)]
pub(crate) struct Timer {}

#[allow(clippy::unused_self, reason = "it stands for one that measures")]
impl Timer {
    #[inline]
    pub(crate) fn of_statement(_sql: &str, _is_batch: bool, _since: impl FnOnce() -> Instant) -> Self {
        Self {}
    }

    #[inline]
    pub(crate) fn of_end(_is_commit: bool) -> Self {
        Self {}
    }

    #[inline]
    pub(crate) fn end(&mut self, _instruments: &Instruments, _error: Option<&Error>) {}

    #[inline]
    pub(crate) fn cancel(&mut self, _instruments: &Instruments) {}
}
