//! [`Progress`]: one line on the terminal that tells what is being measured, and how much is left. Elsewhere, a line now and
//! then.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

pub(crate) struct Progress {
    done: usize,
    all: usize,
    began: Instant,
    shown: Option<Instant>,
    is_terminal: bool,
}

impl Progress {
    pub(crate) fn new(all: usize) -> Self {
        Self { done: 0, all, began: Instant::now(), shown: None, is_terminal: stderr().is_terminal() }
    }

    pub(crate) fn step(&mut self, what: &str) {
        self.done += 1;
        let every = if self.is_terminal { Duration::from_millis(80) } else { Duration::from_secs(15) };
        if self.shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        self.shown = Some(Instant::now());
        let (seconds, percent) = (self.began.elapsed().as_secs(), self.done.min(self.all) * 100 / self.all.max(1));
        let line = format!("{:>3}:{:02}  {percent:>3} %  {what}", seconds / 60, seconds % 60);
        let _ = if self.is_terminal { write!(stderr(), "\r\x1b[2K{line}") } else { writeln!(stderr(), "{line}") };
    }

    pub(crate) fn clear(&mut self) {
        if self.is_terminal {
            let _ = write!(stderr(), "\r\x1b[2K");
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}
