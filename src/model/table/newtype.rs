//! [`Newtype`]: the mark of `#[derive(Field)]`. Foreign keys are compared with values and columns of such types by it.

use super::field::Field;

/// A struct that is stored as its one field is. Made by `#[derive(Field)]` alone.
pub trait Newtype: Field {}
