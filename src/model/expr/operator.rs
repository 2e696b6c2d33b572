//! [`Operator`] and [`Precedence`]: the operators, and where brackets are needed.
//!
//! There is one table for all databases, with what they agree on. Where they do not, as for the user-defined operators of
//! PostgreSQL, operands are in brackets.

use crate::{
    db::Writer,
    error::{Error, ErrorKind, Result},
};

/// The precedence of an expression, from the lowest on; or the lowest precedence that an operand may have without brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precedence {
    /// Raw SQL. As an outer precedence: nothing around binds, as between commas or brackets.
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
    /// Never needs brackets: a column, a parameter, a call, anything in brackets.
    Highest,
}

impl Precedence {
    /// Whether an expression of the precedence `inner` needs no brackets. AND within OR has some for the reader's sake.
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
    /// LIKE, and the text behind the pattern.
    Like(&'static str),
    /// `ILIKE` of PostgreSQL.
    ILike,
    /// Any other operator.
    Other(&'static str),
    /// An operator of hstore, on PostgreSQL only.
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

    /// The precedence of the operator, and those of its left and right operand. Operators are left-associative.
    fn bindings(self) -> (Precedence, Precedence, Precedence) {
        use Precedence::{And, Comparison, Highest, Not, Or, Other, Product, Sum};
        match self {
            Self::Or => (Or, Or, Not),
            Self::And => (And, And, Not),
            Self::Equal | Self::NotEqual | Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => {
                (Comparison, Sum, Sum)
            }
            // MySQL takes only a simple expression behind LIKE.
            Self::In | Self::Like(_) | Self::ILike => (Comparison, Sum, Highest),
            Self::Other(_) | Self::HStore(_) => (Other, Highest, Highest),
            Self::Add | Self::Subtract => (Sum, Sum, Product),
            Self::Multiply | Self::Divide | Self::DivideWhole | Self::Modulo => (Product, Product, Highest),
        }
    }

    /// Writes the operator between two operands, each of which is given its precedence.
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

/// Writes an expression of the precedence `own`, in brackets if the outer precedence needs them.
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

/// Writes items with commas between them.
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
