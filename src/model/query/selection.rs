//! [`Selection`]: what a query selects, and how a row of it is read: a column, an expression, or a tuple of them.

use std::borrow::Cow;

use crate::{
    data::{cell::FromCell, row::Row},
    db::Writer,
    error::Result,
    model::{
        expr::{Column, Expr, Node, Qualifier, methods},
        table::{Field, Model, Table},
    },
};

/// An item of a select list: an expression, and its alias.
#[derive(Debug, Clone)]
pub(crate) struct SelectItem {
    pub(crate) node: Node,
    pub(crate) name: Option<Cow<'static, str>>,
}

impl SelectItem {
    pub(crate) fn is_column(&self) -> bool {
        matches!(self.node, Node::Column(..))
    }

    /// Writes it with its alias.
    pub(crate) fn write(&self, to: &mut Writer) -> Result<()> {
        let Self { node, name } = self;
        node.write(to)?;
        if let Some(name) = name {
            to.text(" AS ");
            to.name(name);
        }
        Ok(())
    }
}

impl From<Node> for SelectItem {
    fn from(node: Node) -> Self {
        Self { node, name: None }
    }
}

/// What a query selects in place of the whole model.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be selected",
    note = "a column, an expression, and tuples of up to twelve of them can"
)]
pub trait Selection {
    /// What a row is read as.
    type Output: Send + 'static;

    /// The number of columns.
    #[doc(hidden)]
    const WIDTH: usize;

    /// The expressions to select.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "what an expression is made of is nobody's business outside")]
    fn nodes(self, out: &mut Vec<SelectItem>);

    /// Reads the columns from `first` on.
    #[doc(hidden)]
    fn read(row: &Row, first: usize) -> Result<Self::Output>;
}

impl<M: Model, T: Field> Selection for Column<M, T> {
    type Output = T;
    const WIDTH: usize = 1;

    #[expect(private_interfaces, reason = "as in the trait")]
    fn nodes(self, out: &mut Vec<SelectItem>) {
        out.push(self.expr().node.into());
    }

    fn read(row: &Row, first: usize) -> Result<T> {
        row.get(first)
    }
}

impl<T: for<'r> FromCell<'r> + Send + 'static> Selection for Expr<T> {
    type Output = T;
    const WIDTH: usize = 1;

    #[expect(private_interfaces, reason = "as in the trait")]
    fn nodes(self, out: &mut Vec<SelectItem>) {
        out.push(self.node.into());
    }

    fn read(row: &Row, first: usize) -> Result<T> {
        row.get(first)
    }
}

/// An expression with an alias. Made by [`Expr::named`].
#[derive(Debug)]
#[must_use = "it does nothing before it is given to a query"]
pub struct Named<T> {
    expr: Expr<T>,
    name: Cow<'static, str>,
}

impl<T: for<'r> FromCell<'r> + Send + 'static> Selection for Named<T> {
    type Output = T;
    const WIDTH: usize = 1;

    #[expect(private_interfaces, reason = "as in the trait")]
    fn nodes(self, out: &mut Vec<SelectItem>) {
        out.push(SelectItem { node: self.expr.node, name: Some(self.name) });
    }

    fn read(row: &Row, first: usize) -> Result<T> {
        row.get(first)
    }
}

/// `Selection` for the tuple of the given types, and for all shorter ones.
macro_rules! tuples {
    () => {};
    ($first:ident $($rest:ident)*) => {
        tuples!($($rest)*);
        tuples!(@one $first $($rest)*);
    };
    (@one $($type:ident)+) => {
        impl<$($type: Selection),+> Selection for ($($type,)+) {
            type Output = ($($type::Output,)+);
            const WIDTH: usize = 0 $(+ $type::WIDTH)+;

            #[expect(private_interfaces, reason = "as in the trait")]
            fn nodes(self, out: &mut Vec<SelectItem>) {
                #[allow(non_snake_case, reason = "the types are all the names that the macro has")]
                let ($($type,)+) = self;
                $($type.nodes(out);)+
            }

            fn read(row: &Row, first: usize) -> Result<Self::Output> {
                let mut at = first;
                // Where a part begins is where the one before it ends.
                let mut next = |width| {
                    at += width;
                    at - width
                };
                Ok(($($type::read(row, next($type::WIDTH))?,)+))
            }
        }
    };
}

tuples!(A B C D E F G H I J K L);

impl Table {
    /// The select list of the primary key.
    pub(crate) fn key_selected(&'static self) -> Vec<SelectItem> {
        self.primary_key.iter().map(|&column| self.selected(column)).collect()
    }

    /// The select list of all columns.
    pub(crate) fn all_selected(&'static self) -> Vec<SelectItem> {
        (0..self.columns.len()).map(|column| self.selected(column)).collect()
    }

    fn selected(&'static self, column: usize) -> SelectItem {
        Node::Column(Qualifier::of(self), &self.columns[column]).into()
    }
}

methods! {
    [T]
    /// The expression with an alias, which [`functions::name`](crate::query::functions::name) refers to and
    /// [`Select::into`](crate::query::Select::into) reads by.
    fn named(self, name: impl Into<Cow<'static, str>>) -> Named<T> {
        Named { expr: self, name: name.into() }
    }
}
