//! The ancestor's own tests, ported under their names, on every back end.
