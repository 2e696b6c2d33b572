//! [`ErrorResponse`]: an error of the server, by its fields. Used by the link, which looks for the error that ends a
//! session, and by the classification of errors.

use std::{error::Error as StdError, fmt};

use tokio_postgres::error::{DbError, ErrorPosition, Severity};

/// An error of the server, by its fields.
#[derive(Clone, Default)]
pub(super) struct ErrorResponse {
    pub(super) severity: Box<str>,
    pub(super) code: Box<str>,
    pub(super) message: Box<str>,
    pub(super) detail: Option<Box<str>>,
    pub(super) hint: Option<Box<str>>,
    /// Where it occurred: a parameter, or the functions that were running.
    pub(super) context: Option<Box<str>>,
    pub(super) schema: Option<Box<str>>,
    pub(super) table: Option<Box<str>>,
    pub(super) column: Option<Box<str>>,
    pub(super) datatype: Option<Box<str>>,
    pub(super) constraint: Option<Box<str>>,
    /// The character of the statement, from 1.
    pub(super) position: Option<u32>,
}

impl ErrorResponse {
    /// Reads the body of an ErrorResponse: each field is a letter and a text.
    pub(super) fn parse(mut body: &[u8]) -> Self {
        let mut response = Self::default();
        while let Some((field, rest)) = body.split_first().filter(|(field, _)| **field != 0) {
            let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
            let text: Box<str> = String::from_utf8_lossy(&rest[..end]).into();
            match field {
                // The severity comes twice: localized, and in English.
                b'S' if response.severity.is_empty() => response.severity = text,
                b'V' => response.severity = text,
                b'C' => response.code = text,
                b'M' => response.message = text,
                b'D' => response.detail = Some(text),
                b'H' => response.hint = Some(text),
                b'W' => response.context = Some(text),
                b's' => response.schema = Some(text),
                b't' => response.table = Some(text),
                b'c' => response.column = Some(text),
                b'd' => response.datatype = Some(text),
                b'n' => response.constraint = Some(text),
                b'P' => response.position = text.parse().ok(),
                _ => {}
            }
            body = rest.get(end + 1..).unwrap_or_default();
        }
        response
    }

    /// Whether the server closes the session with this message.
    pub(super) fn ends_session(&self) -> bool {
        matches!(&*self.severity, "FATAL" | "PANIC")
    }
}

impl From<&DbError> for ErrorResponse {
    fn from(error: &DbError) -> Self {
        let text = |part: Option<&str>| part.map(Into::into);
        let severity = match error.parsed_severity() {
            Some(Severity::Fatal) => "FATAL",
            Some(Severity::Panic) => "PANIC",
            _ => error.severity(),
        };
        Self {
            severity: severity.into(),
            code: error.code().code().into(),
            message: error.message().into(),
            detail: text(error.detail()),
            hint: text(error.hint()),
            context: text(error.where_()),
            schema: text(error.schema()),
            table: text(error.table()),
            column: text(error.column()),
            datatype: text(error.datatype()),
            constraint: text(error.constraint()),
            position: match error.position() {
                Some(ErrorPosition::Original(at)) => Some(*at),
                _ => None,
            },
        }
    }
}

/// Without the fields that may contain values of rows.
impl fmt::Debug for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, code, schema, table, column, constraint, .. } = self;
        let mut out = f.debug_struct("ErrorResponse");
        out.field("severity", severity).field("code", code).field("schema", schema).field("table", table);
        out.field("column", column).field("constraint", constraint).finish_non_exhaustive()
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.severity, self.code)
    }
}

impl StdError for ErrorResponse {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_field_by_field() {
        let response = ErrorResponse::parse(b"SFATALE\0VFATAL\0C57P01\0Mend\0W\xffx\0n\0\0");
        assert!(response.ends_session());
        assert_eq!((&*response.code, &*response.message, response.constraint.as_deref()), ("57P01", "end", Some("")));
        assert!(response.detail.is_none() && response.context.is_some());
        assert!(!ErrorResponse::parse(b"SERREUR\0VERROR\0C22012").ends_session());
        assert_eq!(ErrorResponse::parse(b"P17\0").position, Some(17));
        assert_eq!(ErrorResponse::parse(b"Px\0").position, None);
        assert!(ErrorResponse::parse(b"").code.is_empty());
    }
}
