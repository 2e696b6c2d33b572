//! Encodes parameters for PostgreSQL: each [`Value`] is fitted to the type that the server expects, where nothing is
//! lost but digits of a fraction, which are rounded as the server's own casts do.
//!
//! Used before a statement is sent: [`bind`] refuses what does not fit while the transaction is still whole, as a
//! refusal by the server would abort it. It knows values and types, no connection and no SQL.

use std::{borrow::Cow, error::Error as StdError, fmt};

use bytes::BufMut;
use postgres_types::{IsNull, Kind, Type};
use serde::de::IgnoredAny;

use super::{
    array::{Array, Element},
    hstore, limits, message,
    type_info::{EPOCH_DAYS, EPOCH_MICROS, is_out_of_range, type_name},
};
use crate::{
    data::{
        crates::{
            DateTime, Datelike as _, Decimal, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _, Utc, Uuid, serde_json,
        },
        exact,
        hstore::HStore,
        value::Value,
    },
    driver::wrong_count,
    error::{Error, ErrorKind, Result},
};

/// The first day the server knows, 4714-11-24 BC, as days from its epoch.
const FIRST_DAY: i32 = -2_451_545;
const DAY_MICROS: i64 = 86_400_000_000;

/// Fits the parameters of a statement to the types that the server told for them, and writes the message that binds them to
/// the statement of a name, the results being wanted in binary.
///
/// # Errors
/// There are more or fewer than the statement takes, one does not fit, or they are too large together. What was written
/// is of no use then.
pub(super) fn bind(name: &[u8], values: &[Value], types: &[Type], out: &mut Vec<u8>) -> Result<(), Refused> {
    let wrong_count = || Refused::Misfit(wrong_count(values.len(), types.len()));
    if values.len() != types.len() {
        return Err(wrong_count());
    }
    let count = u16::try_from(values.len()).map_err(|_| wrong_count())?;
    let start = out.len();
    let formats = message::bind(name, count, out);
    for (at, (value, ty)) in values.iter().zip(types).enumerate() {
        let is_text = put(at, value, ty, out)?;
        out[formats + 2 * at + 1] = (!is_text).into();
    }
    message::bound(start, out);
    Ok(())
}

/// Why parameters are not sent: [`ErrorKind::Parameter`]. The message names the parameter and both types, never the
/// value.
#[derive(Debug)]
pub(super) enum Refused {
    /// They do not fit to the types that the statement had when it was prepared.
    Misfit(Error),
    /// They cannot be sent, whatever the types.
    TooLarge(Error),
}

impl Refused {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Misfit(error) | Self::TooLarge(error) => error,
        }
    }
}

/// Writes a parameter behind its length, and tells whether it is in the text format.
fn put(at: usize, value: &Value, ty: &Type, out: &mut Vec<u8>) -> Result<bool, Refused> {
    if let Some(is_text) = put_exact(value, ty, out) {
        return Ok(is_text);
    }
    let Some(encoded) = fit(value, ty) else {
        let error = Error::new(ErrorKind::Parameter, format!("parameter ${}: {}", at + 1, Misfit::new(value, ty)));
        return Err(Refused::Misfit(if is_out_of_range(value, ty) { error.out_of_range() } else { error }));
    };
    let too_large = |error: limits::TooLarge| Refused::TooLarge(Error::new(ErrorKind::Parameter, error.to_string()));
    // A value that is too large is not even copied.
    limits::check_message(out.len(), encoded.least_size()).map_err(too_large)?;
    let start = out.len();
    out.put_i32(-1);
    let null = encoded.write(out).map_err(|error| {
        Refused::TooLarge(Error::new(ErrorKind::Parameter, format!("parameter ${}: {error}", at + 1)))
    })?;
    limits::check_message(out.len(), 0).map_err(too_large)?;
    if let IsNull::No = null {
        let length = i32::try_from(out.len() - start - 4).map_err(|_| too_large(limits::TooLarge))?;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(encoded.is_text())
}

/// As [`put`], for the values that are of the very type and far from all limits, as nearly all are. `None`: nothing was written.
fn put_exact(value: &Value, ty: &Type, out: &mut Vec<u8>) -> Option<bool> {
    const SMALL: usize = 1 << 20;
    match (value, ty) {
        _ if out.len() > SMALL => None,
        (Value::I64(value), &Type::INT8) => {
            let mut sized = [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
            sized[4..].copy_from_slice(&value.to_be_bytes());
            out.extend_from_slice(&sized);
            Some(false)
        }
        (Value::Text(text), &Type::TEXT | &Type::VARCHAR) if text.len() <= SMALL && !text.contains('\0') => {
            out.reserve(4 + text.len());
            out.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
            out.extend_from_slice(text.as_bytes());
            Some(true)
        }
        _ => None,
    }
}

/// Why a value cannot be sent as a type.
#[derive(Debug)]
struct Misfit(String);

impl Misfit {
    #[cold]
    fn new(value: &Value, ty: &Type) -> Self {
        if let Kind::Domain(base) = ty.kind() {
            return Self::new(value, base);
        }
        let (from, to) = (value.type_name(), type_name(ty));
        Self(match (value, ty.kind()) {
            (Value::Invalid(why), _) => (*why).into(),
            (Value::Array(elements), Kind::Array(ty)) => Self::of_element(elements, ty),
            (Value::Text(text), _) if text.contains('\0') => {
                format!("{from} with a NUL character does not fit into {to}")
            }
            (Value::HStore(map), _) if map.has_nul() && hstore::is(ty) => {
                format!("{from} with a NUL character does not fit into {to}")
            }
            (Value::Text(_), _) if matches!(*ty, Type::JSON | Type::JSONB | Type::UUID) => {
                format!("{from} is no valid {to}")
            }
            (Value::DateTime(_), _) if *ty == Type::TIMESTAMPTZ => {
                format!("{from} has no time zone and {to} is a moment: give a DateTime<Utc>")
            }
            (Value::DateTimeUtc(_), _) if *ty == Type::TIMESTAMP => {
                format!("{from} is a moment and {to} has no time zone: give a NaiveDateTime")
            }
            _ => format!("{from} does not fit into {to}"),
        })
    }

    fn of_element(elements: &[Value], ty: &Type) -> String {
        let misfit =
            |(index, value)| fit(value, ty).is_none().then(|| format!("element {index}: {}", Self::new(value, ty)));
        elements.iter().enumerate().find_map(misfit).unwrap_or_else(|| {
            format!("the elements for {}[] are of types that are sent in different forms", ty.name())
        })
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Misfit {}

/// A value in the form in which it is sent. Fitted to one type, it MUST be sent for that type only.
enum Encoded<'v> {
    Null,
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Oid(u32),
    Float4(f32),
    Float8(f64),
    Date(i32),
    /// A time of day, or a moment with or without a time zone.
    Micros(i64),
    Uuid(Uuid),
    Bytes(&'v [u8]),
    /// Text that the server parses, as it does a quoted literal.
    Text(Cow<'v, str>),
    Json(&'v serde_json::Value),
    Array(Array<Self>),
    HStore(&'v HStore),
}

impl Encoded<'_> {
    /// The size, as far as it is known without writing.
    fn least_size(&self) -> usize {
        match self {
            Self::Bytes(value) => value.len(),
            Self::Text(value) => value.len(),
            _ => 0,
        }
    }
}

impl Element for Encoded<'_> {
    fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    /// Whether this is sent in the text format. NULL is the same in both.
    fn is_text(&self) -> bool {
        match self {
            Self::Text(_) | Self::Json(_) => true,
            Self::Array(array) => array.is_text(),
            _ => false,
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Bool(value) => out.put_u8((*value).into()),
            Self::Int2(value) => out.put_i16(*value),
            Self::Int4(value) | Self::Date(value) => out.put_i32(*value),
            Self::Int8(value) | Self::Micros(value) => out.put_i64(*value),
            Self::Oid(value) => out.put_u32(*value),
            Self::Float4(value) => out.put_f32(*value),
            Self::Float8(value) => out.put_f64(*value),
            Self::Uuid(value) => out.put_slice(value.as_bytes()),
            Self::Bytes(value) => out.put_slice(value),
            Self::Text(value) => out.put_slice(value.as_bytes()),
            Self::Json(value) => serde_json::to_writer(out.writer(), value)?,
            Self::Array(array) => array.write(out)?,
            Self::HStore(map) => hstore::write(map, out)?,
        }
        Ok(IsNull::No)
    }
}

/// Decides what fits: `None` if something would be lost, except the last digits of a fraction that a float is to hold.
fn fit<'v>(value: &'v Value, ty: &Type) -> Option<Encoded<'v>> {
    if let Kind::Domain(base) = ty.kind() {
        return fit(value, base);
    }
    match value {
        Value::Null => Some(Encoded::Null),
        Value::Bool(value) => (*ty == Type::BOOL).then_some(Encoded::Bool(*value)),
        Value::I64(value) => int((*value).into(), ty),
        Value::U64(value) => int((*value).into(), ty),
        Value::F32(value) => float((*value).into(), ty, || value.to_string()),
        Value::F64(value) => float(*value, ty, || value.to_string()),
        Value::Decimal(value) => decimal(*value, ty),
        Value::Text(value) => text(value, ty),
        Value::Bytes(value) if *ty == Type::UUID => (value.len() == 16).then_some(Encoded::Bytes(value)),
        Value::Bytes(value) => (*ty == Type::BYTEA).then_some(Encoded::Bytes(value)),
        Value::Date(value) => date(*value, ty),
        Value::Time(value) => time(*value, ty),
        Value::DateTime(value) => date_time(*value, ty),
        Value::DateTimeUtc(value) => moment(*value, ty),
        Value::Uuid(value) => uuid(value, ty),
        Value::Json(value) => (matches!(*ty, Type::JSON | Type::JSONB) || is_text(ty)).then_some(Encoded::Json(value)),
        Value::Array(elements) => array(elements, ty),
        Value::HStore(map) => (hstore::is(ty) && !map.has_nul()).then_some(Encoded::HStore(map)),
        Value::Invalid(_) => None,
    }
}

/// An array, element by element.
fn array<'v>(elements: &'v [Value], ty: &Type) -> Option<Encoded<'v>> {
    let Kind::Array(element) = ty.kind() else { return None };
    let elements = elements.iter().map(|value| fit(value, element)).collect::<Option<_>>()?;
    Array::new(elements, element.oid()).map(Encoded::Array)
}

/// Types that take any text as it is.
fn is_text(ty: &Type) -> bool {
    matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN) || ty.name() == "citext"
}

fn written<'v>(value: &impl ToString) -> Encoded<'v> {
    Encoded::Text(value.to_string().into())
}

/// An integer of a type that holds only integers. The outer `None`: the type is not one.
fn int_type<'v>(int: Option<i128>, ty: &Type) -> Option<Option<Encoded<'v>>> {
    let encoded = match *ty {
        Type::INT2 => int.and_then(|int| int.try_into().ok()).map(Encoded::Int2),
        Type::INT4 => int.and_then(|int| int.try_into().ok()).map(Encoded::Int4),
        Type::INT8 => int.and_then(|int| int.try_into().ok()).map(Encoded::Int8),
        Type::OID => int.and_then(|int| int.try_into().ok()).map(Encoded::Oid),
        _ => return None,
    };
    Some(encoded)
}

fn int<'v>(value: i128, ty: &Type) -> Option<Encoded<'v>> {
    int_type(Some(value), ty).unwrap_or_else(|| match *ty {
        Type::FLOAT4 => exact::int_to_f32(value).map(Encoded::Float4),
        Type::FLOAT8 => exact::int_to_f64(value).map(Encoded::Float8),
        Type::NUMERIC => Some(written(&value)),
        _ => is_text(ty).then(|| written(&value)),
    })
}

/// A float, of which `shortest` gives the shortest digits: those of an `f32` are fewer than those of its `f64`.
fn float<'v>(value: f64, ty: &Type, shortest: impl FnOnce() -> String) -> Option<Encoded<'v>> {
    match *ty {
        Type::FLOAT8 => Some(Encoded::Float8(value)),
        // Rounded, as the server does it: 0.1 has no end in binary, so that hardly any fraction is the same in both.
        Type::FLOAT4 => exact::f64_to_nearest_f32(value).map(Encoded::Float4),
        // Infinity is known to the numeric of newer servers only.
        Type::NUMERIC if !value.is_infinite() => Some(Encoded::Text(shortest().into())),
        _ => int_type(exact::f64_to_int(value), ty)?,
    }
}

fn decimal<'v>(value: Decimal, ty: &Type) -> Option<Encoded<'v>> {
    match *ty {
        Type::NUMERIC => Some(written(&value)),
        Type::FLOAT4 => exact::decimal_to_nearest(value).map(Encoded::Float4),
        Type::FLOAT8 => exact::decimal_to_nearest(value).map(Encoded::Float8),
        _ if is_text(ty) => Some(written(&value)),
        _ => int_type(exact::decimal_to_int(value), ty)?,
    }
}

fn text<'v>(value: &'v str, ty: &Type) -> Option<Encoded<'v>> {
    if value.contains('\0') {
        return None;
    }
    let as_is = Encoded::Text(value.into());
    match *ty {
        // Without the crates it is the server that parses it.
        Type::UUID if cfg!(feature = "uuid") => Uuid::try_parse(value).ok().map(Encoded::Uuid),
        Type::JSON | Type::JSONB if cfg!(feature = "serde_json") => {
            serde_json::from_str::<IgnoredAny>(value).is_ok().then_some(as_is)
        }
        // The server would take backslashes in it for escapes, and change the bytes.
        Type::BYTEA => None,
        _ => int_type(value.trim().parse().ok(), ty).unwrap_or(Some(as_is)),
    }
}

fn date<'v>(value: NaiveDate, ty: &Type) -> Option<Encoded<'v>> {
    match *ty {
        Type::DATE => {
            let days = value.num_days_from_ce() - EPOCH_DAYS;
            (days >= FIRST_DAY).then_some(Encoded::Date(days))
        }
        Type::TIMESTAMP => micros(value.and_hms_opt(0, 0, 0)?),
        _ => None,
    }
}

fn time<'v>(value: NaiveTime, ty: &Type) -> Option<Encoded<'v>> {
    let seconds = i64::from(value.num_seconds_from_midnight());
    let micros = seconds * 1_000_000 + i64::from(value.nanosecond() / 1_000);
    // A leap second at the end of the day would be the 24:00:00 of the server, which is not read back.
    (*ty == Type::TIME && micros < DAY_MICROS).then_some(Encoded::Micros(micros))
}

fn date_time<'v>(value: NaiveDateTime, ty: &Type) -> Option<Encoded<'v>> {
    (*ty == Type::TIMESTAMP).then(|| micros(value))?
}

fn moment<'v>(value: DateTime<Utc>, ty: &Type) -> Option<Encoded<'v>> {
    (*ty == Type::TIMESTAMPTZ).then(|| micros(value.naive_utc()))?
}

/// Microseconds are what the server keeps; clocks give nanoseconds, so these are cut off and not refused.
fn micros<'v>(value: NaiveDateTime) -> Option<Encoded<'v>> {
    let micros = value.and_utc().timestamp_micros() - EPOCH_MICROS;
    (micros >= i64::from(FIRST_DAY) * DAY_MICROS).then_some(Encoded::Micros(micros))
}

fn uuid<'v>(value: &'v Uuid, ty: &Type) -> Option<Encoded<'v>> {
    match *ty {
        Type::UUID => Some(Encoded::Uuid(*value)),
        Type::BYTEA => Some(Encoded::Bytes(value.as_bytes())),
        _ => is_text(ty).then(|| written(value)),
    }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
