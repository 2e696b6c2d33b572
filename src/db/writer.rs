//! [`Writer`]: the text of one statement as it is put together, with its parameters.
//!
//! Used by the models for all statements. It knows how names are quoted and parameters are numbered, and nothing of any
//! statement.

use crate::{
    data::{params::Params, value::Value},
    driver::{Capabilities, Dialect},
};

/// A statement that is being written.
pub(crate) struct Writer {
    dialect: Dialect,
    capabilities: &'static Capabilities,
    sql: String,
    params: Vec<Value>,
    /// Whether values are written as literals in place of parameters.
    literals: bool,
}

impl Writer {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            capabilities: dialect.capabilities(),
            sql: String::with_capacity(256),
            params: Vec::new(),
            literals: false,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What the database can do.
    pub(crate) fn can(&self) -> &'static Capabilities {
        self.capabilities
    }

    /// Text as it stands.
    pub(crate) fn text(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// A name, in quotes.
    pub(crate) fn name(&mut self, name: &str) {
        let quote = self.capabilities.quote;
        self.sql.push(quote);
        if name.bytes().any(|byte| char::from(byte) == quote) {
            self.sql.push_str(&name.replace(quote, &[quote, quote].iter().collect::<String>()));
        } else {
            self.sql.push_str(name);
        }
        self.sql.push(quote);
    }

    /// Columns of one table, with commas between them.
    pub(crate) fn columns<'n>(&mut self, table: &str, names: impl IntoIterator<Item = &'n str>) {
        let start = self.sql.len();
        self.name(table);
        self.text(".");
        let table = start..self.sql.len();
        for (at, name) in names.into_iter().enumerate() {
            if at > 0 {
                self.text(", ");
                self.sql.extend_from_within(table.clone());
            }
            self.name(name);
        }
    }

    /// The name of a table, with its schema.
    pub(crate) fn table(&mut self, schema: Option<&str>, name: &str) {
        if let Some(schema) = schema {
            self.name(schema);
            self.text(".");
        }
        self.name(name);
    }

    /// The place of a parameter.
    pub(crate) fn value(&mut self, value: Value) {
        self.params.push(value);
        if self.capabilities.numbers_parameters {
            self.sql.push('$');
            self.number(self.params.len());
        } else {
            self.sql.push('?');
        }
    }

    fn number(&mut self, number: usize) {
        if number >= 10 {
            self.number(number / 10);
        }
        self.sql.push(char::from(b'0' + (number % 10) as u8));
    }

    /// Whether values are written as literals in place of parameters.
    pub(crate) fn takes_literals(&self) -> bool {
        self.literals
    }

    /// Writes something with literals in place of parameters.
    pub(crate) fn with_literals<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.literals, true);
        let written = write(self);
        self.literals = before;
        written
    }

    /// The text and the parameters.
    pub(crate) fn finish(self) -> (String, Params) {
        (self.sql, self.params.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_parameters_numbered() {
        let written = |dialect| {
            let mut to = Writer::new(dialect);
            to.table(Some("a`b"), "c\"\"d");
            for number in 0..101 {
                to.value(Value::I64(number));
            }
            to.finish()
        };
        let (sql, params) = written(Dialect::Postgres);
        assert!(sql.starts_with("\"a`b\".\"c\"\"\"\"d\"$1$2"), "{sql}");
        assert!(sql.contains("$9$10$11") && sql.ends_with("$99$100$101"), "{sql}");
        assert_eq!(params.as_slice().len(), 101);
        assert!(written(Dialect::Mysql).0.starts_with("`a``b`.`c\"\"d`??"));
        assert!(written(Dialect::Sqlite).0.starts_with("\"a`b\".\"c\"\"\"\"d\"??"));
    }
}
