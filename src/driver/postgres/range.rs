//! Whether a parameter was refused because it is out of the range of its type, for errors that can be asked so.

use postgres_types::{Kind, Type};

use crate::data::{exact, value::Value};

/// Whether a value that does not fit is of the kind that the type is for, and too large or too small for it.
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
