//! [`Server`]: what a server tells about itself when a connection is made, and the largest message that it accepts.
//! What is larger is refused before it is sent, as the server would close the connection.

use mysql_async::{Conn, Error as Native, Value, consts::MAX_PAYLOAD_LEN, prelude::Queryable as _};

use crate::{
    driver::{Dialect, IDLE_TIME, STATEMENT_TIME},
    error::{Error, ErrorKind},
    transaction::control::{Control, Locals},
};

/// The largest number of parameters that the protocol has room for.
const MOST_PARAMETERS: usize = u16::MAX as usize;

/// What stands ahead of the bytes of a value that travels in messages of its own.
const CHUNK_HEAD: usize = 7;

/// A server, as far as statements for it differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server {
    pub(super) is_mariadb: bool,
    /// `max_allowed_packet`: a message is shorter than this many bytes.
    limit: usize,
}

impl Server {
    #[cfg(test)]
    pub(super) const fn of(is_mariadb: bool) -> Self {
        Self { is_mariadb, limit: 1 << 24 }
    }

    /// Asks a connection just made, in place of mysql_async, which would ask as much and not tell.
    pub(super) async fn ask(conn: &mut Conn) -> Result<Self, Native> {
        let told: Option<(usize, String)> = conn.query_first("SELECT @@max_allowed_packet, @@version").await?;
        let (limit, version) = told.unwrap_or_default();
        // The URL may allow less.
        let limit = conn.opts().max_allowed_packet().map_or(limit, |allowed| allowed.min(limit));
        Ok(Self { is_mariadb: version.to_ascii_lowercase().contains("mariadb"), limit })
    }

    /// Puts the server's own variables for times into the steps that set or restore them.
    pub(super) fn spell_times(&self, steps: &mut [Control]) {
        for step in steps {
            let (Control::Begin(settings)
            | Control::Set(Locals { settings, .. })
            | Control::Restore(Locals { settings, .. })) = step
            else {
                continue;
            };
            for key in [STATEMENT_TIME, IDLE_TIME] {
                let Some(millis) = settings.local(key) else { continue };
                let own = self.spelled(key, millis.parse().unwrap_or(u64::MAX));
                let spelled = std::mem::take(settings).without_local(key);
                *settings = match own {
                    // The caller's own value for the variable comes first.
                    Some((own, value)) if spelled.local(own).is_none() => spelled.with_local(own, value),
                    _ => spelled,
                };
            }
        }
    }

    /// The server's variable for a time, and its value.
    fn spelled(&self, key: &str, millis: u64) -> Option<(&'static str, String)> {
        match (key, self.is_mariadb) {
            (STATEMENT_TIME, true) => Some(("max_statement_time", format!("{}.{:03}", millis / 1_000, millis % 1_000))),
            (STATEMENT_TIME, false) => Some(("max_execution_time", millis.to_string())),
            (IDLE_TIME, true) => Some(("idle_transaction_timeout", millis.div_ceil(1_000).to_string())),
            _ => None,
        }
    }

    /// Whether the server takes a text of so many bytes.
    ///
    /// # Errors
    /// `Parameter` if it does not.
    pub(super) fn check_text(&self, bytes: usize) -> Result<(), Error> {
        // The command's own byte goes ahead.
        if bytes + 1 < self.limit {
            return Ok(());
        }
        Err(self.too_large(&format!("the statement's text has {bytes} bytes")))
    }

    /// Whether the server takes a prepared statement with these values.
    ///
    /// # Errors
    /// `Parameter` if it does not.
    pub(super) fn check(&self, sql: &str, values: &[Value]) -> Result<(), Error> {
        self.check_text(sql.len())?;
        if values.len() > MOST_PARAMETERS {
            let text = format!("MySQL takes up to {MOST_PARAMETERS} parameters, the statement has {}", values.len());
            return Err(Error::new(ErrorKind::Parameter, text));
        }
        let sizes: usize = values.iter().map(size).sum();
        // The head, the bitmap of NULLs, a flag, and two bytes of type for each.
        let total = 11 + values.len().div_ceil(8) + 2 * values.len() + sizes;
        if total < self.limit && total <= MAX_PAYLOAD_LEN {
            return Ok(());
        }
        // The driver sends what is longer in pieces, each value for itself.
        let in_pieces = total > MAX_PAYLOAD_LEN;
        let is_taken = |value: &Value| match value {
            Value::Bytes(bytes) => {
                let piece = CHUNK_HEAD + bytes.len().min(MAX_PAYLOAD_LEN - CHUNK_HEAD + 1);
                bytes.len() <= self.limit && piece < self.limit
            }
            _ => true,
        };
        match values.iter().position(|value| !is_taken(value)) {
            Some(at) => {
                Err(self.too_large(&format!("the parameter of placeholder {} has {} bytes", at + 1, size(&values[at]))))
            }
            None if in_pieces => Ok(()),
            None => Err(self.too_large(&format!("the parameters have {sizes} bytes together"))),
        }
    }

    /// Whether a text may go in one message with the steps ahead of it.
    pub(super) fn takes_together(&self, steps: &[Control], sql: &str) -> bool {
        let room = self.limit.saturating_sub(sql.len());
        // Steps are short, but for the values of settings, which are looked at when they are sent.
        steps.is_empty() || room > self.limit / 2 || Dialect::Mysql.render_all(steps).len() + "; ".len() + 1 < room
    }

    fn too_large(&self, what: &str) -> Error {
        let text = format!("{what}; the server takes less than {} in one message (max_allowed_packet)", self.limit);
        Error::new(ErrorKind::Parameter, text)
    }
}

/// How many bytes a value takes in the binary protocol.
fn size(value: &Value) -> usize {
    usize::try_from(value.bin_len()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// fault 2.2: the limits are those that were measured at the servers
    #[test]
    fn what_is_too_large_is_known_ahead() {
        let bytes = |len: usize| Value::Bytes(vec![b'a'; len]);
        let takes =
            |limit: usize, values: &[Value]| Server { is_mariadb: true, limit }.check("select ?", values).is_ok();
        for (limit, longest) in [(1 << 20, (1 << 20) - 19), (1 << 24, (1 << 24) - 8)] {
            assert!(takes(limit, &[bytes(longest)]), "{limit}");
            assert!(!takes(limit, &[bytes(longest + 1)]), "{limit}");
        }
        let limit = 1 << 26;
        assert!(takes(limit, &[bytes(limit)]));
        assert!(!takes(limit, &[bytes(limit + 1)]));
        // Two in one message are too large together, in messages of their own they are not.
        assert!(!takes(1 << 20, &[bytes(600_000), bytes(600_000)]));
        assert!(takes(1 << 24, &[bytes(12 << 20), bytes(12 << 20)]));
        assert!(takes(1 << 20, &vec![Value::Int(1); 65_535]));
        assert!(!takes(1 << 24, &vec![Value::Int(1); 65_536]));
        let server = Server { is_mariadb: false, limit: 1024 };
        assert!(server.check_text(1022).is_ok());
        assert_eq!(server.check_text(1023).unwrap_err().kind(), ErrorKind::Parameter);
    }

    #[test]
    fn each_server_has_its_own_variables_for_times_rule_54() {
        use crate::transaction::control::Settings;
        let settings = Settings::default()
            .with_local("tmp_table_size", "1")
            .with_local(STATEMENT_TIME, "1250")
            .with_local(IDLE_TIME, "1");
        let spelled = |server: Server, settings: &Settings| {
            let mut steps =
                [Control::Begin(settings.clone()), Control::Set(Locals { depth: 2, settings: settings.clone() })];
            server.spell_times(&mut steps);
            assert_eq!(
                steps[0],
                Control::Begin(match &steps[1] {
                    Control::Set(locals) => locals.settings.clone(),
                    other => panic!("{other:?}"),
                })
            );
            Dialect::Mysql.render(&steps[0]).into_owned()
        };
        assert_eq!(
            spelled(Server::of(true), &settings),
            "SET SESSION tmp_table_size = 1; SET SESSION max_statement_time = 1.250; \
             SET SESSION idle_transaction_timeout = 1; START TRANSACTION"
        );
        assert_eq!(
            spelled(Server::of(false), &settings),
            "SET SESSION tmp_table_size = 1; SET SESSION max_execution_time = 1250; START TRANSACTION"
        );
        let own = Settings::default().with_local("max_statement_time", "7").with_local(STATEMENT_TIME, "1250");
        assert_eq!(spelled(Server::of(true), &own), "SET SESSION max_statement_time = 7; START TRANSACTION");
    }
}
