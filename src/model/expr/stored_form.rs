//! The form of a [`Node`]'s values: a value is written in the form of the column that it is compared with or assigned to.

use super::{
    node::{Node, Operation, Write, write_each},
    operator::Operator,
};
use crate::{
    data::value::Value,
    error::{Error, ErrorKind},
    model::table::Stored,
};

impl Node {
    /// The stored form of its values, if they come from a column whose type has several forms.
    pub(crate) fn form(&self) -> Option<Stored> {
        match self {
            Self::Column(_, def) | Self::Excluded(def) => def.ty.has_forms().then(|| def.form()),
            Self::Query(query) => query.form(),
            // What is compared is a truth value.
            Self::Apply(Operation::Binary(Operator::Equal), _) => None,
            Self::Apply(_, to) => to.iter().filter_map(Self::form).find(|form| !form.agrees_with(Stored::Native)),
            Self::Value(_) | Self::Path(_) | Self::Name(_) | Self::Sql(_) | Self::Text(_) | Self::Now(_) => None,
        }
    }

    /// The node with its values in the stored form of `to`, which it is compared with or assigned to.
    pub(crate) fn in_form_of(self, to: &Self) -> Self {
        let form = || to.form().unwrap_or_default();
        match self {
            Self::Value(value @ (Value::Uuid(_) | Value::DateTimeUtc(_) | Value::Array(_))) => {
                Self::Value(form().value(value))
            }
            Self::Now(_) => Self::Now(form()),
            // A value with a cast.
            Self::Apply(Operation::Typed(ty), value) => {
                Self::apply(Operation::Typed(ty), value.into_iter().map(|value| value.in_form_of(to)))
            }
            Self::Column(..) | Self::Excluded(_) | Self::Query(_) => self.checked_form(to),
            other => other,
        }
    }

    /// The node, or an error when it is written if it is a column in another stored form than `to`. (PostgreSQL reports that
    /// itself: there the forms are types.)
    fn checked_form(self, to: &Self) -> Self {
        let form = |node: &Self| match node {
            Self::Column(..) | Self::Excluded(_) | Self::Query(_) => node.form(),
            _ => None,
        };
        match (form(&self), form(to)) {
            (Some(own), Some(other)) if !own.agrees_with(other) => {
                let write: Write = |args, outer, to| {
                    if to.can().types_forms {
                        return write_each(args, outer, to);
                    }
                    let text = "two columns that store their values in different forms cannot be compared as they are";
                    Err(Error::new(ErrorKind::Unsupported, text))
                };
                Self::custom(write, [self])
            }
            _ => self,
        }
    }
}
