//! What every measured program has in common: the workloads, the loop that measures them, and the lines that it speaks
//! with the conductor.
//!
//! Used by the agents of all workspaces here and by the conductor. It must not know a database or a driver.

mod measure;
mod peer;
mod protocol;
mod serve;
mod wide;
mod workload;

pub use anyhow::{Result, anyhow, bail};

pub use crate::{
    measure::repeat,
    peer::{BoxFuture, Job, Peer, Refused},
    protocol::{Figures, Reply, Request, Setup},
    serve::serve,
    wide::Wide,
    workload::{ACCOUNTS, Outcome, SCALE, WIDE_ROWS, Workload},
};
