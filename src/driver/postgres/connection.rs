//! One session at a PostgreSQL server: statements are prepared once, cached, and pipelined; control steps ride ahead of
//! them. The order of things on the wire is the affair of [`Wire`].

use std::{any::Any, pin::pin, sync::Arc};

use futures_util::{StreamExt as _, TryStreamExt as _, future::BoxFuture};
use tokio_postgres::SimpleQueryMessage;

use super::{
    cache::{Cache, Prepared},
    classify,
    decode::{self, Gatherer},
    dial::Connected,
    encode::{self, Param},
    flight::Wire,
    hstore, limits,
    witness::Witness,
};
use crate::{
    control::Control,
    driver::{Answer, Connection, Dialect, Query, State, Want, left_open},
    effects,
    error::{Error, ErrorKind},
    fault::{Fault, Sparing, Verdict},
    owed::Flight,
    statement::{SessionEffect, session_effect},
    tokens::Syntax,
};

/// Settings, temporary tables, LISTEN, advisory locks: the next user gets a session as new. It is what `DISCARD ALL` does,
/// save that only statements prepared in SQL go: ours stay good, and so do those by which tokio-postgres looks up types,
/// which it cannot be made to prepare again.
const RESET: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); \
    DO $$ DECLARE prepared text; BEGIN \
        FOR prepared IN SELECT name FROM pg_prepared_statements WHERE from_sql LOOP \
            EXECUTE format('DEALLOCATE %I', prepared); END LOOP; END $$; \
    DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES";

/// A connection to PostgreSQL.
#[derive(Debug)]
pub(crate) struct PostgresConnection {
    wire: Arc<Wire>,
    cache: Cache,
    /// Whether values of hstore are read and written.
    hstore: bool,
}

impl PostgresConnection {
    pub(super) fn new(connected: Connected, statement_cache: usize, hstore: bool) -> Self {
        Self { wire: Arc::new(Wire::new(connected)), cache: Cache::new(statement_cache), hstore }
    }

    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    async fn run(&self, flight: &dyn Flight, query: Query<'_>, want: Want) -> Result<Answer, Fault> {
        limits::check_count(query)?;
        // All but the usual way is boxed: its futures are large, and every statement would carry them.
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
            return Box::pin(self.execute_new(flight, query, want)).await;
        };
        let Ok(params) = bind(&cached, query) else {
            // The columns that the statement refers to may have other types by now.
            return Box::pin(self.execute_new(flight, query, want)).await;
        };
        let paid = Witness::new(flight);
        match self.execute(&paid, &cached, query, params, want).await {
            Err(fault) if classify::may_be_stale(&fault) => {
                self.cache.forget(query.sql);
                if !classify::is_stale_statement(&fault) && !effects::only_touches_rows(query.sql) {
                    return Err(fault);
                }
                Box::pin(self.again(flight, paid.back(), fault, query, want)).await
            }
            result => result,
        }
    }

    /// Takes the owed steps by themselves, as they may undo a change of the schema, and with it what the statements rest
    /// on that were prepared since.
    async fn settle_schema(&self, flight: &dyn Flight) -> Result<(), Fault> {
        self.wire.fly_steps(flight, &[]).await?;
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

    async fn batch(&self, flight: &dyn Flight, query: Query<'_>) -> Result<Answer, Fault> {
        limits::check_text(query.sql)?;
        self.wire.mark().note(session_effect(query.sql, Syntax::Postgres));
        let (wire, sql): (_, Box<str>) = (Arc::clone(&self.wire), query.sql.into());
        let request = Box::pin(async move { wire.client().batch_execute(&sql).await });
        let classify = |error, alive| classify::statement(error, query.sql, alive);
        let (_, number) = self.wire.fly(flight, request, classify).await?;
        self.wire.has_succeeded(number);
        if effects::may_change_schema(query.sql) {
            self.schema_changed();
        }
        Ok(Answer::count(0))
    }

    /// Runs a statement once more that the server no longer accepted as prepared, wherever that loses nothing: outside a
    /// transaction, or where the flight had begun the transaction or the savepoint itself.
    async fn again(
        &self,
        flight: &dyn Flight,
        back: Option<Vec<Control>>,
        fault: Fault,
        query: Query<'_>,
        want: Want,
    ) -> Result<Answer, Fault> {
        if self.wire.is_in_transaction() {
            let Some(back) = back else { return Err(fault) };
            self.wire.fly_steps(flight, &back).await?;
        }
        self.execute_new(flight, query, want).await
    }

    async fn execute_new(&self, flight: &dyn Flight, query: Query<'_>, want: Want) -> Result<Answer, Fault> {
        let prepared = self.prepare(flight, query).await?;
        let params = bind(&prepared, query)?;
        self.execute(flight, &prepared, query, params, want).await
    }

    async fn prepare(&self, flight: &dyn Flight, query: Query<'_>) -> Result<Prepared, Fault> {
        limits::check_text(query.sql)?;
        let paid = Witness::new(flight);
        let (wire, sql): (_, Box<str>) = (Arc::clone(&self.wire), query.sql.into());
        let request = Box::pin(async move { wire.client().prepare(&sql).await });
        let flown = self.wire.fly(&paid, request, |error, alive| classify::statement(error, query.sql, alive)).await;
        let (statement, number) = flown.map_err(|fault| match fault.verdict {
            // Steps at most have run, and nothing of the statement.
            Verdict::Lost if fault.error.is_connection_lost() => Fault { verdict: Verdict::Unsent, ..fault },
            _ => self.without_look_ups(fault, &paid),
        })?;
        self.wire.has_succeeded(number);
        let prepared = Prepared::new(statement, query.sql, self.hstore);
        self.cache.put(query.sql, prepared.clone());
        Ok(prepared)
    }

    /// If `DEALLOCATE ALL` or `DISCARD ALL` was run on the session, the statements are gone by which tokio-postgres looks
    /// up types, and it cannot be told so: another connection must do. Nothing was done yet, if no transaction was open.
    fn without_look_ups(&self, fault: Fault, paid: &Witness<'_>) -> Fault {
        if !classify::is_forgotten_statement(&fault) {
            return fault;
        }
        self.wire.retire();
        let nothing_done = !self.wire.is_in_transaction() || paid.began();
        Fault { verdict: if nothing_done { Verdict::Unsent } else { fault.verdict }, ..fault }
    }

    async fn execute(
        &self,
        flight: &dyn Flight,
        prepared: &Prepared,
        query: Query<'_>,
        params: Vec<Param<'static>>,
        want: Want,
    ) -> Result<Answer, Fault> {
        let (wire, statement) = (Arc::clone(&self.wire), prepared.statement.clone());
        self.wire.mark().note(prepared.effect);
        let classify = |error, alive| classify::statement(error, query.sql, alive);
        // The futures of the client are boxed by themselves, and the parameters lent, as all together are more than an
        // allocator has at hand: 1,032 bytes is what glibc's threads keep ready.
        let answer = match want {
            Want::Count | Want::Batch => {
                let request = Box::pin(async move { wire.client().execute_raw(&statement, &params).await });
                let (affected, number) = self.wire.fly(flight, request, classify).await?;
                self.wire.has_succeeded(number);
                Answer::count(affected)
            }
            Want::Rows => {
                let mut all = Gatherer::new(Arc::clone(&prepared.columns), query.reader.cloned());
                let request = Box::pin(async move {
                    let rows = Box::pin(wire.client().query_raw(&statement, &params)).await?;
                    let mut rows = pin!(rows);
                    while let Some(row) = rows.try_next().await? {
                        all.push(row);
                    }
                    Ok((all.finish(), rows.rows_affected().unwrap_or(0)))
                });
                let ((rows, affected), number) = self.wire.fly(flight, request, classify).await?;
                self.wire.has_succeeded(number);
                Answer::rows(rows, affected)
            }
            Want::Stream => Box::pin(self.stream(flight, prepared, query, params)).await?,
        };
        if prepared.changes_schema {
            self.schema_changed();
        }
        Ok(answer)
    }

    async fn stream(
        &self,
        flight: &dyn Flight,
        prepared: &Prepared,
        query: Query<'_>,
        params: Vec<Param<'static>>,
    ) -> Result<Answer, Fault> {
        let (wire, statement) = (Arc::clone(&self.wire), prepared.statement.clone());
        let request = Box::pin(async move { wire.client().query_raw(&statement, params).await });
        let classify = |error, alive| classify::statement(error, query.sql, alive);
        let (rows, number) = self.wire.fly(flight, request, classify).await?;
        let columns = Arc::clone(&prepared.columns);
        let sql: Box<str> = query.sql.into();
        let wire = Arc::clone(&self.wire);
        // Dropped half-way, it leaves the request outstanding: the connection reads on and throws the rest away.
        let rows = Box::pin(rows).map(Some).chain(futures_util::stream::once(async { None }));
        let mut has_failed = false;
        let stream = rows.filter_map(move |row| {
            has_failed |= matches!(row, Some(Err(_)));
            match row {
                Some(Ok(_)) => {}
                None if !has_failed => wire.has_succeeded(number),
                Some(Err(_)) | None => wire.is_answered(number),
            }
            let row = row.map(|row| match row {
                Ok(row) => Ok(decode::single(row, Arc::clone(&columns))),
                Err(error) => {
                    let fault = wire.lost(classify::statement(error, &sql, wire.is_alive()));
                    wire.judge(&fault);
                    Err(fault)
                }
            });
            std::future::ready(row)
        });
        Ok(Answer::stream(Box::pin(stream)))
    }

    async fn commit(&self, flight: &dyn Flight, before: &[Control]) -> Result<(), Fault> {
        // COMMIT of an aborted transaction succeeds without a word; an empty SELECT ahead of it fails there (rule 17).
        // Where all that was sent has succeeded there is no need to ask.
        let mut text = String::new();
        for step in before {
            text.push_str(&Dialect::Postgres.render(step));
            text.push_str("; ");
        }
        text.push_str(if self.wire.is_sound() { "COMMIT" } else { "SELECT; COMMIT" });
        let wire = Arc::clone(&self.wire);
        let request = Box::pin(async move { wire.client().batch_execute(&text).await });
        match self.wire.fly(flight, request, classify::control).await {
            Ok((_, number)) => {
                self.wire.has_succeeded(number);
                self.wire.set_in_transaction(false);
                Ok(())
            }
            Err(fault) if fault.verdict == Verdict::Lost => {
                let text = "the connection broke during COMMIT: whether the transaction was committed is not known";
                let error = Error::new(ErrorKind::CommitUnknown, text).with_source(fault.error);
                Err(Fault::new(Verdict::Lost, error))
            }
            Err(fault) if fault.verdict == Verdict::Unsent => Err(fault),
            Err(fault) => {
                // Part of the message may not have run. Should this fail too, the state tells: the connection goes.
                let _ = self.rollback(flight).await;
                if fault.error.code() == Some("25P02") {
                    let text = "the server rolled the transaction back, as a statement in it had failed";
                    let error = Error::new(ErrorKind::RolledBack, text).with_source(fault.error);
                    return Err(Fault { error, ..fault });
                }
                Err(fault)
            }
        }
    }

    async fn rollback(&self, flight: &dyn Flight) -> Result<(), Fault> {
        let ends_transaction = self.wire.is_in_transaction();
        if self.wire.has_new_schema() {
            self.cache.clear();
        }
        self.send("ROLLBACK", flight).await?;
        self.wire.set_in_transaction(false);
        // On a pinned connection the transaction alone ends: the session is its owner's still.
        match self.wire.mark().get() {
            SessionEffect::Reset if !ends_transaction => {
                self.send(RESET, flight).await?;
                self.wire.is_new();
            }
            SessionEffect::Discard if !ends_transaction => self.wire.retire(),
            SessionEffect::None | SessionEffect::Reset | SessionEffect::Discard => {}
        }
        Ok(())
    }

    /// Rolls back what the native client has left open outside any block.
    ///
    /// # Errors
    /// `RolledBack` if there was anything.
    pub(crate) async fn end_left_open(&self) -> Result<(), Fault> {
        // The client does not tell whether a transaction is open. In one, the clocks of transaction and statement differ.
        let text = "SELECT pg_catalog.now() OPERATOR(pg_catalog.<>) pg_catalog.statement_timestamp()";
        let wire = Arc::clone(&self.wire);
        let request = Box::pin(async move { wire.client().simple_query(text).await });
        let is_open = match self.wire.fly(&(), request, classify::control).await {
            Ok((answer, number)) => {
                self.wire.has_succeeded(number);
                !answer.iter().any(|part| matches!(part, SimpleQueryMessage::Row(row) if row.get(0) == Some("f")))
            }
            Err(fault) if fault.error.code() == Some("25P02") => true,
            Err(fault) => return Err(fault),
        };
        if !is_open {
            return Ok(());
        }
        self.wire.set_in_transaction(true);
        self.rollback(&()).await?;
        Err(left_open())
    }

    async fn send(&self, text: &'static str, flight: &dyn Flight) -> Result<(), Fault> {
        let wire = Arc::clone(&self.wire);
        let request = Box::pin(async move { wire.client().batch_execute(text).await });
        let (_, number) = self.wire.fly(flight, request, classify::control).await?;
        self.wire.has_succeeded(number);
        Ok(())
    }
}

impl Drop for PostgresConnection {
    fn drop(&mut self) {
        self.wire.abandon();
    }
}

fn bind(prepared: &Prepared, query: Query<'_>) -> Result<Vec<Param<'static>>, Fault> {
    encode::bind(query.params, prepared.statement.params())
        .map_err(|error| Fault::kept(error.with_statement(query.sql)))
}

impl Connection for PostgresConnection {
    fn run<'a>(&'a self, flight: &'a dyn Flight, query: Query<'a>, want: Want) -> BoxFuture<'a, Result<Answer, Fault>> {
        Box::pin(Self::run(self, flight, query, want))
    }

    fn control<'a>(&'a self, flight: &'a dyn Flight, steps: &'a [Control]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            match steps.split_last() {
                Some((Control::Commit, before)) => self.commit(flight, before).await,
                Some((Control::Rollback, _)) => self.rollback(flight).await,
                _ => self.wire.fly_steps(flight, steps).await,
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
