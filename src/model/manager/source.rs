//! [`IntoSelect`]: what says which row is wanted: conditions, a key, or a query.

use crate::model::{
    expr::Expr,
    query::Select,
    table::{Field, ForeignKey, Model},
};

/// What [`Manager::get`](crate::Manager::get) takes: a condition, several of them (an array, a `Vec` or a tuple) that
/// must all hold, a foreign key, or a query.
///
/// A condition does not tell the model: `let user: User = …` or `get::<User>(…)` does.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which `{M}` is wanted",
    note = "a condition, an array or a tuple of conditions, a `ForeignKey<{M}>` and a `Select<{M}>` do"
)]
pub trait IntoSelect<M: Model>: Send {
    /// The query.
    fn into_select(self) -> Select<M>;
}

impl<M: Model> IntoSelect<M> for Select<M> {
    fn into_select(self) -> Self {
        self
    }
}

impl<M: Model> IntoSelect<M> for Expr<bool> {
    fn into_select(self) -> Select<M> {
        M::select().filter(self)
    }
}

impl<M: Model<Key: Field>> IntoSelect<M> for ForeignKey<M> {
    fn into_select(self) -> Select<M> {
        M::by_key(self.into_key())
    }
}

impl<M: Model<Key: Field>> IntoSelect<M> for &ForeignKey<M> {
    fn into_select(self) -> Select<M> {
        M::by_key(self.key().clone())
    }
}

impl<M: Model, const N: usize> IntoSelect<M> for [Expr<bool>; N] {
    fn into_select(self) -> Select<M> {
        self.into_iter().fold(M::select(), Select::filter)
    }
}

impl<M: Model> IntoSelect<M> for Vec<Expr<bool>> {
    fn into_select(self) -> Select<M> {
        self.into_iter().fold(M::select(), Select::filter)
    }
}

/// `IntoSelect` for tuples of conditions.
macro_rules! tuples {
    ($(($($type:ident $at:tt),+))+) => {$(
        impl<M: Model, $($type: Into<Expr<bool>> + Send),+> IntoSelect<M> for ($($type,)+) {
            fn into_select(self) -> Select<M> {
                M::select()$(.filter(self.$at))+
            }
        }
    )+};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}
