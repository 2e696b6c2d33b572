//! Typed queries, on every back end.
