//! The rows of a stream, from the connection's thread to the stream, and the end of the work when the stream is
//! dropped.
//!
//! It knows neither permits nor what the rows are for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::stream::BoxStream;

use super::{
    cancel_flag::CancelFlag,
    classify,
    connection_state::ConnectionState,
    job,
    placeholders::Text,
    values::RowCollector,
    write_access::{StatementError, WorkError},
};
use crate::{
    data::row::Row,
    driver::{
        Query,
        chunks::{self, ChunkReceiver, ChunkSender},
    },
    transaction::impact::DriverError,
};

/// The two ends of a stream, for the piece of work with this number.
pub(super) fn channel(cancel: Arc<CancelFlag>, number: u64) -> (RowProducer, RowConsumer) {
    let (chunks, receiver) = chunks::channel();
    let reads = Arc::new(AtomicBool::new(false));
    let cancel_on_drop = CancelOnDrop { cancel, number, reads: Arc::clone(&reads) };
    (RowProducer { chunks, reads, rows: Vec::new() }, RowConsumer { receiver, cancel_on_drop })
}

/// Reads the rows, on the connection's thread.
pub(super) struct RowProducer {
    chunks: ChunkSender,
    /// Whether the statement is read-only.
    reads: Arc<AtomicBool>,
    /// The rows that were not sent yet.
    rows: Vec<Row>,
}

impl RowProducer {
    /// Runs a statement, and sends its rows until the stream is dropped.
    pub(super) fn run(mut self, conn: &mut ConnectionState, query: Query<'_>) -> Result<(), WorkError> {
        let open = !conn.db.is_autocommit();
        let result = self.send_rows(conn, open, query);
        // The rows ahead of an error come first. A dropped stream is no error.
        self.chunks.send_blocking(self.rows);
        result.map_err(|error| job::stopped(conn, open, error))?;
        job::keeps_transaction(&conn.db, open, query.sql).map_err(WorkError::Failed)
    }

    fn send_rows(&mut self, conn: &mut ConnectionState, open: bool, query: Query<'_>) -> Result<(), StatementError> {
        let failed = |error| classify::statement(error, query.sql);
        let ConnectionState { db, cancel, metas, write_access, current_thread, needs_reset, .. } = conn;
        let text = Text::of(query.sql);
        let mut statement = metas.prepare(db, query.sql, &text.sql).map_err(failed)?;
        let meta = job::prepare(metas, needs_reset, &mut statement, query, &text)?;
        self.reads.store(statement.readonly(), Ordering::Release);
        if !statement.readonly() && !open {
            write_access.take(false, *current_thread).map_err(StatementError::Waits)?;
        }
        cancel.set_would_roll_back(open && !statement.readonly());
        let mut collector: Option<RowCollector> = None;
        let mut cursor = statement.raw_query();
        let result = loop {
            if self.chunks.is_closed() {
                break Ok(());
            }
            let row = match cursor.next() {
                Ok(Some(row)) => row,
                Ok(None) => break Ok(()),
                Err(error) => break Err(failed(error).into()),
            };
            let collector = collector.get_or_insert_with(|| RowCollector::new(meta.columns(row.as_ref())));
            if let Err(error) = collector.push(row) {
                break Err(failed(error).into());
            }
            if collector.is_full() || self.chunks.is_due() {
                collector.take(&mut self.rows);
                self.chunks.send_blocking(std::mem::take(&mut self.rows));
            }
        };
        collector.iter_mut().for_each(|collector| collector.take(&mut self.rows));
        result
    }
}

/// Receives the rows.
pub(super) struct RowConsumer {
    receiver: ChunkReceiver,
    cancel_on_drop: CancelOnDrop,
}

impl RowConsumer {
    /// The rows, and behind them the error of the work.
    pub(super) fn until(
        self,
        ended: impl Future<Output = Result<(), DriverError>> + Send + 'static,
    ) -> BoxStream<'static, Result<Row, DriverError>> {
        let cancel_on_drop = self.cancel_on_drop;
        self.receiver.stream(async move {
            // Dropped with the stream, whether that has ended or not.
            let _left = cancel_on_drop;
            ended.await
        })
    }
}

/// Cancels the work when the stream is dropped. A statement that writes runs to its end: stopping it would roll the
/// whole transaction back.
struct CancelOnDrop {
    cancel: Arc<CancelFlag>,
    number: u64,
    reads: Arc<AtomicBool>,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if self.reads.load(Ordering::Acquire) {
            self.cancel.set_one(self.number);
        }
    }
}
