//! The rows of a stream on their way from the connection's thread to whoever takes them, and the end of the work when
//! nobody does.
//!
//! Used by the connection. It must not know turns, nor what the rows are for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::stream::BoxStream;

use super::{
    classify,
    job::{self, Held},
    placeholders::Text,
    stop::Stop,
    values::Copier,
    writing::{Halt, Stopped},
};
use crate::{
    data::row::Row,
    driver::{
        Query,
        chunks::{Chunks, Taken, chunks},
    },
    transaction::impact::DriverError,
};

/// The two ends of a stream, for the piece of work of a number.
pub(super) fn channel(stop: Arc<Stop>, number: u64) -> (Flow, Rows) {
    let (chunks, taken) = chunks();
    let reads = Arc::new(AtomicBool::new(false));
    let left = Left { stop, number, reads: Arc::clone(&reads) };
    (Flow { chunks, reads, rows: Vec::new() }, Rows { taken, left })
}

/// The end of the thread that steps through the rows.
pub(super) struct Flow {
    chunks: Chunks,
    /// Whether the statement changes nothing.
    reads: Arc<AtomicBool>,
    /// Those that were not sent yet.
    rows: Vec<Row>,
}

impl Flow {
    /// Runs a statement, and sends its rows for as long as somebody takes them.
    pub(super) fn run(mut self, held: &mut Held, query: Query<'_>) -> Result<(), Stopped> {
        let open = !held.db.is_autocommit();
        let result = self.send_rows(held, open, query);
        // The rows ahead of an error come first. That nobody takes them is no error.
        self.chunks.send_blocking(self.rows);
        result.map_err(|halt| job::stopped(held, open, halt))?;
        job::keeps_transaction(&held.db, open, query.sql).map_err(Stopped::Failed)
    }

    fn send_rows(&mut self, held: &mut Held, open: bool, query: Query<'_>) -> Result<(), Halt> {
        let failed = |error| classify::statement(error, query.sql);
        let Held { db, stop, known, writing, spot, handled, .. } = held;
        let text = Text::of(query.sql);
        let mut statement = known.prepare(db, query.sql, &text.sql).map_err(failed)?;
        let learnt = job::prepare(known, handled, &mut statement, query, &text)?;
        self.reads.store(statement.readonly(), Ordering::Release);
        if !statement.readonly() && !open {
            writing.take(false, *spot).map_err(Halt::Waits)?;
        }
        stop.takes_along(open && !statement.readonly());
        let mut copier: Option<Copier> = None;
        let mut cursor = statement.raw_query();
        let result = loop {
            if self.chunks.is_unwanted() {
                break Ok(());
            }
            let row = match cursor.next() {
                Ok(Some(row)) => row,
                Ok(None) => break Ok(()),
                Err(error) => break Err(failed(error).into()),
            };
            let copier = copier.get_or_insert_with(|| Copier::new(learnt.columns(row.as_ref())));
            if let Err(error) = copier.push(row) {
                break Err(failed(error).into());
            }
            if copier.is_full() || self.chunks.is_due() {
                copier.take(&mut self.rows);
                self.chunks.send_blocking(std::mem::take(&mut self.rows));
            }
        };
        copier.iter_mut().for_each(|copier| copier.take(&mut self.rows));
        result
    }
}

/// The end of whoever takes the rows.
pub(super) struct Rows {
    taken: Taken,
    left: Left,
}

impl Rows {
    /// The rows, and behind them the error that the work ended with.
    pub(super) fn until(
        self,
        ended: impl Future<Output = Result<(), DriverError>> + Send + 'static,
    ) -> BoxStream<'static, Result<Row, DriverError>> {
        let left = self.left;
        self.taken.stream(async move {
            // It goes with the stream, whether that has ended or is dropped.
            let _left = left;
            ended.await
        })
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
