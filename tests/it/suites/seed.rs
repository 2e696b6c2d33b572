//! The seeds and the length of a suite, and the random numbers that a seed stands for.
//!
//! Used by every suite. It must not know what a case does.

use std::{
    env,
    hash::{BuildHasher as _, RandomState},
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use tokio::task::{JoinError, JoinSet};

/// The cases of one test: each has a seed of its own, the next number after the last.
pub(crate) struct Cases {
    next: u64,
    left: u64,
    /// Until when, if the length is given in time.
    until: Option<Instant>,
    test: String,
}

impl Cases {
    /// So many cases, unless the environment says how long. Called on the test's own thread, which has its name.
    pub(crate) fn new(count: u64) -> Self {
        let seconds: Option<u64> = setting("NESTLING_SUITE_SECONDS");
        let random = || RandomState::new().hash_one(Instant::now()) >> 16;
        Self {
            next: setting("NESTLING_SEED").unwrap_or_else(random),
            left: if seconds.is_some() { u64::MAX } else { count },
            until: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)),
            test: thread::current().name().unwrap_or_default().to_owned(),
        }
    }

    /// No more than so many, however much time there is.
    pub(crate) fn at_most(mut self, count: u64) -> Self {
        self.left = self.left.min(count);
        self
    }

    /// The seed of the next case.
    pub(crate) fn next(&mut self) -> Option<u64> {
        let is_over = match self.until {
            Some(until) => Instant::now() >= until,
            None => false,
        };
        if is_over || self.left == 0 {
            return None;
        }
        self.left -= 1;
        self.next = self.next.wrapping_add(1);
        Some(self.next.wrapping_sub(1))
    }

    /// Ends the test over a case that has failed.
    pub(crate) fn fail(&self, seed: u64, reason: &str) -> ! {
        let test = &self.test;
        panic!("{reason}\n\nto repeat it: NESTLING_SEED={seed} tests/run.sh --test it -- --exact {test}");
    }

    /// Runs all cases, several at once. A case that panics has failed.
    pub(crate) async fn run<F>(&mut self, at_once: usize, mut case: impl FnMut(u64) -> F)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let mut running = JoinSet::new();
        loop {
            while running.len() < at_once
                && let Some(seed) = self.next()
            {
                let case = tokio::spawn(case(seed));
                running.spawn(async move { (seed, case.await) });
            }
            let Some(ended) = running.join_next().await else { return };
            let (seed, result) = ended.expect("the case is in a task of its own");
            if let Err(reason) = result.map_err(said).and_then(|result| result) {
                self.fail(seed, &reason);
            }
        }
    }
}

/// What a task that panicked had to say.
fn said(error: JoinError) -> String {
    let payload = match error.try_into_panic() {
        Ok(payload) => payload,
        Err(error) => return error.to_string(),
    };
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Random numbers from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Any number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// Once in so many times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
