//! Suites of random cases on every back end: the cut at every byte of a conversation, the storm of cancellations, the one from
//! outside, and the process that is killed. The random programs (`programs.rs`) are the fifth; they use the same seeds.
//!
//! - `NESTLING_SEED`: the seed of the first case; the next case has the next number. Without it the first seed is random. A
//!   case that fails prints its seed and the command that repeats it. The same seed makes the same decisions; how tasks,
//!   threads and servers interleave is not part of it.
//! - `NESTLING_SUITE_SECONDS`: how long each test of a suite goes on. Without it each runs a small number of cases.
//!
//! `just suites 300` runs each test of the suites for five minutes.

mod cut;
mod killed;
mod outside;
pub(crate) mod seed;
pub(crate) mod storm;
