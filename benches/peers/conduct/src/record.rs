//! [`Record`]: everything that one run of the comparison has measured, as it is kept and printed in JSON.

use std::collections::BTreeMap;

use agent::{Figures, Workload};
use serde::{Deserialize, Serialize};

use crate::{backend::Backend, plan::Link};

/// One run of the comparison.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Whether it was the short check, whose figures mean little.
    pub(crate) quick: bool,
    pub(crate) date: String,
    pub(crate) seconds: f64,
    /// Whether the processors were kept from going to sleep.
    #[serde(default)]
    pub(crate) awake: bool,
    /// What it ran on, by name.
    pub(crate) machine: BTreeMap<String, String>,
    /// Servers and crates.
    pub(crate) versions: BTreeMap<String, String>,
    /// What was left out, and why.
    pub(crate) left_out: Vec<String>,
    /// What a round trip through each proxy really takes, in milliseconds.
    pub(crate) delays: BTreeMap<u32, f64>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) trips: Vec<Trips>,
    pub(crate) crowds: Vec<Crowd>,
    pub(crate) waiting: Option<Waiting>,
    pub(crate) growth: Vec<Growth>,
    pub(crate) open_savepoints: Vec<OpenSavepoints>,
}

/// What a load is about: the server, how it is reached, and how many tasks work at once.
pub(crate) type Conditions = (Backend, Link, usize);

/// One peer at one workload under one load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) backend: Backend,
    pub(crate) link: Link,
    pub(crate) tasks: usize,
    pub(crate) workload: Workload,
    pub(crate) peer: String,
    pub(crate) defaults: bool,
    /// One for each round, in order: the same place in another cell was measured next to it.
    pub(crate) rounds: Vec<Figures>,
}

/// Round trips of one operation, counted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Trips {
    pub(crate) backend: Backend,
    pub(crate) workload: Workload,
    pub(crate) peer: String,
    pub(crate) defaults: bool,
    pub(crate) trips: f64,
}

/// 64 tasks in a loop on 8 connections.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Crowd {
    pub(crate) peer: String,
    pub(crate) rounds: Vec<Figures>,
}

/// 10,000 tasks that wait for 16 connections: what the program `waiting` has printed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) tasks: u64,
    pub(crate) connections: u64,
    pub(crate) served: u64,
    /// How many of those that one connection served, going from hand to hand, were not served in order of arrival.
    pub(crate) in_order: u64,
    pub(crate) out_of_turn: u64,
    /// For each waiting task, beyond the task itself.
    pub(crate) bytes: f64,
    /// The size of the task's future.
    pub(crate) future: u64,
    pub(crate) seconds: f64,
}

/// How long an operation takes by its size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Growth {
    pub(crate) peer: String,
    /// `D`: savepoints inside one another; `E`: side by side.
    pub(crate) kind: char,
    /// Size and median nanoseconds.
    pub(crate) points: Vec<(u32, u64)>,
}

/// How long a reader takes while another session has savepoints open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OpenSavepoints {
    pub(crate) open: u32,
    /// The median of a count over 20,000 young rows, in nanoseconds.
    pub(crate) nanos: u64,
}

/// The middle of some numbers.
pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// Client and server together.
fn processor_of_one(figures: &Figures) -> f64 {
    (figures.cpu + figures.server) as f64 / figures.ops.max(1) as f64
}

impl Cell {
    /// Operations a second: the median of the rounds.
    pub(crate) fn rate(&self) -> f64 {
        median(self.rounds.iter().map(Figures::rate)).unwrap_or_default()
    }

    /// How long an operation takes, in nanoseconds: the median of the rounds' medians.
    pub(crate) fn latency(&self) -> f64 {
        median(self.rounds.iter().map(|figures| figures.median as f64)).unwrap_or_default()
    }

    /// Processor time of the client for one operation, in nanoseconds, all rounds together.
    pub(crate) fn client(&self) -> f64 {
        self.for_one(|figures| figures.cpu)
    }

    /// The same of the server.
    pub(crate) fn server(&self) -> f64 {
        self.for_one(|figures| figures.server)
    }

    /// Processor time of client and server together for one operation, in nanoseconds, all rounds together.
    pub(crate) fn processor(&self) -> f64 {
        self.for_one(|figures| figures.cpu + figures.server)
    }

    fn for_one(&self, pick: fn(&Figures) -> u64) -> f64 {
        let (sum, ops) = self.rounds.iter().fold((0, 0), |(sum, ops), one| (sum + pick(one), ops + one.ops));
        sum as f64 / ops.max(1) as f64
    }

    /// How much of another's processor time: the median of the rounds' own ratios.
    pub(crate) fn processor_by(&self, other: &Self) -> f64 {
        let pairs = self.rounds.iter().zip(&other.rounds);
        let ratio = |(own, others)| processor_of_one(own) / processor_of_one(others).max(f64::MIN_POSITIVE);
        median(pairs.map(ratio)).unwrap_or_default()
    }

    /// How far the rounds are from one another, the largest and the smallest figure by the median: in processor time for
    /// one operation, and in throughput.
    pub(crate) fn spreads(&self) -> [f64; 2] {
        [processor_of_one, Figures::rate].map(|figure: fn(&Figures) -> f64| {
            let most = self.rounds.iter().map(figure).fold(f64::MIN, f64::max);
            let least = self.rounds.iter().map(figure).fold(f64::MAX, f64::min);
            (most - least) / median(self.rounds.iter().map(figure)).unwrap_or(f64::MAX).max(f64::MIN_POSITIVE)
        })
    }

    /// How much faster than another: the median of the rounds' own ratios, as neighbours share the machine's moods.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        let pairs = self.rounds.iter().zip(&other.rounds);
        median(pairs.map(|(own, others)| own.rate() / others.rate().max(f64::MIN_POSITIVE))).unwrap_or_default()
    }
}

impl Crowd {
    pub(crate) fn rate(&self) -> f64 {
        median(self.rounds.iter().map(Figures::rate)).unwrap_or_default()
    }

    /// The longest operation by the median one.
    pub(crate) fn unfairness(&self) -> f64 {
        median(self.rounds.iter().map(|one| one.longest as f64 / one.median.max(1) as f64)).unwrap_or_default()
    }
}

impl Record {
    pub(crate) fn cell(
        &self,
        (backend, link, tasks): Conditions,
        workload: Workload,
        peer: &str,
        defaults: bool,
    ) -> Option<&Cell> {
        self.cells.iter().find(|cell| {
            cell.backend == backend
                && cell.link == link
                && cell.tasks == tasks
                && cell.workload == workload
                && cell.peer == peer
                && cell.defaults == defaults
        })
    }

    pub(crate) fn trips(&self, backend: Backend, workload: Workload, peer: &str, defaults: bool) -> Option<f64> {
        let mut all = self.trips.iter();
        let found = all.find(|one| {
            one.backend == backend && one.workload == workload && one.peer == peer && one.defaults == defaults
        });
        found.map(|one| one.trips)
    }
}
