//! Prepares statements: sends the text under a name, reads the description, and looks up types that are not built in.

use std::sync::Arc;

use super::{
    connection::PostgresConnection, description::StatementDescription, in_flight::InFlight, limits, message,
    names::StatementName, outcome::FailedRequest, result_meta::ResultMeta, statement_cache::PreparedStatement,
};
use crate::{
    driver::Query,
    transaction::{
        impact::{DriverError, Impact},
        owed::Flight,
    },
};

impl PostgresConnection {
    /// Prepares and caches a statement, behind the owed steps; where statements have no names, it is described only.
    pub(super) async fn prepare(
        &self,
        flight: &dyn Flight,
        query: Query<'_>,
    ) -> Result<Arc<PreparedStatement>, Box<FailedRequest>> {
        limits::check_text(query.sql)?;
        // While it is unknown whether names are kept, the statement has a name that is not relied on.
        let name = self.wire.naming.may_have_names().then(|| self.wire.names.name());
        let text = name.as_ref().map_or(&b""[..], StatementName::bytes);
        let mut request = self.scratch.take();
        message::parse(text, query.sql, &[], &mut request);
        message::describe(text, &mut request);
        message::sync(&mut request);
        let (probe, in_flight) = self.wire.send_with_probe(flight, &request).map_err(untouched)?;
        self.scratch.put(request);
        if let Some(probe) = probe {
            self.wire.learn_naming(probe).await;
        }
        let description = self.describe(in_flight, query).await?;
        self.look_up_types(flight, &description).await.map_err(untouched)?;
        // If names are not kept, the next request closes this one: most likely it is in the same session.
        let name = name.filter(|_| self.wire.naming.may_have_names());
        let meta = ResultMeta::new(&description.typed_columns(&self.types), self.hstore);
        let mut prepared = PreparedStatement::new(name, self.types.of(&description.params), meta, query.sql);
        if !self.wire.naming.has_names() {
            prepared.row = Some(description.row.into());
        }
        let prepared = Arc::new(prepared);
        self.cache.put(query.sql, Arc::clone(&prepared));
        Ok(prepared)
    }

    async fn describe(
        &self,
        mut in_flight: InFlight,
        query: Query<'_>,
    ) -> Result<StatementDescription, Box<FailedRequest>> {
        let mut description = StatementDescription::default();
        match self.wire.receive(&mut in_flight, query.sql, |tag, body| description.read(tag, body)).await {
            Ok(()) => Ok(description),
            Err(mut failed) => {
                failed.fault = untouched(failed.fault);
                Err(failed)
            }
        }
    }

    /// Looks up the unknown types of a statement.
    pub(super) async fn look_up_types(
        &self,
        flight: &dyn Flight,
        description: &StatementDescription,
    ) -> Result<(), DriverError> {
        match self.types.look_up(description.oids()) {
            Some(text) => Box::pin(self.look_up(flight, &text)).await,
            None => Ok(()),
        }
    }

    async fn look_up(&self, flight: &dyn Flight, text: &str) -> Result<(), DriverError> {
        let mut rows = Vec::new();
        let read = |tag, body: &[u8]| {
            if tag == b'D' {
                rows.push(body.to_vec());
            }
            matches!(tag, b'T' | b'D' | b'C')
        };
        self.simple(flight, text, read).await?;
        // A type that is not understood is known by its OID alone.
        self.types.learn(&rows);
        Ok(())
    }
}

/// At most steps have run, not the statement.
fn untouched(fault: DriverError) -> DriverError {
    match fault.impact {
        Impact::Connection if fault.error.is_connection_lost() => DriverError { impact: Impact::NotSent, ..fault },
        _ => fault,
    }
}
