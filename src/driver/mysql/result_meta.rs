//! [`ResultMeta`]: the columns of a result, and how each is read. It is cached with the statement: making it costs more
//! than a select by key.

use std::sync::{Arc, Mutex, PoisonError};

use mysql_async::{
    Column,
    consts::{ColumnFlags, ColumnType},
};

use crate::data::row::Columns;

/// What a column holds, as far as its bytes do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Int,
    Float,
    Double,
    Decimal,
    /// A decimal that no table holds: it may have more digits than any that was stored.
    Computed,
    Date,
    Time,
    DateTime,
    Timestamp,
    Json,
    Text,
    Bytes,
    Bit,
    Other,
}

/// What the rows of one result have in common.
#[derive(Debug)]
pub(super) struct ResultMeta {
    /// What it was made of.
    told: Arc<[Column]>,
    pub(super) columns: Columns,
    pub(super) kinds: Box<[ColumnKind]>,
}

impl ResultMeta {
    pub(super) fn new(told: Arc<[Column]>) -> Self {
        let kinds = told.iter().map(kind).collect();
        let named = told.iter().map(|column| {
            let unsigned = if column.flags().contains(ColumnFlags::UNSIGNED_FLAG) { " unsigned" } else { "" };
            (column.name_str().into_owned(), Some(format!("{}{unsigned}", type_name(column))))
        });
        Self { columns: Columns::new(named), kinds, told }
    }
}

/// The shape that the rows of a statement had the last time.
#[derive(Debug, Default)]
pub(super) struct ResultMetaCache(Mutex<Option<Arc<ResultMeta>>>);

impl ResultMetaCache {
    /// The shape of rows with these columns. A server tells the columns with each result: they may be others than before.
    pub(super) fn of(&self, told: Option<Arc<[Column]>>) -> Arc<ResultMeta> {
        let told = told.unwrap_or_default();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(meta) = last.as_ref().filter(|meta| Arc::ptr_eq(&meta.told, &told) || meta.told == told) {
            return Arc::clone(meta);
        }
        Arc::clone(last.insert(Arc::new(ResultMeta::new(told))))
    }
}

/// The type as SQL calls it, as far as the protocol tells.
fn type_name(column: &Column) -> String {
    let text = format!("{:?}", column.column_type());
    let name = text.trim_start_matches("MYSQL_TYPE_").to_lowercase();
    let binary = column.character_set() == BINARY;
    let known = match name.as_str() {
        "tiny" => "tinyint",
        "short" => "smallint",
        "int24" => "mediumint",
        "long" => "int",
        "longlong" => "bigint",
        "newdecimal" => "decimal",
        "newdate" => "date",
        "time2" => "time",
        "datetime2" => "datetime",
        "timestamp2" => "timestamp",
        "varchar" | "var_string" => {
            if binary {
                "varbinary"
            } else {
                "varchar"
            }
        }
        "string" => {
            if binary {
                "binary"
            } else {
                "char"
            }
        }
        "tiny_blob" | "blob" | "medium_blob" | "long_blob" => {
            if binary {
                "blob"
            } else {
                "text"
            }
        }
        _ => return name,
    };
    known.to_owned()
}

/// The character set that means "bytes".
const BINARY: u16 = 63;

fn kind(column: &Column) -> ColumnKind {
    use ColumnType as T;
    match column.column_type() {
        T::MYSQL_TYPE_TINY
        | T::MYSQL_TYPE_SHORT
        | T::MYSQL_TYPE_LONG
        | T::MYSQL_TYPE_LONGLONG
        | T::MYSQL_TYPE_INT24
        | T::MYSQL_TYPE_YEAR
        | T::MYSQL_TYPE_NULL => ColumnKind::Int,
        T::MYSQL_TYPE_FLOAT => ColumnKind::Float,
        T::MYSQL_TYPE_DOUBLE => ColumnKind::Double,
        // A column of a table tells its schema, also behind a view.
        T::MYSQL_TYPE_DECIMAL | T::MYSQL_TYPE_NEWDECIMAL if column.schema_ref().is_empty() => ColumnKind::Computed,
        T::MYSQL_TYPE_DECIMAL | T::MYSQL_TYPE_NEWDECIMAL => ColumnKind::Decimal,
        T::MYSQL_TYPE_DATE | T::MYSQL_TYPE_NEWDATE => ColumnKind::Date,
        T::MYSQL_TYPE_TIME | T::MYSQL_TYPE_TIME2 => ColumnKind::Time,
        T::MYSQL_TYPE_DATETIME | T::MYSQL_TYPE_DATETIME2 => ColumnKind::DateTime,
        T::MYSQL_TYPE_TIMESTAMP | T::MYSQL_TYPE_TIMESTAMP2 => ColumnKind::Timestamp,
        T::MYSQL_TYPE_JSON => ColumnKind::Json,
        T::MYSQL_TYPE_BIT => ColumnKind::Bit,
        T::MYSQL_TYPE_ENUM | T::MYSQL_TYPE_SET => ColumnKind::Text,
        T::MYSQL_TYPE_VARCHAR
        | T::MYSQL_TYPE_VAR_STRING
        | T::MYSQL_TYPE_STRING
        | T::MYSQL_TYPE_BLOB
        | T::MYSQL_TYPE_TINY_BLOB
        | T::MYSQL_TYPE_MEDIUM_BLOB
        | T::MYSQL_TYPE_LONG_BLOB => {
            if column.character_set() == BINARY {
                ColumnKind::Bytes
            } else {
                ColumnKind::Text
            }
        }
        _ => ColumnKind::Other,
    }
}
