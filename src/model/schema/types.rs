//! The SQL types of columns on each database. They keep every value of the field, and return it as it was written.

use crate::{
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::table::{ColumnDef, ColumnType, Stored, Table},
};

/// The length of indexed text on MySQL, unless the model has one.
const INDEXED: u32 = 255;
/// The longest VARCHAR of MySQL.
pub(super) const LONGEST_VARCHAR: u32 = 16_383;

/// The type of a column.
pub(super) fn sql_type(dialect: Dialect, table: &Table, index: usize) -> Result<String> {
    let column = &table.columns[index];
    // A reference has the type of the key that it refers to.
    let (kept, indexed) = match referred(column) {
        Some(key) => (key, true),
        None => (column, is_indexed(table, index)),
    };
    if let Some(name) = stored_type(dialect, column.form()) {
        return Ok(name.into());
    }
    let given =
        TypeOf { ty: kept.ty, numbered: column.auto, sequence: kept.auto, indexed, max_length: kept.max_length };
    given.write(dialect).ok_or_else(|| {
        let text = format!("{dialect} has no type for the field {} of {}", column.field, table.model);
        Error::new(ErrorKind::Unsupported, text)
    })
}

/// The type for a stored form other than the native one.
fn stored_type(dialect: Dialect, form: Stored) -> Option<&'static str> {
    Some(match (form, dialect) {
        (Stored::Native, _) => return None,
        (Stored::Bytes, Dialect::Postgres) => "bytea",
        (Stored::Bytes, Dialect::Mysql) => "binary(16)",
        (Stored::Bytes, Dialect::Sqlite) => "BLOB",
        (_, Dialect::Postgres) => "text",
        (Stored::Text, Dialect::Mysql) => "char(36)",
        (Stored::Simple, Dialect::Mysql) => "char(32)",
        (Stored::Rfc3339 | Stored::Offset, Dialect::Mysql) => "varchar(40)",
        (_, Dialect::Sqlite) => "TEXT",
    })
}

/// The key at the end of a chain of references.
fn referred(column: &ColumnDef) -> Option<&'static ColumnDef> {
    let mut found = None;
    let mut next = column.references;
    // Keys that refer to each other in a cycle have no type of their own; any of them will do.
    for _ in 0..16 {
        let Some(target) = next.map(|reference| (reference.table)()) else {
            break;
        };
        let key = target.key().next()?;
        found = Some(key);
        next = key.references;
    }
    found
}

fn is_indexed(table: &Table, column: usize) -> bool {
    table.is_key(column) || table.indexes.iter().any(|index| index.columns.contains(&column))
}

/// What the type of a column depends on.
struct TypeOf {
    ty: ColumnType,
    /// Whether it is the key that the database gives numbers to.
    numbered: bool,
    /// Whether its values are such numbers.
    sequence: bool,
    indexed: bool,
    max_length: Option<u32>,
}

impl TypeOf {
    /// `None` if the database has no such type.
    fn write(&self, dialect: Dialect) -> Option<String> {
        match dialect {
            Dialect::Postgres => Some(self.postgres()),
            Dialect::Mysql => self.mysql(),
            Dialect::Sqlite => self.sqlite().map(String::from),
        }
    }

    fn postgres(&self) -> String {
        let name = match self.ty {
            ColumnType::Bool => "boolean",
            ColumnType::I16 => "smallint",
            ColumnType::I32 => "integer",
            ColumnType::I64 => "bigint",
            // The sequence that numbers it has this range.
            ColumnType::U64 if self.sequence => "bigint",
            ColumnType::U64 => "numeric(20, 0)",
            ColumnType::F32 => "real",
            ColumnType::F64 => "double precision",
            ColumnType::Decimal => "numeric",
            ColumnType::Text => return self.max_length.map_or_else(|| "text".into(), |max| format!("varchar({max})")),
            ColumnType::Bytes => "bytea",
            ColumnType::Date => "date",
            ColumnType::Time => "time",
            ColumnType::DateTime => "timestamp",
            ColumnType::DateTimeUtc => "timestamptz",
            ColumnType::Uuid => "uuid",
            ColumnType::Inet => "inet",
            ColumnType::Json => "jsonb",
            ColumnType::Array(element) => {
                let element = Self { ty: *element, numbered: false, sequence: false, indexed: false, max_length: None };
                return element.postgres() + "[]";
            }
            ColumnType::Custom(name) => name,
        };
        name.into()
    }

    fn mysql(&self) -> Option<String> {
        let name = match self.ty {
            ColumnType::Bool => "boolean",
            ColumnType::I16 => "smallint",
            ColumnType::I32 => "int",
            ColumnType::I64 => "bigint",
            ColumnType::U64 => "bigint unsigned",
            ColumnType::F32 => "float",
            ColumnType::F64 => "double",
            // The scale is that of the column: the largest of a `Decimal`.
            ColumnType::Decimal => "decimal(57, 28)",
            ColumnType::Text => {
                let length = self.max_length.or(self.indexed.then_some(INDEXED));
                let length = length.filter(|length| *length <= LONGEST_VARCHAR);
                return Some(length.map_or_else(|| "longtext".into(), |length| format!("varchar({length})")));
            }
            ColumnType::Bytes if self.indexed => return Some(format!("varbinary({INDEXED})")),
            ColumnType::Bytes => "longblob",
            ColumnType::Date => "date",
            ColumnType::Time => "time(6)",
            // A TIMESTAMP ends in 2038, and the first one of a table may change with every update.
            ColumnType::DateTime | ColumnType::DateTimeUtc => "datetime(6)",
            ColumnType::Uuid => "char(36)",
            // The longest address of IPv6 that ends in one of IPv4, and its network.
            ColumnType::Inet => "varchar(49)",
            ColumnType::Json => "json",
            ColumnType::Array(_) => return None,
            ColumnType::Custom(name) => name,
        };
        Some(name.into())
    }

    /// The types that the driver stores values as. Names such as DATE, UUID or JSON would have SQLite turn what looks like
    /// a number into one.
    fn sqlite(&self) -> Option<&'static str> {
        Some(match self.ty {
            ColumnType::Bool => "BOOLEAN",
            // Only a key of this very type name is numbered by SQLite.
            ColumnType::I16 | ColumnType::I32 | ColumnType::I64 | ColumnType::U64 if self.numbered => "INTEGER",
            ColumnType::I16 => "SMALLINT",
            ColumnType::I32 => "INT",
            ColumnType::I64 | ColumnType::U64 => "BIGINT",
            ColumnType::F32 | ColumnType::F64 => "REAL",
            ColumnType::Bytes => "BLOB",
            // The collation of the driver: as plain text, 9 would sort after 10.
            ColumnType::Decimal => "TEXT COLLATE decimal",
            ColumnType::Text
            | ColumnType::Date
            | ColumnType::Time
            | ColumnType::DateTime
            | ColumnType::DateTimeUtc
            | ColumnType::Uuid
            | ColumnType::Inet
            | ColumnType::Json => "TEXT",
            ColumnType::Array(_) => return None,
            ColumnType::Custom(name) => name,
        })
    }
}
