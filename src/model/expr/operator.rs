//! [`Operator`] and [`Precedence`]: the operators, and where brackets are needed.
//!
//! One table holds for all databases: it says only what all of them agree on. Where they do not, as for the operators that
//! PostgreSQL lets its types define, what stands beside them is in brackets.

use crate::{
    db::Writer,
    error::{Error, ErrorKind, Result},
};

/// How closely an expression holds together, from the loosest on. The same scale tells what a place takes without brackets:
/// that which holds together at least so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precedence {
    /// SQL of the caller's. As a place: between commas or brackets, where anything stands by itself.
    Lowest,
    Or,
    And,
    Not,
    /// Comparisons, IN, LIKE, BETWEEN, IS NULL.
    Comparison,
    /// Operators that bind closer than comparisons everywhere, and whose order with `+` and `*` differs.
    Other,
    Sum,
    Product,
    /// What is one in every place: a column, a parameter, a call, what has brackets of its own.
    Highest,
}

impl Precedence {
    /// Whether a place takes an expression without brackets. AND within OR would need none, except for who reads it.
    fn takes(self, inner: Self) -> bool {
        inner >= self && !(self == Self::Or && inner == Self::And)
    }
}

/// An operator between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    /// Division of integers on MySQL.
    DivideWhole,
    Modulo,
    /// LIKE, and what stands behind it.
    Like(&'static str),
    /// `ILIKE` of PostgreSQL.
    ILike,
    /// Any other.
    Other(&'static str),
    /// One of hstore, which only PostgreSQL has.
    HStore(&'static str),
}

impl Operator {
    fn text(self) -> &'static str {
        match self {
            Self::Or => "OR",
            Self::And => "AND",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "IN",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::DivideWhole => "DIV",
            Self::Modulo => "%",
            Self::Like(_) => "LIKE",
            Self::ILike => "ILIKE",
            Self::Other(text) | Self::HStore(text) => text,
        }
    }

    /// How closely it holds together what it makes, and what it takes without brackets on the left and on the right. All
    /// are written from left to right, so on the left the same may stand again.
    fn bindings(self) -> (Precedence, Precedence, Precedence) {
        use Precedence::{And, Comparison, Highest, Not, Or, Other, Product, Sum};
        match self {
            Self::Or => (Or, Or, Not),
            Self::And => (And, And, Not),
            Self::Equal | Self::NotEqual | Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => {
                (Comparison, Sum, Sum)
            }
            // MySQL takes no more than a simple expression behind LIKE.
            Self::In | Self::Like(_) | Self::ILike => (Comparison, Sum, Highest),
            Self::Other(_) | Self::HStore(_) => (Other, Highest, Highest),
            Self::Add | Self::Subtract => (Sum, Sum, Product),
            Self::Multiply | Self::Divide | Self::DivideWhole | Self::Modulo => (Product, Product, Highest),
        }
    }

    /// Writes it between two expressions, each of which is told what its place takes.
    pub(crate) fn write(
        self,
        outer: Precedence,
        to: &mut Writer,
        left: impl FnOnce(Precedence, &mut Writer) -> Result<()>,
        right: impl FnOnce(Precedence, &mut Writer) -> Result<()>,
    ) -> Result<()> {
        if matches!(self, Self::HStore(_)) && !to.can().hstore {
            let text = format!("only PostgreSQL has hstore and its operator {}", self.text());
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let (own, on_left, on_right) = self.bindings();
        bracketed(own, outer, to, |to| {
            left(on_left, to)?;
            to.text(" ");
            to.text(self.text());
            to.text(" ");
            right(on_right, to)?;
            if let Self::Like(behind) = self {
                to.text(behind);
            }
            Ok(())
        })
    }
}

/// Writes an expression that holds together so, in brackets if the place takes only what holds together closer.
pub(crate) fn bracketed(
    own: Precedence,
    outer: Precedence,
    to: &mut Writer,
    write: impl FnOnce(&mut Writer) -> Result<()>,
) -> Result<()> {
    if outer.takes(own) {
        return write(to);
    }
    to.text("(");
    write(to)?;
    to.text(")");
    Ok(())
}

/// Writes parts with commas between them.
#[inline]
pub(crate) fn listed<T>(
    parts: impl IntoIterator<Item = T>,
    to: &mut Writer,
    mut write: impl FnMut(T, &mut Writer) -> Result<()>,
) -> Result<()> {
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            to.text(", ");
        }
        write(part, to)?;
    }
    Ok(())
}
