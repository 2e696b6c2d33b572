//! Instruments: what a database is measured by, for the metrics of the program (feature `metrics`). Used by the pool, by sessions
//! and by `Database::record_metrics`. They know no database: each call is a measurement. Without the feature they are nothing.

#[cfg(not(feature = "metrics"))]
mod nothing;
#[cfg(feature = "metrics")]
mod recorded;

#[cfg(not(feature = "metrics"))]
pub(crate) use self::nothing::{Instruments, Timer};
#[cfg(feature = "metrics")]
pub(crate) use self::recorded::{Gauges, Instruments, Timer};
