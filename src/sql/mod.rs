//! SQL as text: its words, what a statement may do, and which statements are refused. It sends nothing.

pub(crate) mod effects;
pub(crate) mod statement;
pub(crate) mod summary;
pub(crate) mod tokens;
