//! [`ColumnType`]: the SQL type of a column.

/// The SQL type of a column. Each database has its own name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnType {
    /// A boolean.
    Bool,
    /// A signed integer of 16 bits.
    I16,
    /// A signed integer of 32 bits.
    I32,
    /// A signed integer of 64 bits.
    I64,
    /// An unsigned integer of 64 bits; where a database has none, a decimal or signed one.
    U64,
    /// A number of single precision.
    F32,
    /// A number of double precision.
    F64,
    /// A decimal number.
    Decimal,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// A date.
    Date,
    /// A time of day.
    Time,
    /// A timestamp without time zone.
    DateTime,
    /// A timestamp in UTC.
    DateTimeUtc,
    /// A UUID.
    Uuid,
    /// An address, or an address and its network.
    Inet,
    /// A JSON document.
    Json,
    /// An array, on PostgreSQL.
    Array(&'static Self),
    /// A type by its SQL name.
    Custom(&'static str),
}

impl ColumnType {
    pub(crate) fn is_integer(self) -> bool {
        matches!(self, Self::I16 | Self::I32 | Self::I64 | Self::U64)
    }

    /// Whether it is an integer or a float.
    pub(crate) fn is_number(self) -> bool {
        self.is_integer() || matches!(self, Self::F32 | Self::F64)
    }

    /// Whether its values can be stored in a form other than the driver's: see [`Stored`](super::Stored).
    pub(crate) fn has_forms(self) -> bool {
        matches!(self, Self::Uuid | Self::DateTimeUtc)
    }
}
