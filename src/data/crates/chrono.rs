//! The stand-in for chrono.

use super::Absent;

absent!(NaiveDate, NaiveTime, NaiveDateTime, DateTime<Z>);

/// A zone.
pub trait TimeZone {}

/// Zones.
macro_rules! zones {
    ($($name:ident)+) => {$(
        /// A zone.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name;
        impl TimeZone for $name {}
    )+};
}

zones!(Utc FixedOffset);

pub(crate) trait Datelike: Absent {
    methods! {
        fn year() -> i32;
        fn month() -> u32;
        fn day() -> u32;
        fn num_days_from_ce() -> i32;
    }
}
impl Datelike for NaiveDate {}

pub(crate) trait Timelike: Absent {
    methods! {
        fn hour() -> u32;
        fn minute() -> u32;
        fn second() -> u32;
        fn nanosecond() -> u32;
        fn num_seconds_from_midnight() -> u32;
    }
}
impl Timelike for NaiveTime {}

pub(crate) trait SubsecRound: Absent + Sized {
    methods! { fn trunc_subsecs(u16) -> Self; }
}
impl SubsecRound for NaiveTime {}
impl SubsecRound for NaiveDateTime {}

impl NaiveDate {
    methods! {
        pub(crate) fn and_time(NaiveTime) -> NaiveDateTime;
        pub(crate) fn and_hms_opt(u32, u32, u32) -> Option<NaiveDateTime>;
    }

    constructors! {
        from_ymd_opt(i32, u32, u32) -> Option<Self> = None;
        from_num_days_from_ce_opt(i32) -> Option<Self> = None;
    }
}

impl NaiveTime {
    constructors! {
        from_hms_micro_opt(u32, u32, u32, u32) -> Option<Self> = None;
        from_num_seconds_from_midnight_opt(u32, u32) -> Option<Self> = None;
    }
}

impl NaiveDateTime {
    methods! {
        pub(crate) fn and_utc() -> DateTime<Utc>;
        pub(crate) fn date() -> NaiveDate;
        pub(crate) fn time() -> NaiveTime;
    }
}

impl<Z> DateTime<Z> {
    methods! {
        pub(crate) fn fixed_offset() -> DateTime<FixedOffset>;
        pub(crate) fn naive_utc() -> NaiveDateTime;
        pub(crate) fn timestamp_micros() -> i64;
        pub(crate) fn to_utc() -> DateTime<Utc>;
    }
}

impl DateTime<Utc> {
    constructors! { from_timestamp_micros(i64) -> Option<Self> = None; }
}
