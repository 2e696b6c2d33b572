//! [`Field`]: the Rust types that a field of a model can have.

use std::net::IpAddr;

use serde::{Serialize, de::DeserializeOwned};

use super::{column_type::ColumnType, table::Table};
use crate::data::{
    cell::FromCell,
    crates::{DateTime, Decimal, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc, Uuid, serde_json},
    hstore::HStore,
    interval::Interval,
    json::Json,
    maybe_infinite::MaybeInfinite,
    network::Network,
    value::Value,
};

/// A Rust type that a field of a model can have.
///
/// Implemented for the types that [`Value`] holds, for `Option` of them (a column that may be NULL), for [`Json`], for
/// vectors (arrays of PostgreSQL) and [`HStore`], and for [`ForeignKey`](crate::ForeignKey). Enums have it by
/// `#[derive(TextEnum)]` or `#[derive(IntEnum)]`, newtypes by `#[derive(Field)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a model's field",
    note = "a type of serde is stored as JSON by `Json<{Self}>`; an enum by `#[derive(TextEnum)]` or `#[derive(IntEnum)]`; a \
            newtype by `#[derive(Field)]` of `nestling::model`"
)]
pub trait Field: for<'r> FromCell<'r> + Send + Sync + 'static {
    /// The SQL type of the column.
    const TYPE: ColumnType;
    /// Whether the column may be NULL.
    const NULL: bool = false;
    /// The table that the column refers to, if it is a foreign key. A function, as two tables may refer to each other.
    const REFERENCES: Option<fn() -> &'static Table> = None;

    /// The value that is sent.
    fn to_value(&self) -> Value;
}

// Where a type is none of these, the message of the trait says what to do; a list of them would bury it.

/// `Field` for types that are copied or cloned into a value.
macro_rules! fields {
    ($($type:ty => $column:ident),+ $(,)?) => {$(
        #[diagnostic::do_not_recommend]
        impl Field for $type {
            const TYPE: ColumnType = ColumnType::$column;

            #[inline]
            fn to_value(&self) -> Value {
                Value::from(self.clone())
            }
        }
    )+};
}

fields! {
    bool => Bool,
    i8 => I16, i16 => I16, i32 => I32, i64 => I64,
    u8 => I16, u16 => I32, u32 => I64, u64 => U64,
    f32 => F32, f64 => F64,
    Decimal => Decimal,
    String => Text,
    Vec<u8> => Bytes,
    NaiveDate => Date, NaiveTime => Time, NaiveDateTime => DateTime,
    DateTime<Utc> => DateTimeUtc, DateTime<FixedOffset> => DateTimeUtc,
    Uuid => Uuid,
    serde_json::Value => Json,
}

#[diagnostic::do_not_recommend]
impl Field for HStore {
    const TYPE: ColumnType = ColumnType::Custom("hstore");

    fn to_value(&self) -> Value {
        self.clone().into()
    }
}

/// `Field` for types that are sent as text.
macro_rules! texts {
    ($($type:ty => $column:expr),+ $(,)?) => {$(
        #[diagnostic::do_not_recommend]
        impl Field for $type {
            const TYPE: ColumnType = $column;

            fn to_value(&self) -> Value {
                (*self).into()
            }
        }
    )+};
}

texts! {
    IpAddr => ColumnType::Inet,
    Network => ColumnType::Inet,
    Interval => ColumnType::Custom("interval"),
}

#[diagnostic::do_not_recommend]
impl<T: Field + Into<Value> + Clone> Field for MaybeInfinite<T> {
    const TYPE: ColumnType = T::TYPE;

    fn to_value(&self) -> Value {
        self.clone().into()
    }
}

#[diagnostic::do_not_recommend]
impl<T: Field> Field for Option<T> {
    const TYPE: ColumnType = T::TYPE;
    const NULL: bool = true;
    const REFERENCES: Option<fn() -> &'static Table> = T::REFERENCES;

    #[inline]
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Field for Json<T> {
    const TYPE: ColumnType = ColumnType::Json;

    fn to_value(&self) -> Value {
        Json(&self.0).into()
    }
}

/// `Field` for arrays of PostgreSQL.
macro_rules! arrays {
    ($($type:ty),+ $(,)?) => {$(
        #[diagnostic::do_not_recommend]
        impl Field for Vec<$type> {
            const TYPE: ColumnType = ColumnType::Array(&<$type as Field>::TYPE);

            fn to_value(&self) -> Value {
                Value::array(self)
            }
        }

        #[diagnostic::do_not_recommend]
        impl Field for Vec<Option<$type>> {
            const TYPE: ColumnType = ColumnType::Array(&<$type as Field>::TYPE);

            fn to_value(&self) -> Value {
                Value::array(self)
            }
        }
    )+};
}

arrays! {
    bool, i16, i32, i64, f32, f64, Decimal, String, Vec<u8>, NaiveDate, NaiveTime, NaiveDateTime, DateTime<Utc>, Uuid,
    serde_json::Value, HStore,
}
