//! Runs statements without names. Each execution is one group, which parses the text with the types of its parameters,
//! and so needs nothing that another session of the server may lack. The columns are compared with the description of
//! the statement. Used where names are not kept.

use std::sync::Arc;

use super::{
    classify,
    connection::{PostgresConnection, refused_at},
    encode::{self, Refused},
    expected_columns::{ChangedColumns, ExpectedColumns},
    message,
    outcome::FailedRequest,
    result_meta::ResultMeta,
    rows::RowCollector,
    statement_cache::PreparedStatement,
    stream,
};
use crate::{
    driver::{Answer, Query, Want},
    error::{Error, ErrorKind},
    sql::statement::{SessionEffect, session_keeps},
    transaction::{impact::DriverError, owed::Flight},
};

impl PostgresConnection {
    /// Runs a statement that was described. If names are kept by now, it is prepared.
    pub(super) async fn run_unnamed(
        &self,
        flight: &dyn Flight,
        prepared: &Arc<PreparedStatement>,
        query: Query<'_>,
        want: Want,
    ) -> Result<Answer, DriverError> {
        // A statement that was prepared where names are kept has no description.
        if self.wire.naming.has_names() || prepared.row.is_none() {
            return self.run_new(flight, query, want).await;
        }
        match self.execute_unnamed(flight, prepared, query, want).await {
            Ok(answer) => Ok(answer),
            // The columns of the statement may have other types by now.
            Err(failed) if failed.is_misfit => self.run_new(flight, query, want).await,
            Err(failed) => self.retry(flight, failed, query, want).await,
        }
    }

    /// Writes the request that parses and runs a statement.
    fn parse_and_bind(&self, prepared: &PreparedStatement, query: Query<'_>) -> Result<Vec<u8>, Refused> {
        let mut request = self.scratch.take();
        message::parse(b"", query.sql, &prepared.params, &mut request);
        encode::bind(b"", query.params, &prepared.params, &mut request)?;
        message::describe_bound(&mut request);
        message::execute_and_sync(&mut request);
        Ok(request)
    }

    pub(super) async fn execute_unnamed(
        &self,
        flight: &dyn Flight,
        prepared: &Arc<PreparedStatement>,
        query: Query<'_>,
        want: Want,
    ) -> Result<Answer, Box<FailedRequest>> {
        if prepared.effect != SessionEffect::None {
            self.refuse_lasting(query.sql)?;
        }
        let request = self.parse_and_bind(prepared, query).map_err(|refused| {
            let is_misfit = matches!(refused, Refused::Misfit(_));
            Box::new(FailedRequest { is_misfit, ..FailedRequest::from(refused_at(refused, query)) })
        })?;
        self.wire.note(prepared.effect);
        let mut in_flight = self.wire.send_request(flight, &request)?;
        self.scratch.put(request);
        let holds = want == Want::Rows;
        let expected = ExpectedColumns::new(Arc::clone(prepared), Arc::clone(&self.types), self.hstore, holds);
        let mut rows = RowCollector::expecting(expected, query.reader.filter(|_| holds).cloned());
        if want == Want::Stream {
            let answer = Box::pin(stream::start(Arc::clone(&self.wire), in_flight, rows, query.sql)).await?;
            self.has_run(prepared);
            return Ok(answer);
        }
        let mut affected = 0;
        let read = |tag, body: &[u8]| match tag {
            b'D' if holds => rows.keep_back(body) || rows.push(body),
            b'T' | b'n' if holds => rows.describe(tag, body),
            b'C' => {
                affected = message::affected(body);
                true
            }
            _ => matches!(tag, b'D' | b'T' | b'n' | b'I'),
        };
        self.wire.receive(&mut in_flight, query.sql, read).await?;
        if !holds {
            self.has_run(prepared);
            return Ok(Answer::count(affected));
        }
        self.settle_columns(flight, prepared, query, &mut rows).await?;
        self.has_run(prepared);
        Ok(Answer::rows(rows.take(), affected))
    }

    /// All rows are received. If their columns were not the expected ones, they replace these.
    async fn settle_columns(
        &self,
        flight: &dyn Flight,
        prepared: &PreparedStatement,
        query: Query<'_>,
        rows: &mut RowCollector,
    ) -> Result<(), DriverError> {
        let Some(found) = rows.take_expected().and_then(|expected| expected.found) else { return Ok(()) };
        let ChangedColumns { description, mut meta, kept_back } = found;
        if let Some(kept_back) = kept_back {
            self.look_up_types(flight, &description).await?;
            meta = Arc::new(ResultMeta::new(&description.typed_columns(&self.types), self.hstore));
            if !rows.resume(Arc::clone(&meta), &kept_back) {
                return Err(classify::not_understood(query.sql));
            }
        }
        self.cache.put(query.sql, Arc::new(prepared.with_columns(meta, description.row.into())));
        Ok(())
    }

    /// Refuses what would outlive its transaction in a session that is then another client's.
    pub(super) fn refuse_lasting(&self, sql: &str) -> Result<(), DriverError> {
        if !self.wire.naming.is_by_transaction() || !session_keeps(sql) {
            return Ok(());
        }
        let text = "this would outlive its transaction, and behind a pooler that gives each transaction another session it \
                    would reach other clients and not this one: use SET LOCAL or set_local in a block, \
                    pg_advisory_xact_lock, ON COMMIT DROP, or a connection to the server itself";
        Err(DriverError::harmless(Error::new(ErrorKind::Unsupported, text).with_statement(sql)))
    }
}
