//! One session at a PostgreSQL server: statements are prepared once, cached, and pipelined; control steps ride ahead of
//! them. The order of things on the wire is the affair of [`Wire`]; how statements are prepared, of `prepare.rs`; how
//! transactions end, of `ending.rs`.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::BytesMut;
use futures_util::future::BoxFuture;

use super::{
    cache::{Cache, Prepared},
    classify,
    dial::Connected,
    encode::{self, Refused},
    hstore, limits, message,
    outcome::Stopped,
    rows::Gatherer,
    scratch::Scratch,
    stream,
    types::Types,
    wire::Wire,
};
use crate::{
    control::Control,
    driver::{Answer, Connection, Query, State, Want},
    effects,
    fault::{Fault, Sparing},
    owed::Flight,
    statement::{SessionEffect, session_effect},
    tokens::Syntax,
};

/// A connection to PostgreSQL.
#[derive(Debug)]
pub(crate) struct PostgresConnection {
    pub(super) wire: Arc<Wire>,
    pub(super) cache: Cache,
    pub(super) types: Types,
    /// Where requests are written before they are sent.
    pub(super) scratch: Scratch,
    /// Whether values of hstore are read and written.
    pub(super) hstore: bool,
    /// How often the server had forgotten all that was prepared when the cache was cleared for that.
    forgotten: AtomicU64,
}

impl PostgresConnection {
    pub(super) fn new(connected: Connected, statement_cache: usize, hstore: bool) -> Self {
        let (wire, cache) = (Arc::new(Wire::new(connected, statement_cache > 0)), Cache::new(statement_cache));
        Self { wire, cache, types: Types::default(), scratch: Scratch::default(), hstore, forgotten: AtomicU64::new(0) }
    }

    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    async fn run(&self, owing: &dyn Flight, query: Query<'_>, want: Want) -> Result<Answer, Fault> {
        limits::check_count(query)?;
        // All but the usual way is boxed: its futures are large, and every statement would carry them.
        if want == Want::Batch {
            return Box::pin(self.batch(owing, query)).await;
        }
        if !self.hstore {
            hstore::refuse(query.params)?;
        }
        if self.wire.has_new_schema() {
            Box::pin(self.settle_schema(owing)).await?;
        }
        let Some(cached) = self.cache.get(query.sql) else {
            return Box::pin(self.execute_new(owing, query, want)).await;
        };
        let request = match self.bind(&cached, query) {
            Ok(request) => request,
            // The columns that the statement refers to may have other types by now.
            Err(Refused::Misfit(_)) => return Box::pin(self.execute_new(owing, query, want)).await,
            Err(refused) => return Err(refused_at(refused, query)),
        };
        match self.execute(owing, &cached, query, request, want).await {
            Err(stopped) => Box::pin(self.after(owing, stopped, query, want)).await,
            Ok(answer) => Ok(answer),
        }
    }

    /// Takes the owed steps by themselves, as they may undo a change of the schema, and with it what the statements rest
    /// on that were prepared since.
    async fn settle_schema(&self, owing: &dyn Flight) -> Result<(), Fault> {
        self.wire.fly_steps(owing, &[]).await?;
        if self.wire.take_undone_schema() {
            self.cache.clear();
        }
        Ok(())
    }

    /// The schema may be another one now, or names may mean other things, or the server has forgotten statements.
    pub(crate) fn schema_changed(&self) {
        self.cache.clear();
        self.wire.note_new_schema();
    }

    /// What has changed the session may have taken prepared steps along. The prepared statements are forgotten if the server
    /// was seen to do so.
    fn forget_forgotten(&self) {
        self.wire.forget_steps();
        let forgotten = self.wire.forgotten();
        if self.forgotten.swap(forgotten, Ordering::AcqRel) != forgotten {
            self.cache.clear();
        }
    }

    async fn batch(&self, owing: &dyn Flight, query: Query<'_>) -> Result<Answer, Fault> {
        limits::check_text(query.sql)?;
        self.wire.note(session_effect(query.sql, Syntax::Postgres));
        self.simple(owing, query.sql, |tag, _| matches!(tag, b'T' | b'D' | b'C' | b'I')).await?;
        self.forget_forgotten();
        if effects::may_change_schema(query.sql) {
            self.schema_changed();
        }
        Ok(Answer::count(0))
    }

    /// Runs a text of any number of statements; `read` gets what comes of it.
    pub(super) async fn simple(
        &self,
        owing: &dyn Flight,
        sql: &str,
        read: impl FnMut(u8, &[u8]) -> bool,
    ) -> Result<(), Fault> {
        let (steps, text) = self.wire.depart_text(owing, sql)?;
        if let Some(steps) = steps {
            self.wire.land(steps, "", |_, _| false).await.map_err(|stopped| stopped.fault)?;
        }
        self.wire.land(text, sql, read).await.map_err(|stopped| stopped.fault)
    }

    /// A cached statement has failed. It is run once more if the server no longer accepted it as prepared, wherever that
    /// loses nothing: outside a transaction, or where the flight had begun the transaction or the savepoint itself.
    async fn after(
        &self,
        owing: &dyn Flight,
        stopped: Box<Stopped>,
        query: Query<'_>,
        want: Want,
    ) -> Result<Answer, Fault> {
        let Stopped { fault, paid, by_step } = *stopped;
        let back = if by_step && classify::is_forgotten_statement(&fault) {
            // The server has forgotten a step. None of this has run, if the transaction was to begin with it.
            let begin = paid.iter().position(|step| matches!(step, Control::Begin(_)));
            begin.map(|begin| [&[Control::Rollback], &paid[begin..]].concat())
        } else if by_step || !classify::may_be_stale(&fault) {
            None
        } else {
            self.cache.forget(query.sql);
            if !classify::is_stale_statement(&fault) && !effects::only_touches_rows(query.sql) {
                return Err(fault);
            }
            if !self.wire.is_in_transaction() {
                return self.execute_new(owing, query, want).await;
            }
            back(paid.last())
        };
        let Some(back) = back else { return Err(fault) };
        self.wire.fly_steps(owing, &back).await?;
        self.execute_new(owing, query, want).await
    }

    async fn execute_new(&self, owing: &dyn Flight, query: Query<'_>, want: Want) -> Result<Answer, Fault> {
        let prepared = self.prepare(owing, query).await?;
        let request = self.bind(&prepared, query).map_err(|refused| refused_at(refused, query))?;
        self.execute(owing, &prepared, query, request, want).await.map_err(|stopped| stopped.fault)
    }

    /// The request that runs a prepared statement.
    fn bind(&self, prepared: &Prepared, query: Query<'_>) -> Result<BytesMut, Refused> {
        let mut request = self.scratch.take();
        encode::bind(&prepared.name.text(), query.params, &prepared.params, &mut request)?;
        message::execute(&mut request);
        message::sync(&mut request);
        Ok(request)
    }

    async fn execute(
        &self,
        owing: &dyn Flight,
        prepared: &Arc<Prepared>,
        query: Query<'_>,
        request: BytesMut,
        want: Want,
    ) -> Result<Answer, Box<Stopped>> {
        self.wire.note(prepared.effect);
        let flight = self.wire.depart(owing, &request)?;
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
                self.wire.land(flight, query.sql, read).await?;
                Answer::count(affected)
            }
            Want::Rows => {
                let mut all = Gatherer::new(Arc::clone(&prepared.shape), query.reader.cloned());
                let read = |tag, body: &[u8]| match tag {
                    b'D' => all.push(body),
                    b'C' => {
                        affected = message::affected(body);
                        true
                    }
                    _ => tag == b'I',
                };
                self.wire.land(flight, query.sql, read).await?;
                Answer::rows(all.take(), affected)
            }
            Want::Stream => {
                let shape = Arc::clone(&prepared.shape);
                Box::pin(stream::start(Arc::clone(&self.wire), flight, shape, query.sql)).await?
            }
        };
        if prepared.effect != SessionEffect::None {
            self.forget_forgotten();
        }
        if prepared.changes_schema {
            self.schema_changed();
        }
        Ok(answer)
    }
}

fn refused_at(refused: Refused, query: Query<'_>) -> Fault {
    Fault::kept(refused.into_error().with_statement(query.sql))
}

/// The steps that lead back to where a flight's own statement began, if the steps it took along end in one that allows it.
fn back(last: Option<&Control>) -> Option<Vec<Control>> {
    match last? {
        Control::Savepoint(name) | Control::RollbackTo(name) => Some(vec![Control::RollbackTo(name.clone())]),
        begin @ Control::Begin(_) => Some(vec![Control::Rollback, begin.clone()]),
        Control::Set(_) | Control::Restore(_) | Control::Release(_) | Control::Commit | Control::Rollback => None,
    }
}

impl Drop for PostgresConnection {
    fn drop(&mut self) {
        self.wire.abandon();
    }
}

impl Connection for PostgresConnection {
    fn run<'a>(&'a self, owing: &'a dyn Flight, query: Query<'a>, want: Want) -> BoxFuture<'a, Result<Answer, Fault>> {
        Box::pin(Self::run(self, owing, query, want))
    }

    fn control<'a>(&'a self, owing: &'a dyn Flight, steps: &'a [Control]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            match steps.split_last() {
                Some((Control::Commit, before)) => self.commit(owing, before).await,
                Some((Control::Rollback, _)) => self.rollback(owing).await,
                _ => self.wire.fly_steps(owing, steps).await,
            }
        })
    }

    fn cancel(&self, _either: Sparing) -> BoxFuture<'static, ()> {
        Box::pin(Arc::clone(&self.wire).stop())
    }

    fn state(&self) -> State {
        self.wire.state()
    }

    fn native(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}
