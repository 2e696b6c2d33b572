//! Typed queries, on every back end.

mod joins;
mod models;
mod operators;
mod reading;
mod writing;
