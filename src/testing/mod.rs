//! What the tests of a program that uses this crate need: errors of each kind, and counts of what was sent.

mod counts;
mod errors;

pub use self::{
    counts::{Counts, assert_flights, assert_statements, counted},
    errors::{
        check_violation, deadlock, error, foreign_key_violation, lock_timeout, not_null_violation, out_of_range,
        serialization_failure, server_shutdown, statement_timeout, too_long, unique_violation,
    },
};
