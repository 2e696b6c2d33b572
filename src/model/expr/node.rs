//! [`Node`]: the untyped tree of an expression. It is written as SQL once the dialect is known.
//!
//! A leaf is a column, a value or a text; everything else is an [`Operation`] with its operands. Where dialects differ there
//! is one `match`: in the operation, or in the function of an [`Operation::Custom`].

use std::{borrow::Cow, fmt, sync::Arc};

use super::{
    cast::cast,
    in_list::{ValueList, write_parts},
    json_path::JsonPath,
    literal::write_value,
    operator::{Operator, Precedence, bracketed, listed},
    sub_query::SubQuery,
};
use crate::{
    data::value::Value,
    db::Writer,
    driver::Dialect,
    error::Result,
    model::table::{ColumnDef, ColumnType, Stored, Table},
};

/// Writes an operation with its operands, in brackets if the outer precedence needs them.
pub(crate) type Write = fn(&[Node], Precedence, &mut Writer) -> Result<()>;

/// An expression without its Rust type.
#[derive(Clone)]
pub(crate) enum Node {
    /// A column of a table, or of an alias of it.
    Column(Qualifier, &'static ColumnDef),
    /// The value of a column in the row that an insert could not add: `excluded.x`, `VALUES(x)`.
    Excluded(&'static ColumnDef),
    /// The server's clock, in a stored form.
    Now(Stored),
    /// A value that is sent as a parameter.
    Value(Value),
    /// A path into a JSON document, sent as a parameter.
    Path(JsonPath),
    /// A name without a qualifier: an alias of the query, or a column.
    Name(Cow<'static, str>),
    /// SQL written by the caller.
    Sql(Cow<'static, str>),
    /// SQL written by this crate that needs no brackets.
    Text(&'static str),
    /// A query, always in brackets.
    Query(SubQuery),
    /// An operation and its operands.
    Apply(Operation, Vec<Self>),
}

/// An operator, a function or a construct of SQL, without its operands.
#[derive(Clone)]
pub(crate) enum Operation {
    /// An operator with two operands.
    Binary(Operator),
    Not,
    IsNull,
    IsNotNull,
    /// `BETWEEN`, with three operands.
    Between,
    /// A function by its name.
    Call(&'static str),
    /// A cast to another type.
    Cast(ColumnType),
    /// A value where the server cannot infer its type: cast where the dialect needs that.
    Typed(ColumnType),
    /// `CASE`: conditions and values in turn, then the value of ELSE if there is one.
    Case,
    /// A row value: `(a, b)`.
    Row,
    Exists,
    /// `IN` with a list of expressions. The first so many operands are the left side, the others the list.
    List(usize),
    /// `IN` with a list of values. The operands are the left side.
    ValueList(Arc<ValueList>),
    /// Whatever dialects write differently as a whole.
    Custom(Write),
}

/// The qualifier of a column: its table, or an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Qualifier {
    Table(&'static str),
    Alias(Cow<'static, str>),
}

impl Qualifier {
    pub(crate) fn of(table: &Table) -> Self {
        Self::Table(table.name)
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Table(name) => name,
            Self::Alias(name) => name,
        }
    }

    /// Writes a qualified column.
    pub(crate) fn write(&self, column: &str, to: &mut Writer) {
        to.name(self.name());
        to.text(".");
        to.name(column);
    }
}

/// Writes a call of a function.
pub(crate) fn write_call(name: &str, args: &[Node], to: &mut Writer) -> Result<()> {
    to.text(name);
    to.text("(");
    listed(args, to, Node::write)?;
    to.text(")");
    Ok(())
}

/// The two operands of an operator.
pub(crate) fn two(args: &[Node]) -> &[Node; 2] {
    args.try_into().expect("an operator is written with the operands that it was made with")
}

/// Writes an operator between two nodes.
pub(crate) fn write_binary(operator: Operator, args: &[Node], outer: Precedence, to: &mut Writer) -> Result<()> {
    let [left, right] = two(args);
    operator.write(outer, to, |outer, to| left.write_in(outer, to), |outer, to| right.write_in(outer, to))
}

impl Node {
    pub(crate) fn apply(operation: Operation, to: impl IntoIterator<Item = Self>) -> Self {
        Self::Apply(operation, to.into_iter().collect())
    }

    pub(crate) fn binary(operator: Operator, two: [Self; 2]) -> Self {
        Self::Apply(Operation::Binary(operator), two.into())
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self::binary(Operator::And, [self, other])
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self::binary(Operator::Or, [self, other])
    }

    pub(crate) fn call(name: &'static str, args: impl IntoIterator<Item = Self>) -> Self {
        Self::apply(Operation::Call(name), args)
    }

    /// An operation that dialects write differently as a whole.
    pub(crate) fn custom(write: Write, to: impl IntoIterator<Item = Self>) -> Self {
        Self::apply(Operation::Custom(write), to)
    }

    /// A value where the server cannot infer its type. (MySQL would assume text or a float.)
    pub(crate) fn typed(self, ty: ColumnType) -> Self {
        if matches!(self, Self::Value(_)) { Self::apply(Operation::Typed(ty), [self]) } else { self }
    }

    /// A copy in which `replace` has replaced nodes, from the root downwards.
    fn map(&self, replace: &impl Fn(&Self) -> Option<Self>) -> Self {
        if let Some(replaced) = replace(self) {
            return replaced;
        }
        match self {
            Self::Apply(operation, to) => Self::apply(operation.clone(), to.iter().map(|node| node.map(replace))),
            other => other.clone(),
        }
    }

    /// A copy whose columns have no qualifiers.
    pub(crate) fn unqualified(&self) -> Self {
        self.map(&|node| if let Self::Column(_, def) = node { Some(Self::Name(def.name.into())) } else { None })
    }

    /// Adds the tables that its sub-queries read.
    pub(crate) fn tables(&self, out: &mut Vec<&'static Table>) {
        match self {
            Self::Query(query) => out.extend(query.tables()),
            Self::Apply(_, to) => to.iter().for_each(|node| node.tables(out)),
            _ => {}
        }
    }

    /// Whether one of its sub-queries reads this table.
    pub(crate) fn reads(&self, table: &Table) -> bool {
        match self {
            Self::Query(query) => query.tables().iter().any(|read| read.is(table)),
            Self::Apply(_, to) => to.iter().any(|node| node.reads(table)),
            _ => false,
        }
    }

    /// Writes the expression into a statement that changes `table`. MySQL refuses sub-queries there that read the same
    /// table, unless they are materialized first.
    pub(crate) fn write_into(&self, table: &Table, to: &mut Writer) -> Result<()> {
        if !to.can().reads_what_it_writes && self.reads(table) {
            let materialized = |node: &Self| match node {
                Self::Query(query) => Some(Self::Query(query.materialized())),
                _ => None,
            };
            return self.map(&materialized).write(to);
        }
        self.write(to)
    }

    /// Writes the expression where nothing around it binds.
    pub(crate) fn write(&self, to: &mut Writer) -> Result<()> {
        self.write_in(Precedence::Lowest, to)
    }

    /// Writes the expression, in brackets if the outer precedence needs them.
    pub(crate) fn write_in(&self, outer: Precedence, to: &mut Writer) -> Result<()> {
        match self {
            Self::Column(qualifier, def) => qualifier.write(def.name, to),
            Self::Excluded(def) if !to.can().on_conflict => {
                to.text("VALUES(");
                to.name(def.name);
                to.text(")");
            }
            Self::Excluded(def) => Qualifier::Table("excluded").write(def.name, to),
            Self::Now(form) => to.text(form.now(to.dialect())),
            Self::Value(value) => write_value(value, to)?,
            Self::Path(path) => path.write(to)?,
            Self::Name(name) => to.name(name),
            Self::Sql(sql) => bracketed(Precedence::Lowest, outer, to, |to| {
                to.text(sql);
                Ok(())
            })?,
            Self::Text(text) => to.text(text),
            Self::Query(query) => query.write_bracketed(to)?,
            Self::Apply(operation, args) => operation.write(args, outer, to)?,
        }
        Ok(())
    }
}

impl Operation {
    /// Writes the operation with its operands.
    pub(crate) fn write(&self, args: &[Node], outer: Precedence, to: &mut Writer) -> Result<()> {
        match self {
            Self::Binary(operator) => write_binary(*operator, args, outer, to),
            Self::Not => bracketed(Precedence::Not, outer, to, |to| {
                to.text("NOT ");
                // MySQL can be set to have NOT bind closer than a comparison.
                write_each(args, Precedence::Highest, to)
            }),
            Self::IsNull => write_test(args, " IS NULL", outer, to),
            Self::IsNotNull => write_test(args, " IS NOT NULL", outer, to),
            Self::Between => write_between(args, outer, to),
            Self::Call(name) => write_call(name, args, to),
            Self::Cast(ty) => cast(*ty, to, |to| write_each(args, Precedence::Lowest, to)),
            Self::Typed(ty) => {
                let told = match to.dialect() {
                    Dialect::Postgres => true,
                    Dialect::Mysql => ty.is_number() || matches!(ty, ColumnType::Bool | ColumnType::Text),
                    Dialect::Sqlite => false,
                };
                if told { Self::Cast(*ty).write(args, outer, to) } else { write_each(args, outer, to) }
            }
            Self::Case => write_case(args, to),
            Self::Row => write_call("", args, to),
            Self::Exists => {
                to.text("EXISTS");
                write_each(args, outer, to)
            }
            Self::List(width) => {
                let (left, parts) = args.split_at(*width);
                write_parts(&left_of(left), *width, parts, outer, to, Node::write)
            }
            Self::ValueList(in_list) => in_list.write(&left_of(args), args.len(), outer, to),
            Self::Custom(write) => write(args, outer, to),
        }
    }
}

/// The left side of `IN`: one expression, or a row of several.
fn left_of(args: &[Node]) -> impl Fn(Precedence, &mut Writer) -> Result<()> {
    move |outer, to| match args {
        [one] => one.write_in(outer, to),
        row => write_call("", row, to),
    }
}

/// Writes the one operand of an operator.
pub(crate) fn write_each(args: &[Node], outer: Precedence, to: &mut Writer) -> Result<()> {
    args.iter().try_for_each(|node| node.write_in(outer, to))
}

fn write_test(args: &[Node], test: &str, outer: Precedence, to: &mut Writer) -> Result<()> {
    bracketed(Precedence::Comparison, outer, to, |to| {
        write_each(args, Precedence::Sum, to)?;
        to.text(test);
        Ok(())
    })
}

fn write_between(args: &[Node], outer: Precedence, to: &mut Writer) -> Result<()> {
    bracketed(Precedence::Comparison, outer, to, |to| {
        for (node, word) in args.iter().zip(["", " BETWEEN ", " AND "]) {
            to.text(word);
            node.write_in(Precedence::Sum, to)?;
        }
        Ok(())
    })
}

fn write_case(args: &[Node], to: &mut Writer) -> Result<()> {
    to.text("(CASE");
    for pair in args.chunks(2) {
        match pair {
            [condition, value] => {
                to.text(" WHEN (");
                condition.write(to)?;
                to.text(") THEN ");
                value.write(to)?;
            }
            rest => {
                to.text(" ELSE ");
                write_each(rest, Precedence::Lowest, to)?;
            }
        }
    }
    to.text(" END)");
    Ok(())
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(qualifier, def) => write!(f, "{qualifier:?}.{}", def.name),
            Self::Excluded(def) => write!(f, "excluded.{}", def.name),
            Self::Now(_) => f.write_str("now()"),
            Self::Value(value) => value.fmt(f),
            Self::Path(_) => f.write_str("(path)"),
            Self::Name(name) | Self::Sql(name) => f.write_str(name),
            Self::Text(text) => f.write_str(text),
            Self::Query(_) => f.write_str("(query)"),
            Self::Apply(Operation::Binary(operator), to) => write!(f, "({:?} {operator:?} {:?})", to[0], to[1]),
            Self::Apply(_, to) => f.debug_list().entries(to).finish(),
        }
    }
}
