//! Ends transactions and resets sessions. COMMIT and ROLLBACK are simple queries: prepared they would cost the server
//! more, and nothing can be sent with them.

use super::{connection::PostgresConnection, link::ReadyStatus};
use crate::{
    driver::{Dialect, left_open},
    error::{Error, ErrorKind, ServerError},
    sql::statement::SessionEffect,
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
        owed::Flight,
    },
};

/// Resets settings, temporary tables, LISTEN, advisory locks. It is what `DISCARD ALL` does, except that only
/// statements prepared in SQL are dropped: ours stay valid.
const RESET: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); \
    DO $$ DECLARE prepared text; BEGIN \
        FOR prepared IN SELECT name FROM pg_prepared_statements WHERE from_sql LOOP \
            EXECUTE format('DEALLOCATE %I', prepared); END LOOP; END $$; \
    DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES";

/// How a transaction ended, by the tag of the last command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Committed,
    RolledBack,
}

impl PostgresConnection {
    pub(super) async fn commit(&self, flight: &dyn Flight, steps: &[Control]) -> Result<(), DriverError> {
        let text = Dialect::Postgres.render_all(steps);
        let mut end = None;
        let read = |tag, body: &[u8]| {
            if tag == b'C' {
                // COMMIT of an aborted transaction succeeds, and its tag is ROLLBACK (rule 17).
                end = Some(if body == b"COMMIT\0" { End::Committed } else { End::RolledBack });
            }
            matches!(tag, b'C' | b'T' | b'D')
        };
        match self.end(flight, &text, read).await {
            Ok(()) => {
                self.wire.end_transaction();
                match end {
                    Some(End::Committed) => Ok(()),
                    Some(End::RolledBack) | None => Err(rolled_back()),
                }
            }
            Err(fault) if fault.impact == Impact::Connection => {
                let text = "the connection broke during COMMIT: whether the transaction was committed is not known";
                let error = Error::new(ErrorKind::CommitUnknown, text).with_source(fault.error);
                Err(DriverError::new(Impact::Connection, error))
            }
            Err(fault) if fault.impact == Impact::NotSent => Err(fault),
            Err(fault) if self.wire.link.status().ready == ReadyStatus::Idle => {
                self.wire.end_transaction();
                Err(fault)
            }
            Err(fault) => {
                // A step ahead of COMMIT has failed. If the rollback fails too, the state tells, and the connection is
                // dropped. Boxed, as every COMMIT would carry it.
                let _ = Box::pin(self.rollback(flight)).await;
                Err(fault)
            }
        }
    }

    pub(super) async fn rollback(&self, flight: &dyn Flight) -> Result<(), DriverError> {
        let ends_transaction = self.wire.is_in_transaction();
        if self.wire.has_new_schema() {
            self.cache.clear();
        }
        self.end(flight, "ROLLBACK", |tag, _| tag == b'C').await?;
        self.wire.end_transaction();
        // On a pinned connection only the transaction ends: the session still belongs to its owner.
        match self.wire.mark().get() {
            // The session that was changed is another client's by now, and so is this one with the next transaction.
            SessionEffect::Reset if !ends_transaction && self.wire.naming.is_by_transaction() => {
                self.wire.mark().clear();
            }
            SessionEffect::Reset if !ends_transaction => {
                self.end(flight, RESET, |tag, _| matches!(tag, b'C' | b'T' | b'D')).await?;
                self.wire.mark().clear();
            }
            SessionEffect::Discard if !ends_transaction => self.wire.retire(),
            SessionEffect::None | SessionEffect::Reset | SessionEffect::Discard => {}
        }
        Ok(())
    }

    /// Runs a text that controls the transaction or the session.
    async fn end(
        &self,
        flight: &dyn Flight,
        text: &str,
        read: impl FnMut(u8, &[u8]) -> bool,
    ) -> Result<(), DriverError> {
        let mut in_flight = self.wire.send_ending(flight, text)?;
        self.wire.receive_control(&mut in_flight, read).await
    }

    /// Rolls back a transaction that the native client has left open outside any block.
    ///
    /// # Errors
    /// `RolledBack` if there was one.
    pub(crate) async fn end_left_open(&self) -> Result<(), DriverError> {
        // Behind the native client's requests.
        self.wire.wait_until_idle().await?;
        if self.wire.link.status().ready == ReadyStatus::Idle {
            return Ok(());
        }
        self.wire.adopt_transaction();
        self.rollback(&()).await?;
        Err(left_open())
    }
}

/// The code is that of any statement in an aborted transaction.
fn rolled_back() -> DriverError {
    let aborted = ServerError { code: Some("25P02".into()), ..ServerError::default() };
    let aborted = Error::server("the transaction was aborted", aborted);
    let text = "the server rolled the transaction back, as a statement in it had failed";
    DriverError::new(Impact::Transaction, Error::new(ErrorKind::RolledBack, text).with_source(aborted))
}
