//! [`Node`]: an expression without its Rust type, as a tree that becomes one of sea_query when the dialect is known.
//!
//! Operators and functions are all one kind of node: a function that makes the expression of sea_query for a dialect, and
//! what it is applied to. So an operator that the databases write differently is a `match` in one place.

use std::{borrow::Cow, fmt, sync::Arc};

use sea_query::{ColumnName, ColumnRef, DynIden, Expr as Sea, Func, IntoIden, SelectStatement, TableName};

use super::table::Table;
use crate::{
    db::{self, Writer},
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    value::Value,
};

/// Makes an expression out of those that an operator is applied to.
pub(super) type Make = fn(Dialect, Vec<Sea>) -> Sea;

/// As [`Make`], for what not every database can say, or what needs more than its operands.
pub(super) type TryMake = Arc<dyn Fn(Dialect, Vec<Sea>) -> Result<Sea> + Send + Sync>;

/// A query inside an expression.
pub(super) type SubQuery = Arc<dyn Fn(Dialect) -> Result<SelectStatement> + Send + Sync>;

/// An expression.
#[derive(Clone)]
pub(super) enum Node {
    /// A column of a table, or of an alias of it.
    Column(Source, &'static str),
    /// A value that is sent as a parameter.
    Value(Value),
    /// A name that the query itself has given to something that it selects.
    Name(Cow<'static, str>),
    /// SQL as it stands.
    Sql(Cow<'static, str>),
    /// An operator or a function.
    Apply(Make, Vec<Self>),
    /// An operator or a function that not every database has.
    Try(TryMake, Vec<Self>),
    /// A query.
    Query(SubQuery),
}

/// What a column is a column of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Table(&'static str),
    Alias(Cow<'static, str>),
}

impl Source {
    pub(super) fn of(table: &Table) -> Self {
        Self::Table(table.name)
    }

    pub(super) fn iden(&self) -> DynIden {
        match self {
            Self::Table(name) => iden(name),
            Self::Alias(name) => name.clone().into_owned().into_iden(),
        }
    }
}

/// A name that lives as long as the program.
pub(super) fn iden(name: &'static str) -> DynIden {
    name.into_iden()
}

impl Node {
    pub(super) fn apply(make: Make, to: impl IntoIterator<Item = Self>) -> Self {
        Self::Apply(make, to.into_iter().collect())
    }

    pub(super) fn try_apply(
        make: impl Fn(Dialect, Vec<Sea>) -> Result<Sea> + Send + Sync + 'static,
        to: impl IntoIterator<Item = Self>,
    ) -> Self {
        Self::Try(Arc::new(make), to.into_iter().collect())
    }

    /// What a column has in the row that an insert could not add.
    pub(super) fn excluded(column: &'static str) -> Self {
        let make = move |dialect, _| {
            Ok(match dialect {
                Dialect::Mysql => Func::cust("VALUES").arg(Sea::col(column)).into(),
                _ => Sea::col(("excluded", column)),
            })
        };
        Self::try_apply(make, [])
    }

    /// Writes the expression into a statement.
    pub(super) fn write(&self, to: &mut Writer) -> Result<()> {
        match self {
            // By far the most: values of an insert, which need no way round.
            Self::Value(Value::Invalid(reason)) => return Err(Error::new(ErrorKind::Parameter, *reason)),
            Self::Value(value) => to.value(value.clone()),
            other => to.expr(&other.render(to.dialect())?),
        }
        Ok(())
    }

    /// The expression of sea_query.
    pub(super) fn render(&self, dialect: Dialect) -> Result<Sea> {
        Ok(match self {
            Self::Column(source, name) => {
                Sea::Column(ColumnRef::Column(ColumnName(Some(TableName(None, source.iden())), iden(name))))
            }
            Self::Value(value) => Sea::Value(db::to_sea(value)?),
            Self::Name(name) => Sea::col(name.clone().into_owned()),
            Self::Sql(sql) => Sea::cust(sql.clone().into_owned()),
            Self::Apply(make, to) => {
                let to = to.iter().map(|node| node.render(dialect)).collect::<Result<_>>()?;
                make(dialect, to)
            }
            Self::Try(make, to) => {
                let to = to.iter().map(|node| node.render(dialect)).collect::<Result<_>>()?;
                make(dialect, to)?
            }
            Self::Query(query) => Sea::SubQuery(None, Box::new(query(dialect)?.into())),
        })
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(source, name) => write!(f, "{source:?}.{name}"),
            Self::Value(value) => value.fmt(f),
            Self::Name(name) | Self::Sql(name) => f.write_str(name),
            Self::Apply(_, to) | Self::Try(_, to) => f.debug_list().entries(to).finish(),
            Self::Query(_) => f.write_str("(query)"),
        }
    }
}
