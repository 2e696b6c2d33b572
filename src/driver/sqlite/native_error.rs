//! The errors of rusqlite as errors of this crate, for `?` in code that uses the native client.
//!
//! It tells the cases apart that are the client's own. What SQLite said is classified as for statements.

use rusqlite::Error as Native;

use super::classify;
use crate::error::{Error, ErrorKind};

/// Classified as the errors of statements are, so that the predicates answer, and [`Error::constraint`] and its kin. The
/// native error is the [`source`](std::error::Error::source): its text may hold values, that of this error does not.
impl From<Native> for Error {
    fn from(error: Native) -> Self {
        let (kind, text) = match &error {
            Native::QueryReturnedNoRows => (ErrorKind::NoRow, "the query returned no row"),
            Native::QueryReturnedMoreThanOneRow => (ErrorKind::ManyRows, "the query returned more than one row"),
            Native::FromSqlConversionFailure(at, ..)
            | Native::IntegralValueOutOfRange(at, _)
            | Native::Utf8Error(at, _)
            | Native::InvalidColumnIndex(at)
            | Native::InvalidColumnType(at, ..) => {
                let text = format!("column {at} cannot be read as the type asked for");
                return Self::new(ErrorKind::Decode, text).with_native(error);
            }
            Native::InvalidColumnName(_) => (ErrorKind::Decode, "there is no column of that name"),
            Native::ToSqlConversionFailure(_)
            | Native::InvalidParameterCount(..)
            | Native::InvalidParameterName(_)
            | Native::NulError(_) => (ErrorKind::Parameter, "the parameters do not fit the statement"),
            Native::InvalidPath(_) => (ErrorKind::Config, "the path of the SQLite database is not valid"),
            Native::SqliteFailure(..) | Native::SqlInputError { .. } => {
                return classify::message(&error, "").with_native(error);
            }
            _ => (ErrorKind::Other, "an error of rusqlite"),
        };
        Self::new(kind, text).with_native(error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use rusqlite::Connection;

    use super::*;

    /// rule 53
    #[test]
    fn native_errors_are_classified_and_their_values_stay_out_of_sight() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("create table t (x text primary key) strict; insert into t values ('secret')").unwrap();
        let one = |sql| db.query_row::<i64, _, _>(sql, [], |row| row.get(0)).map_err(Error::from).unwrap_err();
        let unique = Error::from(db.execute("insert into t values ('secret')", []).unwrap_err());
        assert!(unique.is_unique_violation());
        assert_eq!((unique.code(), unique.sqlstate(), unique.constraint()), (Some("1555"), None, Some("t.x")));
        let decode = one("select x from t");
        assert_eq!(decode.kind(), ErrorKind::Decode);
        assert_eq!(one("select 1 from t where x = 'none'").kind(), ErrorKind::NoRow);
        assert_eq!(one("select ?1").kind(), ErrorKind::Parameter);
        assert_eq!(one("select from").kind(), ErrorKind::Server);
        for error in [unique, decode] {
            assert!(error.source().is_some_and(|source| source.is::<Native>()));
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }
}
