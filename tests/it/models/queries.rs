//! Typed queries, on every back end.

mod brackets;
mod documents;
mod joins;
mod models;
mod operators;
mod reading;
mod texts;
mod writing;
mod written;
