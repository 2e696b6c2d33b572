//! The lines between the conductor and an agent: one JSON object a line, a request and its reply.

use serde::{Deserialize, Serialize};

use crate::Workload;

/// How a peer is opened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setup {
    pub url: String,
    /// How many connections it may have.
    pub connections: usize,
    /// Whether it is to be left as it comes, instead of at its best.
    pub defaults: bool,
    /// How many tasks will work at once.
    pub tasks: usize,
}

/// What the conductor asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Request {
    /// Opens a pool and warms it up; one that is open is closed before.
    Open(Setup),
    /// Runs a workload, for so many milliseconds or, if they are 0, so many times.
    Run { workload: Workload, tasks: usize, millis: u64, ops: u64 },
    /// Closes the pool.
    Close,
}

/// What comes back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    Done,
    Figures(Figures),
    Error(String),
}

/// What a run has measured. Times are in nanoseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Operations in the measured time.
    pub ops: u64,
    /// The measured time.
    pub nanos: u64,
    /// Operations before the measured time.
    pub warm: u64,
    /// Time on the processor, of the whole program.
    pub cpu: u64,
    /// Time on the processor, of the server's processes; the conductor's to fill in.
    #[serde(default)]
    pub server: u64,
    /// How long the operations took.
    pub median: u64,
    pub p99: u64,
    pub longest: u64,
    /// Operations that failed, and how the first of them did. None is wanted.
    pub errors: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
}

impl Figures {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.ops as f64 * 1e9 / self.nanos.max(1) as f64
    }
}
