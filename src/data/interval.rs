//! [`Interval`]: a span of time as PostgreSQL keeps it, and how durations are read from one.

use std::{fmt, time::Duration};

use crate::data::{
    cell::{Cell, FromCell, Mismatch},
    value::Value,
};
#[cfg(feature = "chrono")]
use chrono::TimeDelta;

/// An `interval` of PostgreSQL: months, days and microseconds, which are kept apart because a month has no fixed number of days
/// and a day no fixed number of hours.
///
/// Where there are no months it can be read as a [`TimeDelta`] or a [`Duration`] as well: a day is then 24 hours. As a
/// parameter it is text in ISO 8601, which PostgreSQL takes for an interval.
///
/// # Examples
/// ```
/// use nestling::types::Interval;
///
/// let trial = Interval { months: 1, days: 15, microseconds: -500_000 };
/// assert_eq!(trial.to_string(), "P1M15DT-0.500000S");
/// assert_eq!(Interval::default().to_string(), "PT0S");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_structs, reason = "PostgreSQL's intervals have these three parts")]
pub struct Interval {
    /// Months; a year is twelve of them.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub microseconds: i64,
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { months, days, microseconds } = *self;
        f.write_str("P")?;
        for (number, unit) in [(months, "M"), (days, "D")] {
            if number != 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        let sign = if microseconds < 0 { "-" } else { "" };
        let (seconds, rest) = (microseconds.unsigned_abs() / 1_000_000, microseconds.unsigned_abs() % 1_000_000);
        match rest {
            0 if microseconds == 0 && (months != 0 || days != 0) => Ok(()),
            0 => write!(f, "T{sign}{seconds}S"),
            rest => write!(f, "T{sign}{seconds}.{rest:06}S"),
        }
    }
}

impl From<Interval> for Value {
    fn from(interval: Interval) -> Self {
        Self::Text(interval.to_string())
    }
}

impl<'r> FromCell<'r> for Interval {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::Interval { months, days, microseconds } => Ok(Self { months, days, microseconds }),
            other => Err(other.mismatch()),
        }
    }
}

/// Of an interval without months, whose days have 24 hours.
#[cfg(feature = "chrono")]
impl<'r> FromCell<'r> for TimeDelta {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        let Interval { months, days, microseconds } = Interval::from_cell(cell)?;
        let time = Self::try_days(days.into()).and_then(|days| days.checked_add(&Self::microseconds(microseconds)));
        time.filter(|_| months == 0).ok_or_else(Mismatch::out_of_range)
    }
}

/// Of an interval without months, whose days have 24 hours, and which is not negative.
impl<'r> FromCell<'r> for Duration {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        let Interval { months, days, microseconds } = Interval::from_cell(cell)?;
        let seconds = i64::from(days) * 86_400 + microseconds.div_euclid(1_000_000);
        let nanos = microseconds.rem_euclid(1_000_000) as u32 * 1_000;
        let time = u64::try_from(seconds).ok().filter(|_| months == 0);
        time.map(|seconds| Self::new(seconds, nanos)).ok_or_else(Mismatch::out_of_range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(months: i32, days: i32, microseconds: i64) -> Interval {
        Interval { months, days, microseconds }
    }

    #[test]
    fn every_part_has_its_sign() {
        assert_eq!(interval(-14, 3, 0).to_string(), "P-14M3D");
        assert_eq!(interval(0, 0, -90_000_000).to_string(), "PT-90S");
        assert_eq!(interval(0, -1, 1).to_string(), "P-1DT0.000001S");
        assert_eq!(interval(0, 0, i64::MIN).to_string(), "PT-9223372036854.775808S");
    }

    fn read<'r, T: FromCell<'r>>(Interval { months, days, microseconds }: Interval) -> Option<T> {
        T::from_cell(Cell::Interval { months, days, microseconds }).ok()
    }

    #[test]
    fn a_duration_has_no_months_and_is_not_negative() {
        assert_eq!(read(interval(0, 1, 500_000)), Some(Duration::from_millis(86_400_500)));
        assert_eq!(read::<Duration>(interval(1, 0, 0)), None);
        assert_eq!(read::<Duration>(interval(0, 0, -1)), None);
        assert_eq!(read(interval(0, -1, 1_000_000)), Some(TimeDelta::seconds(-86_399)));
    }
}
