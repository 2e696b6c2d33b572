//! [`Key`]: the type of a primary key, of one column or of several.

use std::{fmt, hash::Hash};

use smallvec::{SmallVec, smallvec};

use super::field::Field;
use crate::{
    data::{row::Row, value::Value},
    error::Result,
};

/// The primary key of a model: the type of its one column, or a tuple of several.
pub trait Key: Clone + fmt::Debug + Eq + Hash + Send + Sync + 'static {
    /// How many columns it has.
    const WIDTH: usize;

    /// The values of its columns.
    #[doc(hidden)]
    fn values(&self) -> SmallVec<[Value; 2]>;

    /// Reads the key from the columns from `first` on.
    #[doc(hidden)]
    fn read(row: &Row, first: usize) -> Result<Self>;
}

impl<T: Field + Clone + fmt::Debug + Eq + Hash> Key for T {
    const WIDTH: usize = 1;

    fn values(&self) -> SmallVec<[Value; 2]> {
        smallvec![self.to_value()]
    }

    fn read(row: &Row, first: usize) -> Result<Self> {
        row.get(first)
    }
}

/// `Key` for tuples.
macro_rules! tuples {
    ($(($width:literal: $($type:ident $at:tt),+))+) => {$(
        impl<$($type: Field + Clone + fmt::Debug + Eq + Hash),+> Key for ($($type,)+) {
            const WIDTH: usize = $width;

            fn values(&self) -> SmallVec<[Value; 2]> {
                smallvec![$(self.$at.to_value()),+]
            }

            fn read(row: &Row, first: usize) -> Result<Self> {
                Ok(($(row.get(first + $at)?,)+))
            }
        }
    )+};
}

tuples! {
    (2: A 0, B 1)
    (3: A 0, B 1, C 2)
    (4: A 0, B 1, C 2, D 3)
}
