//! [`Columns`]: some columns of one model, of whatever types: what an update writes, what a conflict is about.

use super::{column::Column, traits::Model};

/// Columns of the model `M`: one column, a tuple of several, or an array of columns of one type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no list of columns of `{M}`",
    note = "a column, a tuple of up to eight columns, or an array of columns of one type is"
)]
pub trait Columns<M> {
    /// Their numbers in the table.
    #[doc(hidden)]
    fn indexes(self) -> Vec<usize>;
}

/// None at all.
impl<M: Model> Columns<M> for () {
    fn indexes(self) -> Vec<usize> {
        Vec::new()
    }
}

impl<M: Model, T> Columns<M> for Column<M, T> {
    fn indexes(self) -> Vec<usize> {
        vec![self.index()]
    }
}

impl<M: Model, T, const N: usize> Columns<M> for [Column<M, T>; N] {
    fn indexes(self) -> Vec<usize> {
        self.map(Column::index).into()
    }
}

/// `Columns` for the tuple of the given types, and for all shorter ones.
macro_rules! tuples {
    () => {};
    ($first:ident $($rest:ident)*) => {
        tuples!($($rest)*);
        impl<Mo: Model, $first, $($rest),*> Columns<Mo> for (Column<Mo, $first>, $(Column<Mo, $rest>,)*) {
            fn indexes(self) -> Vec<usize> {
                #[allow(non_snake_case, reason = "the types are all the names that the macro has")]
                let ($first, $($rest,)*) = self;
                vec![$first.index(), $($rest.index()),*]
            }
        }
    };
}

tuples!(A B C D E F G H);
