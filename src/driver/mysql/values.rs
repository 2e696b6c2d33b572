//! Values on their way to MySQL. The server does not say what type a parameter should have: it is sent as what it is, and
//! the server, in its strict mode, refuses what does not fit.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use mysql_async::Value as Native;

use crate::{
    driver::wrong_count,
    error::{Error, ErrorKind},
    value::Value,
};

/// Converts the values of a statement; `order` tells which value each placeholder takes.
///
/// # Errors
/// `Parameter` for a wrong count, and for what MySQL cannot hold; `Unsupported` for arrays and hstore.
pub(super) fn bound(values: &[Value], order: Option<&[usize]>) -> Result<Vec<Native>, Error> {
    match order {
        None => values.iter().enumerate().map(|(index, value)| one(value, index + 1)).collect(),
        Some(order) => {
            let taken = order.iter().max().map_or(0, |last| last + 1);
            if taken != values.len() {
                return Err(wrong_count(values.len(), taken));
            }
            order.iter().map(|index| one(&values[*index], index + 1)).collect()
        }
    }
}

fn one(value: &Value, number: usize) -> Result<Native, Error> {
    let text = |text: String| Ok(Native::Bytes(text.into_bytes()));
    let misfit = |why: &str| {
        let text = format!("parameter ${number}: {} does not fit: {why}", value.type_name());
        Error::new(ErrorKind::Parameter, text)
    };
    match value {
        Value::Null => Ok(Native::NULL),
        Value::Bool(value) => Ok(Native::Int((*value).into())),
        Value::I64(value) => Ok(Native::Int(*value)),
        Value::U64(value) => Ok(Native::UInt(*value)),
        Value::F32(value) if value.is_finite() => Ok(Native::Float(*value)),
        Value::F64(value) if value.is_finite() => Ok(Native::Double(*value)),
        Value::F32(_) | Value::F64(_) => Err(misfit("MySQL has neither NaN nor infinity")),
        Value::Decimal(value) => text(value.to_string()),
        Value::Text(value) => Ok(Native::Bytes(value.clone().into_bytes())),
        Value::Bytes(value) => Ok(Native::Bytes(value.clone())),
        Value::Date(value) => date(*value, NaiveTime::MIN).ok_or_else(|| misfit("its year is not between 0 and 9999")),
        Value::DateTime(value) => date_time(*value).ok_or_else(|| misfit("its year is not between 0 and 9999")),
        Value::DateTimeUtc(value) => {
            date_time(value.naive_utc()).ok_or_else(|| misfit("its year is not between 0 and 9999"))
        }
        Value::Time(value) => Ok(time(*value)),
        Value::Uuid(value) => text(value.to_string()),
        Value::Json(value) => text(value.to_string()),
        Value::Array(_) => Err(Error::new(ErrorKind::Unsupported, format!("parameter ${number}: MySQL has no arrays"))),
        Value::HStore(_) => {
            Err(Error::new(ErrorKind::Unsupported, format!("parameter ${number}: MySQL has no hstore")))
        }
        Value::Invalid(why) => Err(Error::new(ErrorKind::Parameter, format!("parameter ${number}: {why}"))),
    }
}

fn small(number: u32) -> u8 {
    u8::try_from(number).expect("a month, a day, an hour, a minute and a second are below 256")
}

fn date_time(value: NaiveDateTime) -> Option<Native> {
    date(value.date(), value.time())
}

fn date(day: NaiveDate, time: NaiveTime) -> Option<Native> {
    let year = u16::try_from(day.year()).ok().filter(|year| *year <= 9999)?;
    let micros = time.nanosecond() % 1_000_000_000 / 1_000;
    let (hour, minute, second) = (small(time.hour()), small(time.minute()), small(time.second()));
    Some(Native::Date(year, small(day.month()), small(day.day()), hour, minute, second, micros))
}

fn time(value: NaiveTime) -> Native {
    let micros = value.nanosecond() % 1_000_000_000 / 1_000;
    Native::Time(false, 0, small(value.hour()), small(value.minute()), small(value.second()), micros)
}
