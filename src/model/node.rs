//! [`Node`]: an expression without its Rust type, as a tree that becomes one of sea_query when the dialect is known.
//!
//! Operators and functions are all one kind of node: a function that makes the expression of sea_query for a dialect, and
//! what it is applied to. So an operator that the databases write differently is a `match` in one place.

use std::{borrow::Cow, fmt, sync::Arc};

use sea_query::{ColumnName, ColumnRef, DynIden, Expr as Sea, ExprTrait as _, Func, IntoIden, TableName};

use super::{
    cast::cast,
    field::ColumnType,
    stored::Stored,
    sub_query::SubQuery,
    table::{ColumnDef, Table},
};
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

/// An expression.
#[derive(Clone)]
pub(super) enum Node {
    /// A column of a table, or of an alias of it.
    Column(Source, &'static ColumnDef),
    /// What a column has in the row that an insert could not add.
    Excluded(&'static ColumnDef),
    /// The server's clock, in a form.
    Now(Stored),
    /// A value that is sent as a parameter.
    Value(Value),
    /// A name that the query itself has given to something that it selects.
    Name(Cow<'static, str>),
    /// SQL as it stands.
    Sql(Cow<'static, str>),
    /// Whether two are equal. Apart from other operators, so that a query by a key is known for one.
    Equal(Box<[Self; 2]>),
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

/// Whether it is an integer or a float.
fn is_number(ty: ColumnType) -> bool {
    use ColumnType::{F32, F64, I16, I32, I64, U64};
    matches!(ty, I16 | I32 | I64 | U64 | F32 | F64)
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

    /// A value in a place that does not tell the server what type it has. (MySQL takes it for text or a float then.)
    pub(super) fn typed(self, ty: ColumnType) -> Self {
        if !matches!(self, Self::Value(_)) {
            return self;
        }
        let make = move |dialect, mut args: Vec<Sea>| {
            let value = args.pop().expect("one value has its type told");
            let told = match dialect {
                Dialect::Postgres => true,
                Dialect::Mysql => is_number(ty) || matches!(ty, ColumnType::Bool | ColumnType::Text),
                Dialect::Sqlite => false,
            };
            if told { cast(dialect, value, ty) } else { Ok(value) }
        };
        Self::try_apply(make, [self])
    }

    /// The same with parts of it replaced, each by what `replace` makes of it.
    fn map(&self, replace: &impl Fn(&Self) -> Option<Self>) -> Self {
        if let Some(replaced) = replace(self) {
            return replaced;
        }
        let all = |to: &[Self]| to.iter().map(|node| node.map(replace)).collect();
        match self {
            Self::Equal(two) => Self::Equal(Box::new([two[0].map(replace), two[1].map(replace)])),
            Self::Apply(make, to) => Self::Apply(*make, all(to)),
            Self::Try(make, to) => Self::Try(Arc::clone(make), all(to)),
            other => other.clone(),
        }
    }

    /// The same without the names of tables.
    pub(super) fn unqualified(&self) -> Self {
        self.map(&|node| if let Self::Column(_, def) = node { Some(Self::Name(def.name.into())) } else { None })
    }

    /// Adds the tables that queries in it read.
    pub(super) fn tables(&self, out: &mut Vec<&'static Table>) {
        match self {
            Self::Query(query) => out.extend(query.tables()),
            Self::Equal(two) => two.iter().for_each(|node| node.tables(out)),
            Self::Apply(_, to) | Self::Try(_, to) => to.iter().for_each(|node| node.tables(out)),
            _ => {}
        }
    }

    /// Whether a query in it reads this table.
    pub(super) fn reads(&self, table: &Table) -> bool {
        match self {
            Self::Query(query) => query.tables().iter().any(|read| read.is(table)),
            Self::Equal(two) => two.iter().any(|node| node.reads(table)),
            Self::Apply(_, to) | Self::Try(_, to) => to.iter().any(|node| node.reads(table)),
            _ => false,
        }
    }

    /// Writes the expression into a statement that writes a table. MySQL refuses queries there that read the same table,
    /// unless they are made ahead.
    pub(super) fn write_into(&self, table: &Table, to: &mut Writer) -> Result<()> {
        if to.dialect() == Dialect::Mysql && self.reads(table) {
            let apart = |node: &Self| match node {
                Self::Query(query) => Some(Self::Query(query.apart())),
                _ => None,
            };
            return self.map(&apart).write(to);
        }
        self.write(to)
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
            Self::Column(source, def) => {
                Sea::Column(ColumnRef::Column(ColumnName(Some(TableName(None, source.iden())), iden(def.name))))
            }
            Self::Excluded(def) if dialect == Dialect::Mysql => Func::cust("VALUES").arg(Sea::col(def.name)).into(),
            Self::Excluded(def) => Sea::col(("excluded", def.name)),
            Self::Now(form) => Sea::cust(form.now(dialect)),
            Self::Value(value) => Sea::Value(db::to_sea(value)?),
            Self::Name(name) => Sea::col(name.clone().into_owned()),
            Self::Sql(sql) => Sea::cust(sql.clone().into_owned()),
            Self::Equal(two) => two[0].render(dialect)?.eq(two[1].render(dialect)?),
            Self::Apply(make, to) => {
                let to = to.iter().map(|node| node.render(dialect)).collect::<Result<_>>()?;
                make(dialect, to)
            }
            Self::Try(make, to) => {
                let to = to.iter().map(|node| node.render(dialect)).collect::<Result<_>>()?;
                make(dialect, to)?
            }
            Self::Query(query) => Sea::SubQuery(None, Box::new(query.write(dialect)?.into())),
        })
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(source, def) => write!(f, "{source:?}.{}", def.name),
            Self::Excluded(def) => write!(f, "excluded.{}", def.name),
            Self::Now(_) => f.write_str("now()"),
            Self::Value(value) => value.fmt(f),
            Self::Name(name) | Self::Sql(name) => f.write_str(name),
            Self::Equal(two) => write!(f, "{:?} = {:?}", two[0], two[1]),
            Self::Apply(_, to) | Self::Try(_, to) => f.debug_list().entries(to).finish(),
            Self::Query(_) => f.write_str("(query)"),
        }
    }
}
