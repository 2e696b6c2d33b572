//! The errors of tokio-postgres as errors of this crate, for `?` in code that uses the native client.
//!
//! It tells the cases apart that are the client's own. What the server said is classified as for statements.

use super::{classify, error_response::ErrorResponse};
use crate::error::{Error, ErrorKind};

/// Classified as the errors of statements are, so that the predicates answer, and [`Error::constraint`] and its kin. The
/// native error is the [`source`](std::error::Error::source): its text may hold values, that of this error does not.
impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let ours = match error.as_db_error() {
            Some(response) => classify::native(&ErrorResponse::from(response)),
            None => Self::new(kind(&error), error.to_string()),
        };
        ours.with_native(error)
    }
}

/// The kind of an error that is not the server's. The client tells it by its text alone; its version is pinned.
fn kind(error: &tokio_postgres::Error) -> ErrorKind {
    let text = error.to_string();
    let begins = |begins: &[&str]| begins.iter().any(|begin| text.starts_with(begin));
    if error.is_closed() || begins(&["error communicating", "unexpected message", "error parsing response"]) {
        ErrorKind::ConnectionLost
    } else if begins(&["error serializing parameter", "expected ", "error encoding message"]) {
        ErrorKind::Parameter
    } else if begins(&["error deserializing column", "invalid column"]) {
        ErrorKind::Decode
    } else if begins(&["invalid connection string", "invalid configuration"]) {
        ErrorKind::Config
    } else if begins(&["error connecting", "error performing TLS", "authentication error", "timeout waiting"]) {
        ErrorKind::Connect
    } else {
        // One text for no row and for several; and what later versions add.
        ErrorKind::Other
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use tokio_postgres::Config;

    use super::*;

    /// rule 53
    #[test]
    fn a_native_error_is_the_source_and_no_part_of_the_debug_form() {
        let native = "host=x port=secret".parse::<Config>().unwrap_err();
        let text = native.to_string();
        let error = Error::from(native);
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Config, text));
        assert!(error.source().is_some_and(|source| source.is::<tokio_postgres::Error>()));
        assert!(!format!("{error:?}").contains("port"), "{error:?}");
    }
}
