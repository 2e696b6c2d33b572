//! What the tests of a program that uses this crate need: errors of each kind, counts of what was sent, and databases
//! of their own.

mod counts;
mod database_name;
mod errors;
mod template;
mod test_database;
mod test_server;

pub use self::{
    counts::{Counts, assert_flights, assert_statements, counted},
    errors::{
        check_violation, deadlock, error, foreign_key_violation, lock_timeout, not_null_violation, out_of_range,
        serialization_failure, server_shutdown, statement_timeout, too_long, unique_violation,
    },
    test_database::{TestDatabase, TestDatabaseBuilder},
};
