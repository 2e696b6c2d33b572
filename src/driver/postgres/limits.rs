//! Limits of PostgreSQL and its protocol, checked before anything is sent: the server closes the connection over what
//! exceeds them.
//!
//! Used by the connection for texts, and by `encode.rs` for parameters.

use std::{error::Error as StdError, fmt};

use crate::{
    driver::Query,
    error::{Error, ErrorKind},
    transaction::impact::DriverError,
};

/// How many parameters a statement can have: they are counted in 16 bits.
const PARAMETERS: usize = u16::MAX as usize;

/// How long a message can be: the server allocates one byte less than 1 GiB for it.
const MESSAGE: usize = (1 << 30) - 2;

/// What is in a message beside the text of a statement, or the parameters: lengths, names, and a few numbers.
const REST: usize = 64;

/// Refuses more parameters than a statement can have.
pub(super) fn check_count(query: Query<'_>) -> Result<(), DriverError> {
    if query.params.len() <= PARAMETERS {
        return Ok(());
    }
    let text = format!("PostgreSQL takes {PARAMETERS} parameters at most, {} were given", query.params.len());
    Err(refused(text, query.sql))
}

/// Refuses a text that cannot be sent.
pub(super) fn check_text(sql: &str) -> Result<(), DriverError> {
    check_length(sql.len())?;
    match sql.find('\0') {
        Some(at) => Err(refused(format!("the text of the statement has a NUL character, at byte {at}"), sql)),
        None => Ok(()),
    }
}

fn check_length(bytes: usize) -> Result<(), DriverError> {
    if bytes <= MESSAGE - REST {
        return Ok(());
    }
    // The text is not kept with the error: it is a gigabyte.
    let text = format!("PostgreSQL takes texts of up to 1 GiB, this one has {bytes} bytes");
    Err(DriverError::harmless(Error::new(ErrorKind::Parameter, text)))
}

/// Refuses parameters that would make a message of more bytes than the server takes. `written` is what is there already.
pub(super) fn check_message(written: usize, more: usize) -> Result<(), TooLarge> {
    if written.saturating_add(more) > MESSAGE - REST { Err(TooLarge) } else { Ok(()) }
}

fn refused(text: String, sql: &str) -> DriverError {
    DriverError::harmless(Error::new(ErrorKind::Parameter, text).with_statement(sql))
}

/// The parameters of a statement are larger than the server takes them.
#[derive(Debug)]
pub(super) struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgreSQL takes up to 1 GiB of parameters with a statement, these are more")
    }
}

impl StdError for TooLarge {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_before_a_gibibyte() {
        assert!(check_message(0, (1 << 30) - 2 - REST).is_ok());
        assert!(check_message(1, (1 << 30) - 2 - REST).is_err());
        assert!(check_message(usize::MAX, usize::MAX).is_err());
    }

    #[test]
    fn parameters_are_counted_before_anything_is_sent() {
        let params = vec![crate::data::value::Value::Null; PARAMETERS + 1];
        assert!(check_count(Query::new("select 1", &params[1..])).is_ok());
        assert_eq!(check_count(Query::new("select 1", &params)).unwrap_err().error.kind(), ErrorKind::Parameter);
    }

    #[test]
    fn texts_are_checked_for_what_ends_them() {
        assert!(check_text("select 1").is_ok());
        assert!(check_length(MESSAGE - REST).is_ok());
        assert_eq!(check_length(MESSAGE - REST + 1).unwrap_err().error.kind(), ErrorKind::Parameter);
        assert_eq!(check_text("select '\0'").unwrap_err().error.kind(), ErrorKind::Parameter);
    }
}
