//! A progress bar that redraws itself in place on stderr, if that is a terminal, and is silent otherwise.

use std::{
    io::{self, IsTerminal, Stderr, Write},
    time::{Duration, Instant},
};

use crate::text;

/// How many characters the bar is long. The whole line fits a terminal of 80 columns: a line that wraps cannot be
/// redrawn in place.
const WIDTH: usize = 32;

/// How long a line stays before it is redrawn: often enough to look smooth, seldom enough to cost nothing.
const REDRAW: Duration = Duration::from_millis(40);

/// How much is done. Dropping it leaves the bar where it is and ends its line.
pub(crate) struct Progress {
    /// Where to draw; nowhere if nobody is looking.
    screen: Option<Stderr>,
    done: usize,
    total: usize,
    started: Instant,
    drawn: Instant,
}

impl Progress {
    pub(crate) fn new(total: usize) -> Self {
        let now = Instant::now();
        let stderr = io::stderr();
        let screen = stderr.is_terminal().then_some(stderr);
        let mut progress = Self { screen, done: 0, total, started: now, drawn: now };
        progress.draw();
        progress
    }

    /// Counts one more as done.
    pub(crate) fn advance(&mut self) {
        self.done += 1;
        if self.done == self.total || self.drawn.elapsed() >= REDRAW {
            self.draw();
        }
    }

    fn draw(&mut self) {
        self.drawn = Instant::now();
        let line = line(self.done, self.total, self.drawn - self.started);
        if let Some(screen) = &mut self.screen {
            // A bar that cannot be drawn is no reason to stop the work.
            let _ = write!(screen, "\r{line}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(screen) = &mut self.screen {
            let _ = writeln!(screen);
        }
    }
}

/// The line without its end. It never gets shorter while `done` grows, so each covers the one before it.
fn line(done: usize, total: usize, elapsed: Duration) -> String {
    let full = done * WIDTH / total.max(1);
    let percent = done * 100 / total.max(1);
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let (bar, rest) = ("█".repeat(full), "░".repeat(WIDTH - full));
    let (done, total, rate) = (text::grouped(done as u64), text::grouped(total as u64), text::grouped(rate as u64));
    format!("{bar}{rest} {percent:>3} %  {done:>width$} of {total}  {rate:>7} rows/s", width = total.len())
}
