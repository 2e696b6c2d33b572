//! [`FromCell`] for the types of Rust, chrono, uuid and rust_decimal. Reading widens and never narrows silently.
//!
//! Used by every row of every driver. `Json<T>` and `serde_json::Value` are in `json.rs`.

use crate::data::{
    cell::{Cell, FromCell, Mismatch},
    crates::{DateTime, Decimal, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc, Uuid},
    exact,
    interval::Interval,
    iso,
    maybe_infinite::MaybeInfinite,
    network::Network,
    value::Value,
};

impl<'r> FromCell<'r> for bool {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::Bool(value) => Ok(value),
            Cell::I64(0) | Cell::U64(0) => Ok(false),
            Cell::I64(1) | Cell::U64(1) => Ok(true),
            Cell::I64(_) | Cell::U64(_) => Err(Mismatch::out_of_range()),
            other => Err(other.mismatch()),
        }
    }
}

/// `FromCell` for integers; the tokens behind a type are further items of its implementation.
macro_rules! integers {
    ($($type:ty $({ $($item:item)* })?),+ $(,)?) => {$(
        impl<'r> FromCell<'r> for $type {
            #[inline]
            fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
                match cell {
                    Cell::I64(value) => Self::try_from(value).map_err(|_| Mismatch::out_of_range()),
                    Cell::U64(value) => Self::try_from(value).map_err(|_| Mismatch::out_of_range()),
                    Cell::Decimal(value) => exact::decimal_to_int(value)
                        .and_then(|value| Self::try_from(value).ok())
                        .ok_or_else(Mismatch::out_of_range),
                    other => Err(other.mismatch()),
                }
            }

            $($($item)*)?
        }
    )+};
}

integers! {
    i8, i16, i32, i64, isize, u16, u32, u64, usize,
    u8 {
        fn from_array(cell: Cell<'r>) -> Result<Vec<Self>, Mismatch> {
            match cell {
                Cell::Bytes(value) => Ok(value.into()),
                other => Err(other.mismatch()),
            }
        }
    },
}

impl<'r> FromCell<'r> for f64 {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::F64(value) => Ok(value),
            Cell::F32(value) => Ok(value.into()),
            Cell::I64(value) => exact::int_to_f64(value.into()).ok_or_else(Mismatch::out_of_range),
            Cell::U64(value) => exact::int_to_f64(value.into()).ok_or_else(Mismatch::out_of_range),
            // An average, mostly: hardly any is exact.
            Cell::Decimal(value) => exact::decimal_to_nearest_f64(value).ok_or_else(Mismatch::out_of_range),
            other => Err(other.mismatch()),
        }
    }
}

impl<'r> FromCell<'r> for f32 {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::F32(value) => Ok(value),
            Cell::F64(value) => exact::f64_to_f32(value).ok_or_else(Mismatch::out_of_range),
            Cell::I64(value) => exact::int_to_f32(value.into()).ok_or_else(Mismatch::out_of_range),
            Cell::U64(value) => exact::int_to_f32(value.into()).ok_or_else(Mismatch::out_of_range),
            other => Err(other.mismatch()),
        }
    }
}

impl<'r> FromCell<'r> for Decimal {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::Decimal(value) => Ok(value),
            Cell::I64(value) => Self::try_from_i128_with_scale(value.into(), 0).map_err(|_| Mismatch::out_of_range()),
            Cell::U64(value) => Self::try_from_i128_with_scale(value.into(), 0).map_err(|_| Mismatch::out_of_range()),
            Cell::F64(value) => exact::f64_to_decimal(value).ok_or_else(Mismatch::out_of_range),
            Cell::F32(value) => exact::f32_to_decimal(value).ok_or_else(Mismatch::out_of_range),
            Cell::Text(text) => Self::from_str_exact(text).map_err(|_| Mismatch::invalid()),
            other => Err(other.mismatch()),
        }
    }
}

impl<'r> FromCell<'r> for &'r str {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::Text(text) | Cell::Json(text) => Ok(text),
            other => Err(other.mismatch()),
        }
    }
}

impl<'r> FromCell<'r> for String {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        <&str>::from_cell(cell).map(Self::from)
    }
}

impl<'r> FromCell<'r> for &'r [u8] {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::Bytes(bytes) => Ok(bytes),
            other => Err(other.mismatch()),
        }
    }
}

impl<'r> FromCell<'r> for NaiveDate {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::Date(value) => Ok(value),
            Cell::Text(text) => iso::read_date(text).ok_or_else(Mismatch::invalid),
            other => Err(other.mismatch()),
        }
    }
}

impl<'r> FromCell<'r> for NaiveTime {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::Time(value) => Ok(value),
            Cell::Text(text) => iso::read_time(text).ok_or_else(Mismatch::invalid),
            other => Err(other.mismatch()),
        }
    }
}

impl<'r> FromCell<'r> for NaiveDateTime {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::DateTime(value) | Cell::DateTimeOrUtc(value) => Ok(value),
            Cell::Text(text) => iso::read_date_time(text).ok_or_else(Mismatch::invalid),
            other => Err(other.mismatch()),
        }
    }
}

/// From text without an offset, UTC is meant, as in SQLite's CURRENT_TIMESTAMP.
impl<'r> FromCell<'r> for DateTime<Utc> {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::DateTimeUtc(value) => Ok(value),
            Cell::DateTimeOrUtc(value) => Ok(value.and_utc()),
            other => DateTime::<FixedOffset>::from_cell(other).map(|value| value.to_utc()),
        }
    }
}

/// The offset is that of the text; a server that keeps moments and no offsets (PostgreSQL) gives UTC.
impl<'r> FromCell<'r> for DateTime<FixedOffset> {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::DateTimeUtc(value) => Ok(value.fixed_offset()),
            Cell::DateTimeOrUtc(value) => Ok(value.and_utc().fixed_offset()),
            Cell::Text(text) => iso::read_moment(text).ok_or_else(Mismatch::invalid),
            other => Err(other.mismatch()),
        }
    }
}

impl<'r> FromCell<'r> for Uuid {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::Uuid(value) => Ok(value),
            Cell::Text(text) => Self::try_parse(text).map_err(|_| Mismatch::invalid()),
            Cell::Bytes(bytes) => Self::from_slice(bytes).map_err(|_| Mismatch::invalid()),
            other => Err(other.mismatch()),
        }
    }
}

impl<'r, T: FromCell<'r>> FromCell<'r> for Option<T> {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::Null => Ok(None),
            other => T::from_cell(other).map(Some),
        }
    }
}

impl<'r, T: FromCell<'r>> FromCell<'r> for Vec<T> {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        T::from_array(cell)
    }
}

/// What was sent, as it is; where the type is not known before the statement runs.
impl<'r> FromCell<'r> for Value {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        Ok(match cell {
            Cell::Null => Self::Null,
            Cell::Bool(value) => Self::Bool(value),
            Cell::I64(value) => Self::I64(value),
            Cell::U64(value) => Self::U64(value),
            Cell::F32(value) => Self::F32(value),
            Cell::F64(value) => Self::F64(value),
            Cell::Decimal(value) => Self::Decimal(value),
            Cell::Text(value) => Self::Text(value.into()),
            Cell::Bytes(value) => Self::Bytes(value.into()),
            Cell::Date(value) => Self::Date(value),
            Cell::Time(value) => Self::Time(value),
            Cell::DateTime(value) | Cell::DateTimeOrUtc(value) => Self::DateTime(value),
            Cell::DateTimeUtc(value) => Self::DateTimeUtc(value),
            Cell::Uuid(value) => Self::Uuid(value),
            Cell::Interval { .. } => Interval::from_cell(cell)?.into(),
            Cell::Network { .. } => Network::from_cell(cell)?.into(),
            Cell::Infinity { .. } => MaybeInfinite::<Self>::from_cell(cell)?.into(),
            Cell::Json(_) => Self::Json(FromCell::from_cell(cell)?),
            Cell::Array(_) => Self::Array(FromCell::from_cell(cell)?),
            Cell::HStore(_) => Self::HStore(FromCell::from_cell(cell)?),
            Cell::Other(_) => return Err(cell.mismatch()),
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn read<'r, T: FromCell<'r>>(cell: Cell<'r>) -> Option<T> {
        T::from_cell(cell).ok()
    }

    fn decimal(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn integers_are_read_as_any_integer_they_fit_into() {
        assert_eq!(read::<u8>(Cell::I64(255)), Some(255));
        assert_eq!(read::<u8>(Cell::I64(256)), None);
        assert_eq!(read::<u64>(Cell::I64(-1)), None);
        assert_eq!(read::<i64>(Cell::U64(u64::MAX)), None);
        assert_eq!(read::<i16>(Cell::Decimal(decimal("7.00"))), Some(7));
        assert_eq!(read::<i16>(Cell::Decimal(decimal("7.01"))), None);
        assert_eq!(i32::from_cell(Cell::I64(1 << 40)), Err(Mismatch::out_of_range()));
        assert_eq!(read::<i32>(Cell::F64(1.0)), None);
        assert_eq!(read::<i32>(Cell::Text("1")), None);
    }

    #[test]
    fn floats_are_read_only_when_exact() {
        assert_eq!(read::<f64>(Cell::F32(0.5)), Some(0.5));
        assert_eq!(read::<f64>(Cell::I64(i64::MAX)), None);
        assert_eq!(read::<f32>(Cell::F64(0.1)), None);
        assert_eq!(read::<f32>(Cell::I64(3)), Some(3.0));
        assert!(read::<f32>(Cell::F64(f64::NAN)).is_some_and(f32::is_nan));
        assert_eq!(read::<f32>(Cell::Decimal(decimal("1.5"))), None);
    }

    #[test]
    fn of_a_decimal_the_nearest_float_is_read() {
        assert_eq!(read::<f64>(Cell::Decimal(decimal("1.5"))), Some(1.5));
        assert_eq!(read::<f64>(Cell::Decimal(decimal("0.1"))), Some(0.1));
        assert_eq!(read::<f64>(Cell::Decimal(decimal("1.6666666666666667"))), Some(5.0 / 3.0));
        assert_eq!(read::<f64>(Cell::Decimal(Decimal::MAX)), Some(79_228_162_514_264_337_593_543_950_335.0));
    }

    #[test]
    fn booleans_are_read_from_zero_and_one() {
        assert_eq!(read(Cell::I64(1)), Some(true));
        assert_eq!(read(Cell::U64(0)), Some(false));
        assert_eq!(read::<bool>(Cell::I64(2)), None);
        assert_eq!(read::<bool>(Cell::Text("t")), None);
    }

    #[test]
    fn decimals_are_read_from_numbers_and_text() {
        assert_eq!(read(Cell::F64(0.1)), Some(decimal("0.1")));
        assert_eq!(read(Cell::I64(-3)), Some(decimal("-3")));
        assert_eq!(read::<Decimal>(Cell::Text("1.50")).unwrap().to_string(), "1.50");
        assert_eq!(read::<Decimal>(Cell::F64(f64::NAN)), None);
    }

    #[test]
    fn what_sqlite_stores_as_text_is_parsed() {
        let date = NaiveDate::from_ymd_opt(2024, 5, 6).unwrap();
        let at = date.and_hms_opt(7, 8, 9).unwrap();
        assert_eq!(read(Cell::Text("2024-05-06")), Some(date));
        assert_eq!(read(Cell::Text("07:08:09")), Some(at.time()));
        assert_eq!(read(Cell::Text("2024-05-06T07:08:09")), Some(at));
        assert_eq!(read(Cell::Text("2024-05-06 07:08:09")), Some(at.and_utc()));
        let moment: DateTime<Utc> = read(Cell::Text("2024-05-06 09:08:09+02:00")).unwrap();
        assert_eq!(moment, Utc.from_utc_datetime(&at));
        let uuid = Uuid::from_u128(7);
        assert_eq!(read(Cell::Text(&uuid.to_string())), Some(uuid));
        assert_eq!(read(Cell::Bytes(uuid.as_bytes())), Some(uuid));
        assert_eq!(read::<Uuid>(Cell::Bytes(&[1])), None);
    }

    #[test]
    fn null_needs_an_option() {
        assert_eq!(read(Cell::Null), Some(None::<i32>));
        assert_eq!(i32::from_cell(Cell::Null), Err(Cell::Null.mismatch()));
        assert_eq!(read(Cell::I64(1)), Some(Some(1)));
    }

    #[test]
    fn arrays_are_read_element_by_element_and_bytes_are_not_arrays() {
        let raw = [0, 0, 0, 1, 7, 255, 255, 255, 255];
        let array = |count| Cell::Array(Elements::new(&raw, count, |raw| Ok(Cell::I64(raw[0].into()))));
        assert_eq!(read(array(2)), Some(vec![Some(7_i32), None]));
        assert_eq!(read(array(1)), Some(vec![7_i32]));
        assert_eq!(read(array(0)), Some(Vec::<i32>::new()));
        let message = Vec::<i32>::from_cell(array(2)).unwrap_err().to_string();
        assert_eq!(message, "an element of the array is NULL");
        assert_eq!(read::<Vec<i32>>(array(3)), None, "the bytes end before the count");
        assert_eq!(read(Cell::Bytes(&[1, 2])), Some(vec![1_u8, 2]));
        assert_eq!(read::<Vec<u8>>(array(1)), None);
        assert_eq!(read(array(2)), Some(Value::array([Some(7), None])));
    }

    use crate::data::cell::Elements;

    proptest! {
        #[test]
        fn every_integer_is_read_back_or_refused(value: i64) {
            prop_assert_eq!(read(Cell::I64(value)), Some(value));
            prop_assert_eq!(read(Cell::I64(value)), u64::try_from(value).ok());
            prop_assert_eq!(read(Cell::I64(value)), i8::try_from(value).ok());
            prop_assert_eq!(read(Cell::I64(value)), Some(Decimal::from(value)));
        }
    }
}
