//! Values: what a column and a parameter can hold, how a driver gives them, and how they become the types of a program. It knows
//! no SQL, no driver and no transaction.

pub(crate) mod cell;
pub(crate) mod crates;
pub(crate) mod exact;
pub(crate) mod from_cell;
pub(crate) mod hstore;
pub(crate) mod interval;
#[cfg(feature = "chrono")]
pub(crate) mod iso;
pub(crate) mod json;
pub(crate) mod maybe_infinite;
pub(crate) mod network;
pub(crate) mod params;
pub(crate) mod row;
pub(crate) mod value;

#[cfg(not(feature = "chrono"))]
pub(crate) use crates::iso;
