//! The Manager: section J of the specification, on every back end.
