//! The stand-in for `iso.rs`, without chrono.

use crate::data::crates::{Absent as _, DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};

/// Functions that write a value.
macro_rules! writes {
    ($($name:ident($type:ty) -> $to:ty;)+) => {$(
        pub(crate) fn $name(value: $type) -> $to {
            value.never()
        }
    )+};
}

writes! {
    write_date(NaiveDate) -> Option<String>;
    write_time(NaiveTime) -> String;
    write_date_time(NaiveDateTime) -> Option<String>;
    write_rfc3339(DateTime<Utc>) -> Option<String>;
    write_offset(DateTime<Utc>) -> Option<String>;
}

constructors! {
    read_date(&str) -> Option<NaiveDate> = None;
    read_time(&str) -> Option<NaiveTime> = None;
    read_date_time(&str) -> Option<NaiveDateTime> = None;
    read_moment(&str) -> Option<DateTime<FixedOffset>> = None;
}
