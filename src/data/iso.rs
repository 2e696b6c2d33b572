//! Dates and times as ISO 8601 text, for databases that store them so, and for columns cast to text.
//!
//! Used by the SQLite driver to write and by [`FromCell`](crate::types::FromCell) to read. Pure functions.
#![cfg_attr(not(feature = "sqlite-system"), allow(dead_code, reason = "some serve a driver that is not built"))]

use chrono::{
    DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, SecondsFormat, TimeZone, Utc,
};

const DATE: &str = "%Y-%m-%d";
const TIME: &str = "%H:%M:%S%.f";
const DATE_TIME: &str = "%Y-%m-%d %H:%M:%S%.f";

/// `YYYY-MM-DD`; nothing outside of the years 0 to 9999, which would not sort as text.
pub(crate) fn write_date(date: NaiveDate) -> Option<String> {
    (0..=9999).contains(&date.year()).then(|| date.format(DATE).to_string())
}

/// `HH:MM:SS`, with a fraction if there is one.
pub(crate) fn write_time(time: NaiveTime) -> String {
    time.format(TIME).to_string()
}

/// `YYYY-MM-DD HH:MM:SS`, with a fraction if there is one; the form of CURRENT_TIMESTAMP in SQLite.
pub(crate) fn write_date_time(moment: NaiveDateTime) -> Option<String> {
    (0..=9999).contains(&moment.year()).then(|| moment.format(DATE_TIME).to_string())
}

/// A moment in UTC as RFC 3339 has it, `2024-05-06T07:08:09+00:00`, with as many digits of a fraction as it needs: 3, 6 or
/// 9. So it sorts as text.
pub(crate) fn write_rfc3339(moment: DateTime<Utc>) -> Option<String> {
    (0..=9999).contains(&moment.year()).then(|| moment.to_rfc3339_opts(SecondsFormat::AutoSi, false))
}

/// As [`write_rfc3339`], with a space between date and time.
pub(crate) fn write_offset(moment: DateTime<Utc>) -> Option<String> {
    Some(write_date_time(moment.naive_utc())? + "+00:00")
}

/// Reads `YYYY-MM-DD`.
pub(crate) fn read_date(text: &str) -> Option<NaiveDate> {
    // chrono takes years of any length and no zeros; a date of another length is not ours.
    (text.len() == 10).then(|| NaiveDate::parse_from_str(text, DATE).ok())?
}

/// Reads `HH:MM`, `HH:MM:SS`, and a fraction.
pub(crate) fn read_time(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text, TIME).or_else(|_| NaiveTime::parse_from_str(text, "%H:%M")).ok()
}

/// Reads a date and a time with a space or a `T` between them, and no offset.
pub(crate) fn read_date_time(text: &str) -> Option<NaiveDateTime> {
    let (date, time) = split(text)?;
    Some(read_date(date)?.and_time(read_time(time)?))
}

/// Reads a date, a time, and an offset: `Z`, `+HH`, `+HHMM` or `+HH:MM`. None of them means UTC.
pub(crate) fn read_moment(text: &str) -> Option<DateTime<FixedOffset>> {
    let (date, rest) = split(text)?;
    let (time, offset) = match rest.find(['+', '-', 'Z', 'z']) {
        Some(at) => (&rest[..at], read_offset(&rest[at..])?),
        None => (rest, Utc.fix()),
    };
    let local = read_date(date)?.and_time(read_time(time.trim_end())?);
    offset.from_local_datetime(&local).single()
}

fn split(text: &str) -> Option<(&str, &str)> {
    let (date, rest) = text.split_at_checked(10)?;
    Some((date, rest.strip_prefix([' ', 'T', 't'])?))
}

fn read_offset(text: &str) -> Option<FixedOffset> {
    match text.len() {
        1 => matches!(text, "Z" | "z").then(|| Utc.fix()),
        3 => format!("{text}:00").parse().ok(),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(text: &str) -> Option<String> {
        read_moment(text).map(|moment| moment.to_rfc3339())
    }

    #[test]
    fn the_usual_forms_of_a_moment_are_read() {
        let utc = Some(String::from("2024-05-06T07:08:09+00:00"));
        assert_eq!(moment("2024-05-06 07:08:09"), utc);
        assert_eq!(moment("2024-05-06T07:08:09Z"), utc);
        assert_eq!(moment("2024-05-06 07:08:09+00"), utc);
        let east = Some(String::from("2024-05-06T07:08:09.500+05:30"));
        assert_eq!(moment("2024-05-06T07:08:09.5+05:30"), east);
        assert_eq!(moment("2024-05-06 07:08:09.5 +0530"), east);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "2024-05-06", "2024-05-06 25:00:00", "2024-13-06 00:00:00", "now"] {
            assert_eq!(moment(text), None, "{text}");
        }
        assert_eq!(moment("2024-05-06 07:08:09+99"), None);
        assert_eq!(moment("ä024-05-06 07:08:09Z"), None);
        assert_eq!(read_date("2024-5-6"), None);
        assert_eq!(read_date_time("2024-05-06 07:08:09Z"), None);
    }

    #[test]
    fn years_that_would_not_sort_are_not_written() {
        let date = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        assert_eq!(write_date(date(10_000)), None);
        assert_eq!(write_date(date(-1)), None);
        assert_eq!(write_date(date(33)).as_deref(), Some("0033-01-01"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_sorts(
            one in 0_i64..200_000_000_000, other in 0_i64..200_000_000_000, nanos in 0_u32..1_000_000_000,
        ) {
            let at = |seconds| DateTime::from_timestamp(seconds, nanos).unwrap().naive_utc();
            let (first, second) = (write_date_time(at(one)).unwrap(), write_date_time(at(other)).unwrap());
            prop_assert_eq!(read_date_time(&first), Some(at(one)));
            prop_assert_eq!(first.cmp(&second), at(one).cmp(&at(other)));
            prop_assert_eq!(read_time(&write_time(at(one).time())), Some(at(one).time()));
        }
    }
}
