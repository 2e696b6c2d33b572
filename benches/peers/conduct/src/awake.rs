//! Keeps the processors from going to sleep while something is measured.
//!
//! A virtual processor that has nothing to do is halted, and takes some 50 µs to be woken: as long as several round trips
//! on the loopback. Whether that is paid is decided by which processor the kernel has put the server on, so that one and
//! the same program may be six times as fast in one run as in the next. A loop of the lowest class on each processor has
//! it awake always, and gives way at once.

use std::{process::Stdio, thread};

use tokio::process::{Child, Command};

/// Counts, and looks now and then whether its parent is there still.
const LOOP: &str = "while kill -0 $PPID 2>/dev/null; do i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; done";

/// The loops, which end with it.
#[derive(Debug)]
pub(crate) struct Awake(Vec<Child>);

impl Awake {
    /// Starts a loop for each processor.
    pub(crate) fn keep() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let start = |_| {
            let mut command = Command::new("chrt");
            command.args(["--idle", "0", "sh", "-c", LOOP]).stdin(Stdio::null()).kill_on_drop(true).spawn()
        };
        let loops: Result<Vec<_>, _> = (0..processors).map(start).collect();
        Self(loops.unwrap_or_else(|error| {
            eprintln!("the processors are not kept awake, so that figures with one task are chance: chrt: {error}");
            Vec::new()
        }))
    }

    /// Whether it has worked.
    pub(crate) fn is_kept(&self) -> bool {
        !self.0.is_empty()
    }
}
