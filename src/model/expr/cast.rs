//! The names of types in `CAST(… AS …)`, which on MySQL differ from those of columns.

use std::borrow::Cow;

use crate::{
    db::Writer,
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::table::ColumnType,
};

/// Writes a cast.
///
/// # Errors
/// `Unsupported` if the database cannot cast to it.
pub(crate) fn cast(ty: ColumnType, to: &mut Writer, value: impl FnOnce(&mut Writer) -> Result<()>) -> Result<()> {
    let name = match to.dialect() {
        Dialect::Postgres => postgres_type(ty),
        Dialect::Mysql => mysql(ty)?.into(),
        Dialect::Sqlite => sqlite(ty)?.into(),
    };
    to.text("CAST(");
    value(to)?;
    to.text(" AS ");
    to.text(&name);
    to.text(")");
    Ok(())
}

/// The name of a type on PostgreSQL.
pub(crate) fn postgres_type(ty: ColumnType) -> Cow<'static, str> {
    let name = match ty {
        ColumnType::Bool => "boolean",
        ColumnType::I16 => "smallint",
        ColumnType::I32 => "integer",
        ColumnType::I64 => "bigint",
        ColumnType::U64 | ColumnType::Decimal => "numeric",
        ColumnType::F32 => "real",
        ColumnType::F64 => "double precision",
        ColumnType::Text => "text",
        ColumnType::Bytes => "bytea",
        ColumnType::Date => "date",
        ColumnType::Time => "time",
        ColumnType::DateTime => "timestamp",
        ColumnType::DateTimeUtc => "timestamptz",
        ColumnType::Uuid => "uuid",
        ColumnType::Inet => "inet",
        ColumnType::Json => "jsonb",
        ColumnType::Array(element) => return format!("{}[]", postgres_type(*element)).into(),
        ColumnType::Custom(name) => name,
    };
    name.into()
}

fn mysql(ty: ColumnType) -> Result<&'static str> {
    Ok(match ty {
        ColumnType::Bool | ColumnType::I16 | ColumnType::I32 | ColumnType::I64 => "SIGNED",
        ColumnType::U64 => "UNSIGNED",
        ColumnType::F32 | ColumnType::F64 => "DOUBLE",
        // The largest precision and scale.
        ColumnType::Decimal => "DECIMAL(65, 30)",
        ColumnType::Text | ColumnType::Uuid | ColumnType::Inet => "CHAR",
        ColumnType::Bytes => "BINARY",
        ColumnType::Date => "DATE",
        ColumnType::Time => "TIME(6)",
        ColumnType::DateTime | ColumnType::DateTimeUtc => "DATETIME(6)",
        ColumnType::Json => return Err(unsupported("MySQL and MariaDB have no common cast to JSON")),
        ColumnType::Array(_) => return Err(unsupported("MySQL has no arrays")),
        ColumnType::Custom(name) => name,
    })
}

fn sqlite(ty: ColumnType) -> Result<&'static str> {
    Ok(match ty {
        ColumnType::Bool | ColumnType::I16 | ColumnType::I32 | ColumnType::I64 | ColumnType::U64 => "INTEGER",
        ColumnType::F32 | ColumnType::F64 => "REAL",
        ColumnType::Decimal => "NUMERIC",
        ColumnType::Bytes => "BLOB",
        ColumnType::Array(_) => return Err(unsupported("SQLite has no arrays")),
        ColumnType::Custom(name) => name,
        // Types that SQLite lacks are text.
        ColumnType::Text
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::DateTime
        | ColumnType::DateTimeUtc
        | ColumnType::Uuid
        | ColumnType::Inet
        | ColumnType::Json => "TEXT",
    })
}

fn unsupported(text: &str) -> Error {
    Error::new(ErrorKind::Unsupported, text)
}
