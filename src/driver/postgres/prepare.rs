//! How a statement is prepared: its text is sent under a name, and what the server says of it is read; types that are not
//! built in are looked up. Used by the connection for statements that it does not have yet.

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
    /// Prepares a statement, behind the owed steps, and keeps it; where statements have no names, it is described.
    pub(super) async fn prepare(
        &self,
        owing: &dyn Flight,
        query: Query<'_>,
    ) -> Result<Arc<PreparedStatement>, Box<FailedRequest>> {
        limits::check_text(query.sql)?;
        // While it is not known whether names are kept, one is given, and not relied on.
        let name = self.wire.naming.may_have_names().then(|| self.wire.names.name());
        let text = name.as_ref().map_or(&b""[..], StatementName::bytes);
        let mut request = self.scratch.take();
        message::parse(text, query.sql, &[], &mut request);
        message::describe(text, &mut request);
        message::sync(&mut request);
        let (probe, flight) = self.wire.send_with_probe(owing, &request).map_err(untouched)?;
        self.scratch.put(request);
        if let Some(probe) = probe {
            self.wire.learn_naming(probe).await;
        }
        let description = self.describe(flight, query).await?;
        self.look_up_types(owing, &description).await.map_err(untouched)?;
        // Where names turn out not to be kept, the next request closes this one: most likely it is in the same session.
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

    async fn describe(&self, flight: InFlight, query: Query<'_>) -> Result<StatementDescription, Box<FailedRequest>> {
        let mut description = StatementDescription::default();
        match self.wire.receive(flight, query.sql, |tag, body| description.read(tag, body)).await {
            Ok(()) => Ok(description),
            Err(mut failed) => {
                failed.fault = untouched(failed.fault);
                Err(failed)
            }
        }
    }

    /// Looks up the types of a statement that are not known.
    pub(super) async fn look_up_types(
        &self,
        owing: &dyn Flight,
        description: &StatementDescription,
    ) -> Result<(), DriverError> {
        match self.types.look_up(description.oids()) {
            Some(text) => Box::pin(self.look_up(owing, &text)).await,
            None => Ok(()),
        }
    }

    async fn look_up(&self, owing: &dyn Flight, text: &str) -> Result<(), DriverError> {
        let mut rows = Vec::new();
        let read = |tag, body: &[u8]| {
            if tag == b'D' {
                rows.push(body.to_vec());
            }
            matches!(tag, b'T' | b'D' | b'C')
        };
        self.simple(owing, text, read).await?;
        // What is not understood is a type that is known by its number alone.
        self.types.learn(&rows);
        Ok(())
    }
}

/// Steps at most have run, and nothing of the statement.
fn untouched(fault: DriverError) -> DriverError {
    match fault.impact {
        Impact::Connection if fault.error.is_connection_lost() => DriverError { impact: Impact::NotSent, ..fault },
        _ => fault,
    }
}
