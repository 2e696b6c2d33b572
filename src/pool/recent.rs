//! What a connection ran last for the block that has it: kept in place, so that it costs no allocation once the connection has
//! been used.

use std::time::Instant;

use crate::error::shown_start;

/// How many bytes of a statement's text are kept.
const KEPT: usize = 197;

/// The statements that the user of a connection has sent.
#[derive(Debug, Default)]
pub(crate) struct RecentStatements {
    count: u64,
    /// The beginning of the last one.
    text: String,
    since: Option<Instant>,
}

impl RecentStatements {
    /// Another user has the connection.
    pub(crate) fn clear(&mut self) {
        (self.count, self.since) = (0, None);
    }

    /// A statement is sent `now`.
    #[inline]
    pub(crate) fn note(&mut self, sql: &str, now: Instant) {
        self.count += 1;
        self.since = Some(now);
        self.text.clear();
        if sql.len() <= KEPT {
            self.text.push_str(sql);
        } else {
            self.text.push_str(shown_start(sql, KEPT));
            self.text.push('…');
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The last statement, and when it was sent.
    pub(crate) fn last(&self) -> Option<(&str, Instant)> {
        Some((&self.text, self.since?))
    }
}
