//! Facts about PostgreSQL's types that encoding and decoding share: names in SQL, the epoch of dates, ranges.

use postgres_types::{Kind, Type};

use crate::data::{exact, value::Value};

/// Days from 0001-01-01, which chrono counts as day 1, to 2000-01-01, which is day 0 on the wire.
pub(super) const EPOCH_DAYS: i32 = 730_120;
/// Microseconds from 1970-01-01 to 2000-01-01.
pub(super) const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The name of a type as SQL has it: `int4[]` is `_int4` in the catalogue.
pub(super) fn type_name(ty: &Type) -> String {
    match ty.kind() {
        Kind::Array(element) => format!("{}[]", element.name()),
        _ => ty.name().into(),
    }
}

/// Whether a value does not fit because it is too large or too small for the type.
pub(super) fn is_out_of_range(value: &Value, ty: &Type) -> bool {
    if let Kind::Domain(base) = ty.kind() {
        return is_out_of_range(value, base);
    }
    let integer = match value {
        Value::I64(_) | Value::U64(_) => true,
        Value::F32(value) => exact::f64_to_int((*value).into()).is_some(),
        Value::F64(value) => exact::f64_to_int(*value).is_some(),
        Value::Decimal(value) => exact::decimal_to_int(*value).is_some(),
        _ => false,
    };
    match *ty {
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => integer,
        Type::FLOAT4 => matches!(value, Value::F64(value) if value.is_finite() && value.abs() > f32::MAX.into()),
        Type::DATE => matches!(value, Value::Date(_)),
        Type::TIMESTAMP => matches!(value, Value::Date(_) | Value::DateTime(_)),
        Type::TIMESTAMPTZ => matches!(value, Value::DateTimeUtc(_)),
        _ => false,
    }
}
