//! The rows of a stream on their way from the connection's thread to whoever takes them: in chunks, with few under way.
//!
//! Used by the connection. It must not know turns, nor what the rows are for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    classify,
    job::{self, Held},
    stop::Stop,
    values::Copier,
};
use crate::{control::Control, driver::Query, fault::Fault, row::Row};

/// How long a row may wait for others to travel with.
const PATIENCE: Duration = Duration::from_millis(1);

type Chunk = Vec<Result<Row, Fault>>;

/// The two ends of a stream, for the piece of work of a number.
pub(super) fn channel(stop: Arc<Stop>, number: u64) -> (Flow, Rows) {
    let (chunks, taken) = mpsc::channel(2);
    let reads = Arc::new(AtomicBool::new(false));
    let left = Left { stop, number, reads: Arc::clone(&reads) };
    (Flow { chunks, reads, copier: Copier::default(), since: None }, Rows { taken, _left: left })
}

/// The end of the thread that steps through the rows.
pub(super) struct Flow {
    chunks: mpsc::Sender<Chunk>,
    /// Whether the statement changes nothing.
    reads: Arc<AtomicBool>,
    copier: Copier,
    /// When the last chunk went. The first row goes at once.
    since: Option<Instant>,
}

impl Flow {
    /// Runs a statement, and sends its rows for as long as somebody takes them.
    pub(super) fn run(&mut self, held: &mut Held, steps: &[Control], query: Query<'_>) -> Result<(), Fault> {
        job::take_steps(held, steps)?;
        let open = !held.db.is_autocommit();
        let result = self.send_rows(held, query);
        // The rows ahead of an error come first. That nobody takes them is no error.
        self.flush();
        result.map_err(|error| Fault::new(job::verdict(&held.db, open), error))
    }

    fn send_rows(&mut self, held: &Held, query: Query<'_>) -> Result<(), crate::error::Error> {
        let failed = |error| classify::statement(error, query.sql);
        let mut statement = job::prepare(&held.db, query)?;
        self.reads.store(statement.readonly(), Ordering::Release);
        let mut cursor = statement.raw_query();
        while !self.chunks.is_closed()
            && let Some(row) = cursor.next().map_err(failed)?
        {
            self.copier.push(row).map_err(failed)?;
            if self.copier.is_full() || self.since.is_none_or(|since| since.elapsed() > PATIENCE) {
                self.flush();
            }
        }
        Ok(())
    }

    fn flush(&mut self) {
        // An error here says that the stream was dropped, which is looked at before the next row.
        let _ = self.chunks.blocking_send(self.copier.take().map(Ok).collect());
        self.since = Some(Instant::now());
    }
}

/// The end of whoever takes the rows.
pub(super) struct Rows {
    taken: mpsc::Receiver<Chunk>,
    _left: Left,
}

impl Rows {
    /// The rows, and behind them the error that the work ended with; `broken` if it did not tell.
    pub(super) fn until(
        self,
        ended: oneshot::Receiver<Result<(), Fault>>,
        broken: Fault,
    ) -> BoxStream<'static, Result<Row, Fault>> {
        let chunks = stream::unfold((self, Some((ended, broken))), |(mut rows, ended)| async move {
            if let Some(chunk) = rows.taken.recv().await {
                return Some((stream::iter(chunk), (rows, ended)));
            }
            let (ended, broken) = ended?;
            let fault = match ended.await {
                Ok(Ok(())) => return None,
                Ok(Err(fault)) => fault,
                Err(_gone) => broken,
            };
            Some((stream::iter(vec![Err(fault)]), (rows, None)))
        });
        Box::pin(chunks.flatten())
    }
}

/// Ends the work when the stream is dropped. What writes is left to its end: stopping it half-way would roll the whole
/// transaction back.
struct Left {
    stop: Arc<Stop>,
    number: u64,
    reads: Arc<AtomicBool>,
}

impl Drop for Left {
    fn drop(&mut self) {
        if self.reads.load(Ordering::Acquire) {
            self.stop.call_off_one(self.number);
        }
    }
}
