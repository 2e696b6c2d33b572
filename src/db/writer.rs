//! [`Writer`]: the text of one statement as it is put together, with its parameters.
//!
//! Used by the models for what they write by hand (INSERT, UPDATE, DELETE), around expressions that sea_query writes. It
//! knows how names are quoted and parameters are numbered, and nothing of any statement.

use std::fmt;

use sea_query::{
    Expr, MysqlQueryBuilder, PostgresQueryBuilder, QueryBuilder, SelectStatement, SqlWriter, SqliteQueryBuilder,
};

use super::portable;
use crate::{driver::Dialect, params::Params, value::Value};

/// A statement that is being written.
pub(crate) struct Writer {
    dialect: Dialect,
    sql: String,
    params: Vec<Value>,
}

impl Writer {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, sql: String::with_capacity(128), params: Vec::new() }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Text as it stands.
    pub(crate) fn text(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// A name, in quotes.
    pub(crate) fn name(&mut self, name: &str) {
        let quote = if self.dialect == Dialect::Mysql { '`' } else { '"' };
        self.sql.push(quote);
        for letter in name.chars() {
            if letter == quote {
                self.sql.push(quote);
            }
            self.sql.push(letter);
        }
        self.sql.push(quote);
    }

    /// The place of a parameter.
    pub(crate) fn value(&mut self, value: Value) {
        self.params.push(value);
        if self.dialect == Dialect::Postgres {
            let number = self.params.len();
            fmt::Write::write_fmt(&mut self.sql, format_args!("${number}")).expect("writing to a string does not fail");
        } else {
            self.sql.push('?');
        }
    }

    /// An expression of sea_query.
    pub(crate) fn expr(&mut self, expr: &Expr) {
        match self.dialect {
            Dialect::Postgres => PostgresQueryBuilder.prepare_expr(expr, self),
            Dialect::Mysql => MysqlQueryBuilder.prepare_expr(expr, self),
            Dialect::Sqlite => SqliteQueryBuilder.prepare_expr(expr, self),
        }
    }

    /// An expression of sea_query, its values as literals in place of parameters.
    pub(crate) fn literal_expr(&mut self, expr: &Expr) {
        match self.dialect {
            Dialect::Postgres => PostgresQueryBuilder.prepare_expr(expr, &mut self.sql),
            Dialect::Mysql => MysqlQueryBuilder.prepare_expr(expr, &mut self.sql),
            Dialect::Sqlite => SqliteQueryBuilder.prepare_expr(expr, &mut self.sql),
        }
    }

    /// A select of sea_query.
    pub(crate) fn select(&mut self, select: &SelectStatement) {
        match self.dialect {
            Dialect::Postgres => select.build_collect_into(PostgresQueryBuilder, self),
            Dialect::Mysql => select.build_collect_into(MysqlQueryBuilder, self),
            Dialect::Sqlite => select.build_collect_into(SqliteQueryBuilder, self),
        }
    }

    /// The text and the parameters.
    pub(crate) fn finish(self) -> (String, Params) {
        (self.sql, self.params.into())
    }
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.sql.push_str(text);
        Ok(())
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}

impl SqlWriter for Writer {
    fn push_param<T: QueryBuilder>(&mut self, value: sea_query::Value, _: &T) {
        self.value(portable::value(value));
    }

    fn as_writer(&mut self) -> &mut dyn fmt::Write {
        self
    }
}
