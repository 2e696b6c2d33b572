//! The derive macro: what it makes of a struct, on every back end.
