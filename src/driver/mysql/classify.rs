//! Classifies the errors of mysql_async. What an error means for the transaction is decided by the connection.

use mysql_async::{DriverError as Misuse, Error as Native, ServerError as Told};

use crate::{
    driver::{Dialect, quoted},
    error::{Error, ErrorKind, ServerClass, ServerError},
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
    },
};

/// The codes of messages that quote names only, some of which the statement's text does not have: "Unknown column 'x' in
/// 'field list'".
const NAMES: [u16; 54] = [
    1007, 1008, 1044, 1045, 1046, 1048, 1049, 1050, 1051, 1052, 1054, 1060, 1061, 1072, 1091, 1099, 1100, 1101, 1109,
    1110, 1142, 1143, 1146, 1147, 1166, 1176, 1193, 1227, 1235, 1238, 1247, 1263, 1264, 1265, 1304, 1305, 1318, 1347,
    1348, 1356, 1364, 1370, 1406, 1424, 1442, 1451, 1452, 1471, 1553, 1701, 1792, 1822, 3819, 4025,
];

/// The connection was lost before anything was sent.
pub(super) fn lost_idle() -> DriverError {
    let error = Error::new(ErrorKind::ConnectionLost, "the connection to the MySQL server had been lost");
    DriverError::new(Impact::NotSent, error)
}

/// The connection is lost, and what was under way with it.
pub(super) fn lost() -> DriverError {
    let error = Error::new(ErrorKind::ConnectionLost, "the connection to the MySQL server was lost");
    DriverError::new(Impact::Connection, error)
}

/// The text of steps for an error: what variables are set to may be a secret.
pub(super) fn steps_without_values(steps: &[Control]) -> String {
    let text = |step: &Control| match step {
        Control::Begin(_) => "START TRANSACTION".into(),
        Control::Set(_) => "SET SESSION".into(),
        other => Dialect::Mysql.render(other),
    };
    steps.iter().map(text).collect::<Vec<_>>().join("; ")
}

/// The error of a connection that could not be made to the server of this address as this user.
pub(super) fn connect(address: &str, user: &str, error: Native) -> Error {
    let reason = match &error {
        Native::Server(told) => {
            let text = format!("the MySQL server at {address} refused the connection: {}", told.message);
            return Error::new(ErrorKind::Connect, text).with_server(refusal(told)).with_source(error);
        }
        // MySQL chooses a method at random for an unknown user, so that clients cannot find out which names exist.
        Native::Driver(Misuse::UnknownAuthPlugin { name }) => format!(
            "it asks the user '{user}' for a password by `{name}`, which mysql_async does not support \
             (MySQL asks so at random if it has no such user)"
        ),
        Native::Io(error) => error.to_string(),
        Native::Driver(error) => error.to_string(),
        Native::Other(error) => error.to_string(),
        other => other.to_string(),
    };
    let text = format!("cannot connect to the MySQL server at {address}: {reason}");
    Error::new(ErrorKind::Connect, text).with_source(error)
}

/// Whether the server has no connection to give for now.
pub(super) fn is_for_want_of_slots(error: &Native) -> bool {
    matches!(error, Native::Server(told) if refusal(told).class == ServerClass::NoSlot)
}

/// Whether the server has refused the password.
pub(super) fn is_access_denied(error: &Native) -> bool {
    matches!(error, Native::Server(told) if told.code == 1045)
}

/// What a server said that refused a connection.
fn refusal(told: &Told) -> ServerError {
    let class = match told.code {
        1040 | 1203 => ServerClass::NoSlot,
        // The other limits of a user are counted by the hour.
        1226 if told.message.contains("max_user_connections") => ServerClass::NoSlot,
        _ => ServerClass::Other,
    };
    said(told, class)
}

/// What any message says of itself.
fn said(told: &Told, class: ServerClass) -> ServerError {
    ServerError::of(told.code.to_string(), class).with_sqlstate(told.state.as_str())
}

/// Whether the connection is lost with this error.
pub(super) fn is_lost(error: &Native) -> bool {
    match error {
        // The server is going down, or has ended the session: 1053, 1077, 1152, 1184, 1927, 3169, 4031. Or it could not
        // read a message as a whole, or write one, and hangs up: 1156 to 1161.
        Native::Server(told) => {
            matches!(told.code, 1053 | 1077 | 1152 | 1156..=1161 | 1184 | 1927 | 3169 | 4031)
        }
        Native::Driver(driver) => !is_callers(driver),
        _ => true,
    }
}

/// Errors that were found before anything was sent.
fn is_callers(error: &Misuse) -> bool {
    matches!(
        error,
        Misuse::Params(_)
            | Misuse::MixedParams
            | Misuse::StmtParamsMismatch { .. }
            | Misuse::StmtParamsNumberExceedsLimit { .. }
    )
}

/// The error of a statement.
pub(super) fn statement(error: Native, sql: &str) -> Error {
    let ours = match &error {
        Native::Server(told) if !is_lost(&error) => server(told, sql),
        _ => beside_statement(error),
    };
    ours.with_statement(sql)
}

/// The error of a server, for the native client, which does not tell the statement; and any other that statements may have.
pub(super) fn native(error: Native) -> Error {
    match &error {
        Native::Server(told) if !is_lost(&error) => server(told, "").with_native(error),
        _ => beside_statement(error),
    }
}

/// An error that is not the server's refusal of a statement.
fn beside_statement(error: Native) -> Error {
    match &error {
        Native::Driver(Misuse::LocalInfile(_)) => {
            // The server waits for the file forever, so the connection is closed.
            let text = "the statement asks for a file of the client, which is refused";
            Error::new(ErrorKind::Unsupported, text).with_source(error)
        }
        Native::Driver(driver) if is_callers(driver) => {
            Error::new(ErrorKind::Parameter, driver.to_string()).with_source(error)
        }
        Native::Server(told) => {
            let text = format!("the server ended the connection: {}", told.message);
            let told = said(told, ServerClass::Other);
            Error::new(ErrorKind::ConnectionLost, text).with_server(told).with_source(error)
        }
        _ => Error::new(ErrorKind::ConnectionLost, "the connection to the MySQL server was lost").with_source(error),
    }
}

/// Whether the server cannot prepare such a statement, so that it must go as text.
pub(super) fn is_not_preparable(error: &Native) -> bool {
    matches!(error, Native::Server(told) if told.code == 1295)
}

/// Whether a KILL QUERY has hit.
pub(super) fn is_killed(error: &Native) -> bool {
    matches!(error, Native::Server(told) if told.code == 1317)
}

fn server(told: &Told, sql: &str) -> Error {
    let class = class(told);
    let message = told.message.as_str();
    let constraint = match class {
        // The value stands ahead of it, and may hold anything.
        ServerClass::UniqueViolation => message.rsplit_once("for key '").and_then(|(_, key)| key.strip_suffix('\'')),
        ServerClass::ForeignKeyViolation => after(message, "CONSTRAINT `", "`"),
        // "CONSTRAINT `positive` failed" (MariaDB), "Check constraint 'positive' is violated" (MySQL)
        ServerClass::CheckViolation => {
            after(message, "CONSTRAINT `", "`").or_else(|| after(message, "Check constraint '", "'"))
        }
        _ => None,
    };
    // MySQL puts the table in front of the key: "item.PRIMARY".
    let (table, constraint) = match constraint.and_then(|name| name.split_once('.')) {
        Some((table, key)) if class == ServerClass::UniqueViolation => (Some(table), Some(key)),
        _ => (None, constraint),
    };
    let column = match told.code {
        // "Column 'title' cannot be null", "Field 'title' doesn't have a default value"
        1048 | 1364 | 1263 => after(message, "olumn '", "'").or_else(|| after(message, "Field '", "'")),
        1264 | 1265 | 1366 | 1406 | 1292 => {
            after(message, "for column '", "'").or_else(|| after(message, "for column ", " "))
        }
        _ => None,
    };
    let column = column.map(|name| name.rsplit(['.', '`']).find(|part| !part.is_empty()).unwrap_or(name));
    let names = [constraint, table, column];
    let is_known = |quoted: &str| names.contains(&Some(quoted)) || quoted::stands_in(quoted, sql);
    Error::server(
        without_values(told.code, message, is_known),
        ServerError {
            constraint: constraint.map(Into::into),
            table: table.map(Into::into),
            column: column.map(Into::into),
            detail: Some(message.into()),
            ..said(told, class)
        },
    )
}

/// The server's message without the values that it quotes; whole it is the error's detail.
fn without_values(code: u16, message: &str, is_known: impl Fn(&str) -> bool) -> String {
    match code {
        code if NAMES.contains(&code) => message.to_owned(),
        // Duplicate entry 'VALUE' for key 'NAME'
        1062 | 1586 => match message.rfind(" for key ") {
            Some(at) => format!("duplicate entry{}", &message[at..]),
            None => "duplicate entry".into(),
        },
        // Variable 'NAME' can't be set to the value of 'VALUE'
        1231 => message.split(" to the value of ").next().unwrap_or_default().to_owned(),
        // BIGINT value is out of range in 'EXPRESSION WITH VALUES'
        1690 => message.split(" in '").next().unwrap_or_default().to_owned(),
        // Incorrect integer value: 'VALUE' for column ...; Truncated incorrect DOUBLE value: 'VALUE'
        1115 | 1292 | 1298 | 1366 | 1411 | 1525 | 3819.. => match (message.find(": '"), message.rfind("' for ")) {
            (Some(from), Some(to)) if from < to => format!("{}{}", &message[..from], &message[to + 1..]),
            (Some(from), _) => message[..from].to_owned(),
            _ => unknown_left_out(message, is_known),
        },
        _ => unknown_left_out(message, is_known),
    }
}

fn unknown_left_out(message: &str, is_known: impl Fn(&str) -> bool) -> String {
    quoted::without_values(message, is_known).unwrap_or_else(|| message.to_owned())
}

fn after<'m>(message: &'m str, before: &str, end: &str) -> Option<&'m str> {
    let (_, rest) = message.split_once(before)?;
    Some(rest.split_once(end).map_or(rest, |(name, _)| name))
}

fn class(told: &Told) -> ServerClass {
    match told.code {
        1022 | 1062 | 1169 | 1586 => ServerClass::UniqueViolation,
        1216 | 1217 | 1451 | 1452 | 1761 | 1762 => ServerClass::ForeignKeyViolation,
        1048 | 1263 | 1364 => ServerClass::NotNullViolation,
        3819 | 4025 => ServerClass::CheckViolation,
        1406 => ServerClass::TooLong,
        1264 | 1441 | 1690 => ServerClass::OutOfRange,
        1213 => ServerClass::Deadlock,
        // MariaDB, with innodb_snapshot_isolation: the row was changed since the snapshot was taken.
        1020 => ServerClass::SerializationFailure,
        1205 | 3572 => ServerClass::LockTimeout,
        1969 | 3024 => ServerClass::StatementTimeout,
        1317 => ServerClass::Cancelled,
        // A primary that was demoted, a server that was switched to reading, a node that has left its cluster (Galera).
        1047 | 1836 => ServerClass::WrongServer,
        // Named after the option in the way, which may be another one: --secure-file-priv, say.
        1290 if ["read-only", "read_only"].iter().any(|option| told.message.contains(option)) => {
            ServerClass::WrongServer
        }
        _ => ServerClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: u16, message: &str) -> Error {
        server(&Told { code, message: message.into(), state: "HY000".into() }, "select f(?) from item")
    }

    #[test]
    fn values_stay_out_of_the_text_rule_53() {
        let error = told(1062, "Duplicate entry 'secret for key 'x'' for key 'item.name'");
        assert_eq!(error.to_string(), "duplicate entry for key 'item.name'");
        assert!(error.is_unique_violation());
        assert!(error.detail().is_some_and(|detail| detail.contains("secret")));
        let error = told(1366, "Incorrect integer value: 'secret' for column `a`.`b`.`age` at row 1");
        assert_eq!(error.to_string(), "Incorrect integer value for column `a`.`b`.`age` at row 1");
        assert_eq!(error.column(), Some("age"));
        assert_eq!(
            told(1292, "Truncated incorrect DOUBLE value: 'secret'").to_string(),
            "Truncated incorrect DOUBLE value"
        );
        assert_eq!(told(1139, "Got error 'secret' from regexp").to_string(), "Got error \"…\" from regexp");
        let syntax = "You have an error near 'from item' at line 1";
        assert_eq!(told(1064, syntax).to_string(), syntax);
        let column = "Unknown column 'x' in 'field list'";
        assert_eq!(told(1054, column).to_string(), column);
    }

    #[test]
    fn a_server_that_takes_no_writes_is_told_from_other_options_in_the_way_rule_36() {
        let wrong = |code, message| told(code, message).is_retryable();
        assert!(wrong(
            1290,
            "The MySQL server is running with the --super-read-only option so it cannot execute this statement"
        ));
        assert!(wrong(
            1290,
            "Der MariaDB-Server läuft mit der Option --read-only und kann diese Anweisung deswegen nicht ausführen"
        ));
        assert!(!wrong(
            1290,
            "The MySQL server is running with the --secure-file-priv option so it cannot execute this statement"
        ));
        assert!(wrong(1836, "Running in read-only mode"));
        assert!(wrong(1047, "WSREP has not yet prepared node for application use"));
        assert!(!wrong(1792, "Cannot execute statement in a READ ONLY transaction"));
    }

    #[test]
    fn constraints_are_named() {
        assert_eq!(told(1062, "Duplicate entry 'x' for key 'name'").constraint(), Some("name"));
        assert_eq!(told(4025, "CONSTRAINT `positive` failed for `db`.`t`").constraint(), Some("positive"));
        assert_eq!(told(3819, "Check constraint 'positive' is violated.").constraint(), Some("positive"));
        assert_eq!(told(1048, "Column 'title' cannot be null").column(), Some("title"));
    }
}
