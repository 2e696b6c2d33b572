//! [`Parts`]: a select without its Rust types, and the statement of sea_query that it becomes.

use std::{borrow::Cow, collections::HashSet};

use sea_query::{
    Alias, Expr as Sea, JoinType, LockBehavior, LockType, Query as Build, SelectStatement, TableName, TableRef,
};

use super::{
    expr::Expr,
    node::{Node, Source, iden},
    order::Order,
    selection::Selected,
    sub_query::SubQuery,
    table::Table,
};
use crate::{
    driver::Dialect,
    error::{Error, ErrorKind, Result},
};

/// What rows come from: a table under its own name, or a table or a query under another.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) table: &'static Table,
    pub(super) source: Source,
    /// In place of the table.
    pub(super) query: Option<SubQuery>,
}

/// A table that is joined, and how.
#[derive(Debug, Clone)]
pub(super) struct Join {
    pub(super) kind: JoinType,
    pub(super) origin: Origin,
    pub(super) on: Expr<bool>,
}

/// Which rows are taken of those that are equal.
#[derive(Debug, Clone, Default)]
pub(super) enum Distinct {
    #[default]
    All,
    Whole,
    On(Vec<Selected>),
}

/// A lock on the rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lock {
    pub(super) kind: LockType,
    pub(super) behavior: Option<LockBehavior>,
}

/// What a select is made of.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) origin: Origin,
    /// What is selected; nothing for the whole model.
    pub(super) nodes: Vec<Selected>,
    pub(super) joins: Vec<Join>,
    pub(super) filter: Option<Expr<bool>>,
    pub(super) group: Vec<Selected>,
    pub(super) having: Option<Expr<bool>>,
    pub(super) distinct: Distinct,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<u64>,
    pub(super) offset: Option<u64>,
    pub(super) lock: Option<Lock>,
}

impl Origin {
    pub(super) fn of(table: &'static Table) -> Self {
        Self { table, source: Source::of(table), query: None }
    }

    /// The whole row, to be selected.
    pub(super) fn selected(&self, out: &mut Vec<Selected>) {
        out.extend(self.table.columns.iter().map(|column| Node::Column(self.source.clone(), column).into()));
    }

    fn table_ref(&self, dialect: Dialect) -> Result<TableRef> {
        if let Some(query) = &self.query {
            return Ok(TableRef::SubQuery(Box::new(query.write(dialect)?), self.source.iden()));
        }
        let name = TableName(self.table.schema.map(|schema| iden(schema).into()), iden(self.table.name));
        let alias = match &self.source {
            Source::Table(_) => None,
            Source::Alias(_) => Some(self.source.iden()),
        };
        Ok(TableRef::Table(name, alias))
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { table, source, query } = self;
        f.debug_struct("Origin")
            .field("table", &table.name)
            .field("source", source)
            .field("query", &query.is_some())
            .finish()
    }
}

impl Parts {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            nodes: Vec::new(),
            joins: Vec::new(),
            filter: None,
            group: Vec::new(),
            having: None,
            distinct: Distinct::All,
            order: Vec::new(),
            limit: None,
            offset: None,
            lock: None,
        }
    }

    /// What is selected.
    pub(super) fn selected(&self) -> Vec<Selected> {
        let mut nodes = self.nodes.clone();
        if nodes.is_empty() {
            self.origin.selected(&mut nodes);
        }
        nodes
    }

    /// The statement of sea_query.
    pub(super) fn statement(&self, dialect: Dialect) -> Result<SelectStatement> {
        let mut select = Build::select();
        let nodes = if self.nodes.is_empty() { &self.selected() } else { &self.nodes };
        for Selected { node, name } in nodes {
            let expr = node.render(dialect)?;
            match name {
                Some(name) => select.expr_as(expr, Alias::new(&**name)),
                None => select.expr(expr),
            };
        }
        self.tail(dialect, &mut select)?;
        Ok(select)
    }

    /// The statement, to stand inside another. MySQL takes no two columns of one name there, so they have names of their
    /// own where that would be.
    pub(super) fn nested(&self, dialect: Dialect) -> Result<SelectStatement> {
        let mut select = self.head(dialect)?;
        self.tail(dialect, &mut select)?;
        Ok(select)
    }

    /// As many rows as the statement has, in no order.
    pub(super) fn rows(&self, dialect: Dialect) -> Result<SelectStatement> {
        let mut select = self.head(dialect)?;
        self.body(dialect, &mut select)?;
        window(dialect, self.limit, self.offset, &mut select);
        Ok(select)
    }

    /// The statement that counts the rows.
    pub(super) fn count(&self, dialect: Dialect) -> Result<SelectStatement> {
        let mut outer = Build::select();
        outer.expr(Sea::cust("COUNT(*)"));
        let plain = matches!(self.distinct, Distinct::All) && self.group.is_empty() && self.having.is_none();
        // An aggregate makes one row of all: it must be left to the database to find that out.
        if plain && self.limit.is_none() && self.offset.is_none() && self.nodes.iter().all(Selected::is_column) {
            self.body(dialect, &mut outer)?;
        } else {
            outer.from_subquery(self.rows(dialect)?, Alias::new("counted"));
        }
        Ok(outer)
    }

    /// Whether a limit or an offset says how many rows there are.
    pub(super) fn is_limited(&self) -> bool {
        self.limit.is_some() || self.offset.is_some()
    }

    /// Adds the tables that it reads.
    pub(super) fn tables(&self, out: &mut Vec<&'static Table>) {
        let Self { origin, nodes, joins, filter, group, having, distinct, order, limit: _, offset: _, lock: _ } = self;
        for origin in std::iter::once(origin).chain(joins.iter().map(|join| &join.origin)) {
            match &origin.query {
                Some(query) => out.extend(query.tables()),
                None => out.push(origin.table),
            }
        }
        let on = if let Distinct::On(on) = distinct { &**on } else { &[] };
        let selected = nodes.iter().chain(group).chain(on).map(|selected| &selected.node);
        let conditions = joins.iter().map(|join| &join.on).chain(filter).chain(having).map(|condition| &condition.node);
        selected.chain(conditions).chain(order.iter().map(Order::node)).for_each(|node| node.tables(out));
    }

    /// Whether it can be a part of a union as it is.
    pub(super) fn is_simple(&self) -> bool {
        self.order.is_empty() && self.limit.is_none() && self.offset.is_none() && self.lock.is_none()
    }

    /// What is selected, no two under one name.
    fn head(&self, dialect: Dialect) -> Result<SelectStatement> {
        let mut select = Build::select();
        let mut names = HashSet::new();
        for (at, Selected { node, name }) in self.selected().into_iter().enumerate() {
            let expr = node.render(dialect)?;
            let own = match (&name, &node) {
                (Some(name), _) => Some(name.clone()),
                (None, Node::Column(_, def)) => Some(def.name.into()),
                (None, _) => None,
            };
            if own.is_some_and(|name| names.insert(name)) && name.is_none() {
                select.expr(expr);
            } else {
                select.expr_as(expr, Alias::new(name.map_or_else(|| format!("c{at}"), Cow::into_owned)));
            }
        }
        Ok(select)
    }

    /// All but what is selected.
    fn tail(&self, dialect: Dialect, select: &mut SelectStatement) -> Result<()> {
        self.body(dialect, select)?;
        for order in &self.order {
            order.render(dialect, select)?;
        }
        window(dialect, self.limit, self.offset, select);
        self.lock(dialect, select)
    }

    /// All but what is selected, the order, and how many of the rows.
    fn body(&self, dialect: Dialect, select: &mut SelectStatement) -> Result<()> {
        select.from(self.origin.table_ref(dialect)?);
        for Join { kind, origin, on } in &self.joins {
            if matches!(kind, JoinType::FullOuterJoin) && dialect == Dialect::Mysql {
                return Err(Error::new(ErrorKind::Unsupported, "MySQL and MariaDB have no FULL JOIN"));
            }
            select.join(*kind, origin.table_ref(dialect)?, on.node.render(dialect)?);
        }
        if let Some(filter) = &self.filter {
            select.and_where(filter.node.render(dialect)?);
        }
        for Selected { node, name: _ } in &self.group {
            select.add_group_by([node.render(dialect)?]);
        }
        if let Some(having) = &self.having {
            select.and_having(having.node.render(dialect)?);
        }
        match &self.distinct {
            Distinct::All => {}
            Distinct::Whole => {
                select.distinct();
            }
            Distinct::On(on) => {
                select.distinct_on(distinct_on(dialect, on)?);
            }
        }
        Ok(())
    }

    fn lock(&self, dialect: Dialect, select: &mut SelectStatement) -> Result<()> {
        let Some(Lock { kind, behavior }) = self.lock.filter(|_| dialect != Dialect::Sqlite) else { return Ok(()) };
        match behavior {
            None => select.lock(kind),
            // MySQL says FOR SHARE for it and MariaDB LOCK IN SHARE MODE, and neither knows the other's.
            Some(_) if dialect == Dialect::Mysql && matches!(kind, LockType::Share) => {
                let text = "MySQL and MariaDB have no common words for a shared lock that does not wait";
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            Some(behavior) => select.lock_with_behavior(kind, behavior),
        };
        Ok(())
    }
}

/// Which of the rows. Only PostgreSQL has an offset without a limit.
pub(super) fn window(dialect: Dialect, limit: Option<u64>, offset: Option<u64>, select: &mut SelectStatement) {
    const MOST: u64 = i64::MAX as u64;
    let limit = match limit {
        None if offset.is_some() && dialect != Dialect::Postgres => Some(MOST),
        limit => limit,
    };
    if let Some(limit) = limit {
        select.limit(limit.min(MOST));
    }
    if let Some(offset) = offset {
        select.offset(offset.min(MOST));
    }
}

fn distinct_on(dialect: Dialect, on: &[Selected]) -> Result<Vec<sea_query::ColumnRef>> {
    let unsupported = |text: &str| Error::new(ErrorKind::Unsupported, text);
    if dialect != Dialect::Postgres {
        return Err(unsupported("only PostgreSQL has DISTINCT ON"));
    }
    on.iter()
        .map(|Selected { node, name: _ }| match node.render(dialect)? {
            Sea::Column(column) => Ok(column),
            _ => Err(unsupported("DISTINCT ON takes columns, not expressions")),
        })
        .collect()
}
