//! [`Value`]: one value on its way to the database, as a parameter of a statement.
//!
//! Used by callers, by the models, and by the drivers, which encode it for the type that their server expects. It
//! knows no driver; what is read back is not a `Value` but a [`Cell`](crate::types::Cell).

use std::{borrow::Cow, fmt};

use crate::data::{
    crates::{DateTime, Decimal, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc, Uuid, serde_json},
    hstore::HStore,
};

/// A value given to a statement.
///
/// It is made by `From`, so it is seldom named: [`params!`](crate::params) and every setter of a query take anything
/// that converts. Its `Debug` tells the type and never the value, so that no log holds what was stored.
///
/// # Examples
///
/// ```
/// use nestling::Value;
///
/// assert_eq!(Value::from(7_u16), Value::I64(7));
/// assert_eq!(Value::from(None::<String>), Value::Null);
/// assert_eq!(format!("{:?}", Value::from("secret")), "Value(str)");
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// NULL, of whatever type is needed.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer: all signed types, and the unsigned ones that always fit.
    I64(i64),
    /// An integer that was a `u64` or a `usize`.
    U64(u64),
    /// A number of single precision.
    F32(f32),
    /// A number of double precision.
    F64(f64),
    /// A decimal number with its scale.
    Decimal(Decimal),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A date.
    Date(NaiveDate),
    /// A time of day.
    Time(NaiveTime),
    /// A date and a time of day, of no time zone.
    DateTime(NaiveDateTime),
    /// A moment.
    DateTimeUtc(DateTime<Utc>),
    /// A UUID.
    Uuid(Uuid),
    /// A JSON document.
    Json(serde_json::Value),
    /// An array with one dimension, for the back ends that have them (PostgreSQL).
    Array(Vec<Self>),
    /// A map of text to text or NULL, for PostgreSQL with its extension hstore.
    HStore(HStore),
    /// What could not be made into a value, and why. A statement that it is given to is refused before it is sent,
    /// because conversion by `From` has no other way to fail.
    Invalid(&'static str),
}

impl Value {
    /// An array of anything that converts, for element types that `From<Vec<T>>` does not cover.
    ///
    /// # Examples
    ///
    /// ```
    /// use nestling::Value;
    ///
    /// let sizes = Value::array([Some(1), None]);
    /// assert_eq!(sizes, Value::Array(vec![Value::I64(1), Value::Null]));
    /// ```
    pub fn array<T: Into<Self>>(elements: impl IntoIterator<Item = T>) -> Self {
        Self::Array(elements.into_iter().map(Into::into).collect())
    }

    /// Whether this is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The name of the type of this value, as Rust writes it, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool(_) => "bool",
            Self::I64(_) => "i64",
            Self::U64(_) => "u64",
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
            Self::Decimal(_) => "Decimal",
            Self::Text(_) => "str",
            Self::Bytes(_) => "[u8]",
            Self::Date(_) => "NaiveDate",
            Self::Time(_) => "NaiveTime",
            Self::DateTime(_) => "NaiveDateTime",
            Self::DateTimeUtc(_) => "DateTime<Utc>",
            Self::Uuid(_) => "Uuid",
            Self::Json(_) => "Json",
            Self::Array(_) => "an array",
            Self::HStore(_) => "HStore",
            Self::Invalid(_) => "an invalid value",
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.type_name())
    }
}

/// `From` for types that become a variant by one expression.
macro_rules! from {
    ($($type:ty => |$value:ident| $make:expr;)+) => {$(
        impl From<$type> for Value {
            #[inline]
            fn from($value: $type) -> Self {
                $make
            }
        }
    )+};
}

from! {
    bool => |value| Self::Bool(value);
    i8 => |value| Self::I64(value.into());
    i16 => |value| Self::I64(value.into());
    i32 => |value| Self::I64(value.into());
    i64 => |value| Self::I64(value);
    // Where a target has wider pointers than 64 bits, no index comes near the limit.
    isize => |value| Self::I64(value as i64);
    u8 => |value| Self::I64(value.into());
    u16 => |value| Self::I64(value.into());
    u32 => |value| Self::I64(value.into());
    u64 => |value| Self::U64(value);
    usize => |value| Self::U64(value as u64);
    f32 => |value| Self::F32(value);
    f64 => |value| Self::F64(value);
    Decimal => |value| Self::Decimal(value);
    char => |value| Self::Text(value.into());
    &str => |value| Self::Text(value.into());
    String => |value| Self::Text(value);
    Box<str> => |value| Self::Text(value.into());
    Cow<'_, str> => |value| Self::Text(value.into_owned());
    &[u8] => |value| Self::Bytes(value.into());
    Vec<u8> => |value| Self::Bytes(value);
    NaiveDate => |value| Self::Date(value);
    NaiveTime => |value| Self::Time(value);
    NaiveDateTime => |value| Self::DateTime(value);
    Uuid => |value| Self::Uuid(value);
    serde_json::Value => |value| Self::Json(value);
    HStore => |value| Self::HStore(value);
}

impl<Z: TimeZone> From<DateTime<Z>> for Value {
    fn from(value: DateTime<Z>) -> Self {
        Self::DateTimeUtc(value.to_utc())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Clone + Into<Self>> From<&T> for Value {
    fn from(value: &T) -> Self {
        value.clone().into()
    }
}

/// `From` for vectors and slices of the scalar types, as arrays. A blanket would take `Vec<u8>` from the bytes.
macro_rules! from_arrays {
    ($($type:ty),+ $(,)?) => {$(
        impl From<Vec<$type>> for Value {
            fn from(elements: Vec<$type>) -> Self {
                Self::array(elements)
            }
        }

        impl From<Vec<Option<$type>>> for Value {
            fn from(elements: Vec<Option<$type>>) -> Self {
                Self::array(elements)
            }
        }

        impl From<&[$type]> for Value {
            fn from(elements: &[$type]) -> Self {
                Self::array(elements)
            }
        }

        impl From<&[Option<$type>]> for Value {
            fn from(elements: &[Option<$type>]) -> Self {
                Self::array(elements)
            }
        }
    )+};
}

from_arrays! {
    bool, i8, i16, i32, i64, u16, u32, u64, f32, f64, Decimal, String, &str, Vec<u8>, NaiveDate, NaiveTime,
    NaiveDateTime, DateTime<Utc>, Uuid, serde_json::Value, HStore,
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    #[test]
    fn integers_become_i64_and_only_u64_stays_unsigned() {
        assert_eq!(Value::from(-1_i8), Value::I64(-1));
        assert_eq!(Value::from(u32::MAX), Value::I64(4_294_967_295));
        assert_eq!(Value::from(1_u64), Value::U64(1));
        assert_eq!(Value::from(1_usize), Value::U64(1));
    }

    #[test]
    fn references_and_options_convert_like_what_they_hold() {
        let name = String::from("x");
        assert_eq!(Value::from(&name), Value::Text("x".into()));
        assert_eq!(Value::from(&Some(&name)), Value::Text("x".into()));
        assert_eq!(Value::from(&&5), Value::I64(5));
        assert_eq!(Value::from(Some(None::<bool>)), Value::Null);
        assert_eq!(Value::from(&Value::Bool(true)), Value::Bool(true));
        assert_eq!(Value::from(Cow::Borrowed("x")), Value::Text("x".into()));
    }

    #[test]
    fn bytes_are_bytes_and_other_vectors_are_arrays() {
        assert_eq!(Value::from(vec![1_u8]), Value::Bytes(vec![1]));
        assert_eq!(Value::from(&[1_u8][..]), Value::Bytes(vec![1]));
        assert_eq!(Value::from(&vec![1_u8]), Value::Bytes(vec![1]));
        assert_eq!(Value::from(vec![1_i32]), Value::Array(vec![Value::I64(1)]));
        let some = Value::from(&[Some("a"), None][..]);
        assert_eq!(some, Value::Array(vec![Value::Text("a".into()), Value::Null]));
    }

    #[test]
    fn moments_of_any_zone_become_utc() {
        let zone = FixedOffset::east_opt(3600).expect("an hour is less than a day");
        let moment = zone.with_ymd_and_hms(2024, 1, 1, 1, 0, 0).unwrap();
        let utc = Utc.with_ymd_and_hms(2024, 1, 1, 0, 0, 0).unwrap();
        assert_eq!(Value::from(moment), Value::DateTimeUtc(utc));
    }

    #[test]
    fn debug_never_tells_the_value() {
        let value = Value::from(vec!["secret"]);
        assert_eq!(format!("{value:?}"), "Value(an array)");
    }
}
