//! Prefetch, on every back end (rule 71).
