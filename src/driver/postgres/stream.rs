//! Streams of rows: rows are read as they are received, and no further ahead than the link buffers for a stream that is
//! not polled.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::Stream;

use super::{
    in_flight::{Failure, InFlight},
    outcome::FailedRequest,
    rows::RowCollector,
    wire::Wire,
};
use crate::{data::row::Row, driver::Answer, transaction::impact::DriverError};

/// The rest of an answer. If it is dropped, the request stays outstanding: the rest is read and discarded.
struct Rows {
    wire: Arc<Wire>,
    /// `None` at the end of the answer.
    in_flight: Option<InFlight>,
    collector: RowCollector,
    /// The rows that were received.
    ready: std::vec::IntoIter<Row>,
    /// The error behind them.
    failure: Option<DriverError>,
    sql: Box<str>,
}

/// Waits until the statement runs, or has failed before; rows and later errors come out of the stream.
pub(super) async fn start(
    wire: Arc<Wire>,
    mut in_flight: InFlight,
    mut collector: RowCollector,
    sql: &str,
) -> Result<Answer, Box<FailedRequest>> {
    let ended = poll_fn(|cx| {
        loop {
            let ended = ready!(in_flight.poll_piece(cx, &mut reading(&mut collector)));
            if ended.is_some() || in_flight.is_running() {
                return Poll::Ready(ended);
            }
        }
    })
    .await;
    wire.settle(&in_flight);
    let ready = collector.take().into_iter();
    let mut rows = Rows { wire, in_flight: None, collector, ready, failure: None, sql: sql.into() };
    match ended {
        Some(Err(failure)) if !in_flight.is_running() => {
            return Err(rows.wire.failed_request(&mut in_flight, failure, sql));
        }
        Some(result) => rows.end(in_flight, result),
        None => rows.in_flight = Some(in_flight),
    }
    Ok(Answer::stream(Box::pin(rows)))
}

/// Reads rows, and what follows them.
fn reading(collector: &mut RowCollector) -> impl FnMut(u8, &[u8]) -> bool {
    |tag, body| match tag {
        b'D' => collector.push(body),
        b'T' | b'n' => collector.describe(tag, body),
        _ => matches!(tag, b'C' | b'I'),
    }
}

impl Rows {
    fn end(&mut self, mut in_flight: InFlight, result: Result<(), Failure>) {
        self.failure = result.err().map(|failure| self.wire.failed_request(&mut in_flight, failure, &self.sql).fault);
    }
}

impl Stream for Rows {
    type Item = Result<Row, DriverError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(row) = this.ready.next() {
                return Poll::Ready(Some(Ok(row)));
            }
            let Some(in_flight) = &mut this.in_flight else { return Poll::Ready(this.failure.take().map(Err)) };
            let ended = ready!(in_flight.poll_piece(cx, &mut reading(&mut this.collector)));
            this.ready = this.collector.take().into_iter();
            if let Some(result) = ended
                && let Some(in_flight) = this.in_flight.take()
            {
                this.end(in_flight, result);
            }
        }
    }
}
