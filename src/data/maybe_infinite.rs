//! [`MaybeInfinite`]: a day or a moment that may be `infinity` or `-infinity`, as PostgreSQL has them.

use crate::data::{
    cell::{Cell, FromCell, Mismatch},
    value::Value,
};

const INFINITY: &str = "infinity";
const NEG_INFINITY: &str = "-infinity";

/// A day, a moment or an interval that may be `infinity` or `-infinity` on PostgreSQL, whose plain type in Rust has no such
/// values: read as that, they are an error.
///
/// # Examples
/// ```
/// use nestling::types::MaybeInfinite;
///
/// let [start, end] = [MaybeInfinite::Finite(2024), MaybeInfinite::Infinity];
/// assert!(MaybeInfinite::NegInfinity < start && start < end);
/// assert_eq!((start.finite(), end.finite()), (Some(2024), None));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there are no further infinities")]
pub enum MaybeInfinite<T> {
    /// Earlier than all others.
    NegInfinity,
    /// A value as others.
    Finite(T),
    /// Later than all others.
    Infinity,
}

impl<T> MaybeInfinite<T> {
    /// The value, if it is finite.
    pub fn finite(self) -> Option<T> {
        if let Self::Finite(value) = self { Some(value) } else { None }
    }
}

impl<T> From<T> for MaybeInfinite<T> {
    fn from(value: T) -> Self {
        Self::Finite(value)
    }
}

impl<T: Into<Self>> From<MaybeInfinite<T>> for Value {
    fn from(value: MaybeInfinite<T>) -> Self {
        match value {
            MaybeInfinite::NegInfinity => NEG_INFINITY.into(),
            MaybeInfinite::Finite(value) => value.into(),
            MaybeInfinite::Infinity => INFINITY.into(),
        }
    }
}

impl<'r, T: FromCell<'r>> FromCell<'r> for MaybeInfinite<T> {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::Infinity { is_negative: false } | Cell::Text(INFINITY) => Ok(Self::Infinity),
            Cell::Infinity { is_negative: true } | Cell::Text(NEG_INFINITY) => Ok(Self::NegInfinity),
            other => T::from_cell(other).map(Self::Finite),
        }
    }
}
