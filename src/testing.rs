//! Help for the tests of a program: what a piece of code has sent to its database.

mod counts;

pub use self::counts::{Counts, assert_flights, assert_statements, counted};
