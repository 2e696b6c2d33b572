//! Futures and streams that are begun, and kept beyond their blocks without being polled or dropped.
//!
//! Used by the machine. Polled at last, each of them must say that its block has ended.

use std::{pin::Pin, sync::PoisonError, task::Poll, time::Duration};

use nestling::{Context, Error, ErrorKind, Row, params, row::RowStream};
use tokio::time::timeout;

use super::{
    super::{outcome::Outcome, program::What},
    Machine,
};
use crate::{dialects::numbers, harness::poll_once};

/// How long what is kept may take to be ready when its block has ended.
const BOUND: Duration = Duration::from_secs(10);

type Query = Pin<Box<dyn Future<Output = Result<Vec<Row>, Error>> + Send>>;

pub(super) enum Kept {
    Query(Query),
    Stream(RowStream),
}

impl Machine {
    /// Begins something and keeps it, unless it is ready at once.
    pub(super) async fn keep(&self, what: What) -> Result<Outcome, Error> {
        let short = "select 1 from item where id < 0";
        match self.ways.keeps(what) {
            What::Sleep => self.keep_query(self.endless()).await,
            What::Short => self.keep_query(short).await,
            What::Two => {
                self.keep_query(self.endless()).await?;
                self.keep_query(short).await
            }
            What::Few => self.keep_stream(3).await,
            What::Many => self.keep_stream(50_000).await,
        }
    }

    async fn keep_query(&self, sql: &'static str) -> Result<Outcome, Error> {
        let db = self.db.clone();
        let mut query: Query = Box::pin(Context::current().enter(async move { db.query(sql, params![]).await }));
        match poll_once(query.as_mut()).await {
            Poll::Ready(result) => result.map(|_| Outcome::Done),
            Poll::Pending => {
                self.push(Kept::Query(query));
                Ok(Outcome::Kept)
            }
        }
    }

    async fn keep_stream(&self, count: i64) -> Result<Outcome, Error> {
        let mut rows = self.db.stream(numbers(self.db.dialect()), params![count]).await?;
        rows.next().await.expect("there are rows")?;
        self.push(Kept::Stream(rows));
        Ok(Outcome::Kept)
    }

    fn push(&self, kept: Kept) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    }

    /// Polls or drops what is kept.
    pub(super) async fn finish(&self, polls: bool) -> Outcome {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let count = kept.len();
        if !polls {
            return Outcome::Done;
        }
        for kept in kept {
            let answer = match kept {
                Kept::Query(query) => timeout(BOUND, query).await.map(|answer| answer.map(|rows| rows.len())),
                Kept::Stream(mut rows) => {
                    let next = timeout(BOUND, rows.next()).await;
                    next.map(|row| row.expect("one thing more is said").map(|_| 1))
                }
            };
            let error = answer.expect("what was kept is ready").expect_err("the block of what was kept has ended");
            assert_eq!(error.kind(), ErrorKind::FrameClosed, "{error:?}");
        }
        Outcome::Closed(count)
    }
}
