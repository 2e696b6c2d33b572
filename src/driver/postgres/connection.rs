//! [`PostgresConnection`]: one session at a PostgreSQL server. Statements are prepared once, cached and pipelined;
//! control steps are sent ahead of them, in the same group.
//!
//! `wire.rs` sends, `prepare.rs` prepares statements, `unnamed.rs` runs those without names, `retry.rs` sends again
//! what the server has forgotten, `ending.rs` ends transactions.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::future::{BoxFuture, Either};

use super::{
    connector::Connected,
    encode::{self, Refused},
    hstore, limits, message,
    naming::Naming,
    outcome::FailedRequest,
    rows::RowCollector,
    scratch::Scratch,
    statement_cache::{PreparedStatement, StatementCache},
    stream,
    types::Types,
    wire::Wire,
};
use crate::{
    driver::{Answer, Connection, Query, Running, State, Want},
    sql::{
        effects,
        statement::{SessionEffect, session_effect},
        tokens::Syntax,
    },
    transaction::{
        control::Control,
        impact::{CancelScope, DriverError},
        owed::Flight,
    },
};

/// The number of cached descriptions where no statement is prepared at the server.
const DESCRIPTIONS: usize = 256;

/// A connection to PostgreSQL.
#[derive(Debug)]
pub(crate) struct PostgresConnection {
    pub(super) wire: Arc<Wire>,
    pub(super) cache: StatementCache,
    pub(super) types: Arc<Types>,
    /// The buffer in which requests are written.
    pub(super) scratch: Scratch,
    /// Whether values of hstore are read and written.
    pub(super) hstore: bool,
    /// The count of DEALLOCATE ALL and the like when the cache was last cleared for it.
    deallocations: AtomicU64,
}

impl PostgresConnection {
    pub(super) fn new(connected: Connected, statement_cache: usize, naming: Arc<Naming>, hstore: bool) -> Self {
        // A statement without a name costs the server nothing.
        let capacity = if statement_cache == 0 { DESCRIPTIONS } else { statement_cache };
        let (wire, cache) = (Arc::new(Wire::new(connected, naming)), StatementCache::new(capacity));
        let (types, scratch) = (Arc::default(), Scratch::default());
        Self { wire, cache, types, scratch, hstore, deallocations: AtomicU64::new(0) }
    }

    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    async fn run(&self, flight: &dyn Flight, query: Query<'_>, want: Want) -> Result<Answer, DriverError> {
        limits::check_count(query)?;
        // All other paths are boxed: their futures are large, and every statement would carry them.
        if want == Want::Batch {
            return Box::pin(self.batch(flight, query)).await;
        }
        if !self.hstore {
            hstore::refuse(query.params)?;
        }
        if self.wire.has_new_schema() {
            Box::pin(self.settle_schema(flight)).await?;
        }
        let Some(cached) = self.cache.get(query.sql) else {
            return Box::pin(self.run_new(flight, query, want)).await;
        };
        let Some(name) = cached.name.as_ref().filter(|_| self.wire.naming.has_names()) else {
            return Box::pin(self.run_unnamed(flight, &cached, query, want)).await;
        };
        let request = match self.bind(name.bytes(), &cached, query) {
            Ok(request) => request,
            // The columns of the statement may have other types by now.
            Err(Refused::Misfit(_)) => return Box::pin(self.run_new(flight, query, want)).await,
            Err(refused) => return Err(refused_at(refused, query)),
        };
        match self.execute(flight, &cached, query, request, want).await {
            Err(failed) => Box::pin(self.retry(flight, failed, query, want)).await,
            Ok(answer) => Ok(answer),
        }
    }

    /// Sends the owed steps alone, as they may undo a change of the schema on which later prepared statements depend.
    async fn settle_schema(&self, flight: &dyn Flight) -> Result<(), DriverError> {
        self.run_steps(flight, &[]).await?;
        if self.wire.take_undone_schema() {
            self.cache.clear();
        }
        Ok(())
    }

    /// The schema may have changed, or the meaning of names, or the server has forgotten statements.
    pub(crate) fn schema_changed(&self) {
        self.cache.clear();
        self.wire.note_new_schema();
    }

    /// A change of the session may have dropped prepared steps. The prepared statements are forgotten if the server was
    /// seen to drop them.
    fn note_deallocations(&self) {
        self.wire.forget_steps();
        let deallocations = self.wire.deallocations();
        if self.deallocations.swap(deallocations, Ordering::AcqRel) != deallocations {
            self.cache.clear();
        }
    }

    async fn batch(&self, flight: &dyn Flight, query: Query<'_>) -> Result<Answer, DriverError> {
        limits::check_text(query.sql)?;
        self.refuse_lasting(query.sql)?;
        self.wire.note(session_effect(query.sql, Syntax::Postgres));
        self.simple(flight, query.sql, |tag, _| matches!(tag, b'T' | b'D' | b'C' | b'I')).await?;
        self.note_deallocations();
        if effects::may_change_schema(query.sql) {
            self.schema_changed();
        }
        Ok(Answer::count(0))
    }

    /// Runs a text of any number of statements; `read` gets the answers.
    pub(super) async fn simple(
        &self,
        flight: &dyn Flight,
        sql: &str,
        read: impl FnMut(u8, &[u8]) -> bool,
    ) -> Result<(), DriverError> {
        let (steps, mut text) = self.wire.send_text(flight, sql)?;
        if let Some(mut steps) = steps
            && let Err(failed) = self.wire.receive(&mut steps, "", |_, _| false).await
        {
            // The text has not run: the guard ahead of it has found no transaction.
            self.retry_steps(flight, *failed).await?;
            text = self.wire.send_text(flight, sql)?.1;
        }
        self.wire.receive(&mut text, sql, read).await.map_err(|failed| failed.fault)
    }

    /// Writes the request that runs a prepared statement.
    pub(super) fn bind(&self, name: &[u8], prepared: &PreparedStatement, query: Query<'_>) -> Result<Vec<u8>, Refused> {
        let mut request = self.scratch.take();
        encode::bind(name, query.params, &prepared.params, &mut request)?;
        message::execute_and_sync(&mut request);
        Ok(request)
    }

    pub(super) async fn execute(
        &self,
        flight: &dyn Flight,
        prepared: &Arc<PreparedStatement>,
        query: Query<'_>,
        request: Vec<u8>,
        want: Want,
    ) -> Result<Answer, Box<FailedRequest>> {
        self.wire.note(prepared.effect);
        let mut in_flight = self.wire.send_request(flight, &request)?;
        self.scratch.put(request);
        let mut affected = 0;
        let answer = match want {
            Want::Count | Want::Batch => {
                let read = |tag, body: &[u8]| {
                    if tag == b'C' {
                        affected = message::affected(body);
                    }
                    matches!(tag, b'C' | b'D' | b'I')
                };
                self.wire.receive(&mut in_flight, query.sql, read).await?;
                Answer::count(affected)
            }
            Want::Rows => {
                let mut all = RowCollector::new(Arc::clone(&prepared.meta), query.reader.cloned());
                let read = |tag, body: &[u8]| match tag {
                    b'D' => all.push(body),
                    b'C' => {
                        affected = message::affected(body);
                        true
                    }
                    _ => tag == b'I',
                };
                self.wire.receive(&mut in_flight, query.sql, read).await?;
                Answer::rows(all.take(), affected)
            }
            Want::Stream => {
                let rows = RowCollector::new(Arc::clone(&prepared.meta), None);
                Box::pin(stream::start(Arc::clone(&self.wire), in_flight, rows, query.sql)).await?
            }
        };
        self.has_run(prepared);
        Ok(answer)
    }

    /// Notes what a statement has changed.
    #[inline]
    pub(super) fn has_run(&self, prepared: &PreparedStatement) {
        if prepared.effect != SessionEffect::None {
            self.note_deallocations();
        }
        if prepared.changes_schema {
            self.schema_changed();
        }
    }
}

pub(super) fn refused_at(refused: Refused, query: Query<'_>) -> DriverError {
    DriverError::harmless(refused.into_error().with_statement(query.sql))
}

impl Drop for PostgresConnection {
    fn drop(&mut self) {
        self.wire.abandon();
    }
}

impl Connection for PostgresConnection {
    fn run<'a>(&'a self, flight: &'a dyn Flight, query: Query<'a>, want: Want) -> Running<'a, Answer> {
        Either::Right(Box::pin(Self::run(self, flight, query, want)))
    }

    fn control<'a>(&'a self, flight: &'a dyn Flight, steps: &'a [Control]) -> Running<'a, ()> {
        // Each has a box of its own size.
        Either::Right(match steps.last() {
            Some(Control::Commit) => Box::pin(self.commit(flight, steps)),
            Some(Control::Rollback) => Box::pin(self.rollback(flight)),
            _ => Box::pin(self.run_steps(flight, steps)),
        })
    }

    fn cancel(&self, scope: CancelScope) -> BoxFuture<'static, ()> {
        Box::pin(Arc::clone(&self.wire).stop(scope))
    }

    fn state(&self) -> State {
        self.wire.state()
    }

    fn set_changed(&self, yes: bool) {
        self.wire.set_changed(yes);
    }

    fn native(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}
