//! The errors of mysql_async as errors of this crate, for `?` in code that uses the native client.
//!
//! It tells the cases apart that are the client's own. What the server said is classified as for statements.

use mysql_async::{DriverError as Misuse, Error as Native};

use super::classify;
use crate::error::{Error, ErrorKind};

/// Classified as the errors of statements are, so that the predicates answer, and [`Error::constraint`] and its kin. The
/// native error is the [`source`](std::error::Error::source): its text may hold values, that of this error does not.
impl From<Native> for Error {
    fn from(error: Native) -> Self {
        let (kind, text) = match &error {
            Native::Driver(Misuse::FromValue { .. }) => (ErrorKind::Decode, "a value is not of the type asked for"),
            Native::Driver(Misuse::FromRow { .. }) => (ErrorKind::Decode, "a row is not of the type asked for"),
            Native::Driver(Misuse::PacketTooLarge | Misuse::BulkExecute(_)) => {
                (ErrorKind::Parameter, "the statement cannot be sent with these parameters")
            }
            Native::Driver(Misuse::NestedTransaction) => (ErrorKind::TransactionOpen, "a transaction is open"),
            Native::Driver(
                Misuse::UnknownAuthPlugin { .. }
                | Misuse::MysqlOldPasswordDisabled
                | Misuse::CleartextPluginDisabled
                | Misuse::NoClientSslFlagFromServer,
            ) => (ErrorKind::Connect, "the client does not support what the server asks for, or lacks"),
            Native::Url(_) => (ErrorKind::Config, "the URL of the MySQL database is not valid"),
            Native::Other(_) => (ErrorKind::Other, "an error of mysql_async"),
            _ => return classify::native(error),
        };
        Self::new(kind, text).with_native(error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use mysql_async::{ServerError, Value};

    use super::*;

    /// rule 53
    #[test]
    fn native_errors_are_classified_and_their_values_stay_out_of_sight() {
        let (message, state) = ("Duplicate entry 'secret' for key 'name'".to_owned(), "23000".to_owned());
        let unique = Error::from(Native::Server(ServerError { code: 1062, message, state }));
        assert!(unique.is_unique_violation());
        let told = (unique.code(), unique.sqlstate(), unique.constraint());
        assert_eq!(told, (Some("1062"), Some("23000"), Some("name")));
        let value = Value::Bytes(b"secret".to_vec());
        let decode = Error::from(Native::Driver(Misuse::FromValue { value }));
        assert_eq!(decode.kind(), ErrorKind::Decode);
        assert_eq!(Error::from(Native::Driver(Misuse::ConnectionClosed)).kind(), ErrorKind::ConnectionLost);
        assert_eq!(Error::from(Native::Driver(Misuse::MixedParams)).kind(), ErrorKind::Parameter);
        assert_eq!(Error::from(Native::Other("x".into())).kind(), ErrorKind::Other);
        for error in [unique, decode] {
            assert!(error.source().is_some_and(|source| source.is::<Native>()));
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }
}
