//! Decodes values of PostgreSQL: a binary value becomes a [`Cell`] when it is read.
//!
//! Used by the rows. What fits into which Rust type is decided in `from_cell.rs`.

use std::{net::IpAddr, str};

use postgres_types::{Kind, Type};

use super::{
    array, hstore,
    type_info::{EPOCH_DAYS, EPOCH_MICROS, type_name},
};
use crate::data::{
    cell::{Cell, Mismatch, ReadElement},
    crates::{CHRONO, DateTime, Decimal, NaiveDate, NaiveDateTime, NaiveTime, RUST_DECIMAL, UUID, Uuid},
    row::Columns,
};

/// The names and types of a statement's columns; to be made once for each statement. `hstore` tells whether columns of
/// that type are read.
pub(super) fn columns(columns: &[(String, Type)], hstore: bool) -> Columns {
    let unread = |ty: &Type| !hstore && hstore::is_made_of(ty);
    let reader = |ty: &Type| if unread(ty) { Some(other as ReadElement) } else { reader(ty) };
    let named = columns.iter().map(|(name, ty)| (name.as_str(), Some(type_name(ty))));
    Columns::new(named).with_readers(columns.iter().map(|(_, ty)| reader(ty)))
}

/// Makes a cell of the bytes that the server sent for a type.
pub(crate) fn cell<'r>(ty: &Type, raw: Option<&'r [u8]>) -> Result<Cell<'r>, Mismatch> {
    let Some(raw) = raw else {
        return Ok(Cell::Null);
    };
    match (reader(ty), ty.kind()) {
        (Some(read), _) => read(raw),
        (None, Kind::Domain(base)) => cell(base, Some(raw)),
        (None, Kind::Array(element)) => array::read(raw, reader(element).unwrap_or(other)),
        (None, _) => other(raw),
    }
}

/// How a type is read whose bytes alone tell the value; arrays need the type of their elements besides.
fn reader(ty: &Type) -> Option<ReadElement> {
    Some(match *ty {
        Type::BOOL => |raw| Ok(Cell::Bool(fixed::<1>(raw)? != [0])),
        Type::INT2 => |raw| Ok(Cell::I64(i16::from_be_bytes(fixed(raw)?).into())),
        Type::INT4 => |raw| Ok(Cell::I64(i32::from_be_bytes(fixed(raw)?).into())),
        Type::INT8 => |raw| Ok(Cell::I64(i64::from_be_bytes(fixed(raw)?))),
        Type::OID => |raw| Ok(Cell::I64(u32::from_be_bytes(fixed(raw)?).into())),
        Type::FLOAT4 => |raw| Ok(Cell::F32(f32::from_be_bytes(fixed(raw)?))),
        Type::FLOAT8 => |raw| Ok(Cell::F64(f64::from_be_bytes(fixed(raw)?))),
        Type::NUMERIC => numeric,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::CHAR => text,
        Type::BYTEA => |raw| Ok(Cell::Bytes(raw)),
        Type::DATE => |raw| date(raw),
        Type::TIME => |raw| time(raw).map(Cell::Time),
        Type::TIMESTAMP => |raw| timestamp(raw, Cell::DateTime),
        Type::TIMESTAMPTZ => |raw| timestamp(raw, |at| Cell::DateTimeUtc(at.and_utc())),
        Type::INTERVAL => interval,
        Type::INET | Type::CIDR => network,
        Type::UUID => uuid,
        Type::JSON => |raw| utf8(raw).map(Cell::Json),
        Type::JSONB => jsonb,
        Type::VOID => |_| Ok(Cell::Null),
        _ => match ty.kind() {
            Kind::Enum(_) => text,
            Kind::Domain(base) => return reader(base),
            Kind::Simple if ty.name() == "citext" => text,
            Kind::Simple if hstore::is(ty) => hstore::read,
            _ => return None,
        },
    })
}

fn other(raw: &[u8]) -> Result<Cell<'_>, Mismatch> {
    Ok(Cell::Other(raw))
}

#[inline]
fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N], Mismatch> {
    raw.try_into().map_err(|_| Mismatch::invalid())
}

#[inline]
fn utf8(raw: &[u8]) -> Result<&str, Mismatch> {
    str::from_utf8(raw).map_err(|_| Mismatch::invalid())
}

#[inline]
fn text(raw: &[u8]) -> Result<Cell<'_>, Mismatch> {
    utf8(raw).map(Cell::Text)
}

/// The first byte is the version of the format; there has been one so far.
fn jsonb(raw: &[u8]) -> Result<Cell<'_>, Mismatch> {
    let json = raw.strip_prefix(&[1]).ok_or_else(Mismatch::invalid)?;
    utf8(json).map(Cell::Json)
}

fn uuid(raw: &[u8]) -> Result<Cell<'_>, Mismatch> {
    UUID.map_err(Mismatch::new)?;
    Uuid::from_slice(raw).map(Cell::Uuid).map_err(|_| Mismatch::invalid())
}

/// The ends of the range of the integer stand for infinity, here and in timestamps.
fn date<'r>(raw: &[u8]) -> Result<Cell<'r>, Mismatch> {
    CHRONO.map_err(Mismatch::new)?;
    let days = i32::from_be_bytes(fixed(raw)?);
    match days {
        i32::MAX | i32::MIN => Ok(Cell::Infinity { is_negative: days < 0 }),
        days => days
            .checked_add(EPOCH_DAYS)
            .and_then(NaiveDate::from_num_days_from_ce_opt)
            .map(Cell::Date)
            .ok_or_else(Mismatch::out_of_range),
    }
}

/// 24:00:00, which the server knows and chrono does not, is out of range.
fn time(raw: &[u8]) -> Result<NaiveTime, Mismatch> {
    CHRONO.map_err(Mismatch::new)?;
    let micros = u64::from_be_bytes(fixed(raw)?);
    let nanos = u32::try_from(micros % 1_000_000 * 1_000).map_err(|_| Mismatch::invalid())?;
    u32::try_from(micros / 1_000_000)
        .ok()
        .and_then(|seconds| NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos))
        .ok_or_else(Mismatch::out_of_range)
}

#[inline]
fn timestamp<'r>(raw: &[u8], make: impl FnOnce(NaiveDateTime) -> Cell<'r>) -> Result<Cell<'r>, Mismatch> {
    CHRONO.map_err(Mismatch::new)?;
    let micros = i64::from_be_bytes(fixed(raw)?);
    match micros {
        i64::MAX | i64::MIN => Ok(Cell::Infinity { is_negative: micros < 0 }),
        micros => micros
            .checked_add(EPOCH_MICROS)
            .and_then(DateTime::from_timestamp_micros)
            .map(|moment| make(moment.naive_utc()))
            .ok_or_else(Mismatch::out_of_range),
    }
}

/// Microseconds, days and months. The ends of all three ranges stand for infinity, from PostgreSQL 17 on.
fn interval(raw: &[u8]) -> Result<Cell<'_>, Mismatch> {
    let (microseconds, rest) = raw.split_first_chunk().ok_or_else(Mismatch::invalid)?;
    let (days, months) = rest.split_first_chunk().ok_or_else(Mismatch::invalid)?;
    let (days, months) = (i32::from_be_bytes(*days), i32::from_be_bytes(fixed(months)?));
    let microseconds = i64::from_be_bytes(*microseconds);
    Ok(match (microseconds, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => Cell::Infinity { is_negative: false },
        (i64::MIN, i32::MIN, i32::MIN) => Cell::Infinity { is_negative: true },
        (microseconds, days, months) => Cell::Interval { months, days, microseconds },
    })
}

/// The family, the bits of the network, whether it is a cidr, the length of the address, and that. 2 is IPv4 and 3 is IPv6.
fn network(raw: &[u8]) -> Result<Cell<'_>, Mismatch> {
    let ([family, prefix, _, _], address) = raw.split_first_chunk().ok_or_else(Mismatch::invalid)?;
    let address = match family {
        2 => IpAddr::from(fixed::<4>(address)?),
        3 => IpAddr::from(fixed::<16>(address)?),
        _ => return Err(Mismatch::invalid()),
    };
    Ok(Cell::Network { address, prefix: *prefix })
}

/// A numeric is digits to the base of 10,000, the exponent of the first, a sign, and the scale to be shown.
///
/// rust_decimal's own conversion rounds what has more digits than it holds; here that is refused. Without that crate, what has no
/// fraction is an integer.
fn numeric(raw: &[u8]) -> Result<Cell<'_>, Mismatch> {
    let (head, tail) = raw.split_first_chunk::<8>().ok_or_else(Mismatch::invalid)?;
    let [count, weight, sign, scale] = [0, 2, 4, 6].map(|at| u16::from_be_bytes([head[at], head[at + 1]]));
    let (digits, rest) = tail.as_chunks::<2>();
    if digits.len() != usize::from(count) || !rest.is_empty() {
        return Err(Mismatch::invalid());
    }
    let sign = match sign {
        0 => 1,
        0x4000 => -1,
        // NaN and infinity
        _ => return Err(Mismatch::out_of_range()),
    };
    let integer = digits
        .iter()
        .try_fold(0_i128, |sum, digit| sum.checked_mul(10_000)?.checked_add(u16::from_be_bytes(*digit).into()));
    // The weight is signed; the exponent is that of the last digit.
    let exponent = 4 * (i32::from(weight.cast_signed()) + 1 - i32::from(count));
    if let Err(missing) = RUST_DECIMAL {
        let whole = integer.filter(|_| scale == 0).and_then(|integer| shift(sign * integer, exponent));
        let cell = |whole: i128| whole.try_into().map(Cell::I64).or_else(|_| whole.try_into().map(Cell::U64));
        return whole.and_then(|whole| cell(whole).ok()).ok_or_else(|| Mismatch::new(missing));
    }
    // A scale that is too long for a `Decimal` is cut by its zeros, and by nothing else.
    let scales = (0..=u32::from(scale).min(Decimal::MAX_SCALE)).rev();
    integer
        .and_then(|integer| {
            let mut fitting = scales.filter_map(|scale| {
                let mantissa = shift(sign * integer, exponent + scale.cast_signed())?;
                Decimal::try_from_i128_with_scale(mantissa, scale).ok()
            });
            fitting.next().map(Cell::Decimal)
        })
        .ok_or_else(Mismatch::out_of_range)
}

/// The integer times ten to the power of `by`, if that is an integer too.
fn shift(integer: i128, by: i32) -> Option<i128> {
    let power = 10_i128.checked_pow(by.unsigned_abs());
    if integer == 0 {
        Some(0)
    } else if by >= 0 {
        integer.checked_mul(power?)
    } else {
        let power = power?;
        (integer % power == 0).then(|| integer / power)
    }
}
