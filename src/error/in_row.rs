//! What an error of reading a row tells besides the column: as what the row was read, and of which statement it is.

use super::{Error, ErrorKind};

impl Error {
    /// Adds the type that a row was read as and its statement to an error of reading it, unless it has a statement already.
    #[cold]
    pub(crate) fn in_row_of<R>(self, sql: &str) -> Self {
        if self.kind() != ErrorKind::Decode || self.0.statement.is_some() {
            return self;
        }
        let text = format!("a row could not be read as {}: {}", short(std::any::type_name::<R>()), self.0.message);
        self.change(|inner| inner.message = text.into()).with_statement(sql)
    }
}

/// The name of a type without the paths: `Option<String>` for `core::option::Option<alloc::string::String>`.
pub(crate) fn short(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for part in name.split_inclusive(['<', '>', ',', ' ', '&', '(', ')', '[', ']']) {
        out.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    out
}
