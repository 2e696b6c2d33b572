//! Typed queries, on every back end.

mod models;
mod writing;
