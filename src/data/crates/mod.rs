//! The types of chrono, rust_decimal, serde_json and uuid, each of which is a feature. Without its feature a crate has a stand-in of
//! the same name, whose types have no values: what the sources do with a value compiles, and is never run.
//!
//! All other files name these types from here. A stand-in has what they call, and no more.
#![allow(dead_code, unused_imports, reason = "some serve a driver that is not built")]

/// A type of a crate that is not built.
pub(crate) trait Absent {
    /// Whatever is asked for: there is no value to ask.
    fn never<T>(&self) -> T;
}

/// Types without values. Their fields are private: to other files they are types like others, in which no code is unreachable.
#[allow(unused_macros, reason = "all crates may be built")]
macro_rules! absent {
    ($($name:ident $(<$of:ident>)?),+) => {$(
        /// A type of a crate that is not built.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name $(<$of>)? (std::convert::Infallible $(, std::marker::PhantomData<$of>)?);

        impl $(<$of>)? $crate::data::crates::Absent for $name $(<$of>)? {
            fn never<T>(&self) -> T {
                match self.0 {}
            }
        }

        impl $(<$of>)? std::fmt::Display for $name $(<$of>)? {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.0 {}
            }
        }
    )+};
}

/// Their methods.
#[allow(unused_macros, reason = "all crates may be built")]
macro_rules! methods {
    ($($visible:vis fn $name:ident($($given:ty),*) -> $to:ty;)+) => {$(
        $visible fn $name(&self, $(_: $given),*) -> $to {
            $crate::data::crates::Absent::never(self)
        }
    )+};
}

/// Their constructors, none of which has a value to give.
#[allow(unused_macros, reason = "all crates may be built")]
macro_rules! constructors {
    ($($name:ident($($given:ty),*) -> $to:ty = $none:expr;)+) => {$(
        pub(crate) fn $name($(_: $given),*) -> $to {
            $none
        }
    )+};
}

#[cfg(not(feature = "chrono"))]
mod chrono;
#[cfg(not(feature = "chrono"))]
pub(crate) mod iso;
#[cfg(not(feature = "rust_decimal"))]
mod rust_decimal;
#[cfg(not(feature = "serde_json"))]
pub(crate) mod serde_json;
#[cfg(not(feature = "uuid"))]
mod uuid;

#[cfg(feature = "chrono")]
use ::chrono;
#[cfg(feature = "rust_decimal")]
use ::rust_decimal;
#[cfg(feature = "serde_json")]
pub(crate) use ::serde_json;
#[cfg(feature = "uuid")]
use ::uuid;

pub(crate) use self::{
    chrono::{
        DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, TimeZone, Timelike, Utc,
    },
    rust_decimal::Decimal,
    uuid::Uuid,
};

/// An error if a feature is off, which is what reading a value needs then.
macro_rules! features {
    ($($name:ident $feature:literal)+) => {$(
        pub(crate) const $name: Result<(), &str> = if cfg!(feature = $feature) {
            Ok(())
        } else {
            Err(concat!("nestling's feature `", $feature, "` is not on"))
        };
    )+};
}

features! {
    CHRONO "chrono"
    RUST_DECIMAL "rust_decimal"
    SERDE_JSON "serde_json"
    UUID "uuid"
}
