//! [`SelectAst`]: the untyped syntax tree of a select. `select_text.rs` writes it.

use super::selection::SelectItem;
use crate::model::{
    expr::{Expr, Node, Operation, Operator, Order, Qualifier, SubQuery},
    table::{Stored, Table},
};

/// What rows come from: a table under its own name, or a table or a query under another.
#[derive(Clone)]
pub(crate) struct FromItem {
    pub(crate) table: &'static Table,
    pub(crate) qualifier: Qualifier,
    /// In place of the table.
    pub(crate) query: Option<SubQuery>,
}

/// A table that is joined, and how.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) from_item: FromItem,
    pub(crate) on: Expr<bool>,
}

/// Which rows of two tables a join has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Full,
}

/// Which rows are taken of those that are equal.
#[derive(Debug, Clone, Default)]
pub(crate) enum Distinct {
    #[default]
    All,
    Whole,
    On(Vec<SelectItem>),
}

/// A lock on the rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lock {
    pub(crate) kind: LockKind,
    pub(crate) wait: LockWait,
}

/// Whom a lock on rows keeps out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockKind {
    Update,
    Share,
}

/// What is done about rows that somebody else has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockWait {
    Wait,
    SkipLocked,
    Nowait,
}

/// What a select is made of.
#[derive(Debug, Clone)]
pub(crate) struct SelectAst {
    pub(crate) from_item: FromItem,
    /// What is selected; nothing for the whole model.
    pub(crate) nodes: Vec<SelectItem>,
    pub(crate) joins: Vec<Join>,
    pub(crate) filter: Option<Expr<bool>>,
    pub(crate) group: Vec<SelectItem>,
    pub(crate) having: Option<Expr<bool>>,
    pub(crate) distinct: Distinct,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) lock: Option<Lock>,
}

impl FromItem {
    pub(crate) fn of(table: &'static Table) -> Self {
        Self { table, qualifier: Qualifier::of(table), query: None }
    }

    /// The whole row, to be selected.
    pub(crate) fn selected(&self, out: &mut Vec<SelectItem>) {
        out.extend(self.table.columns.iter().map(|column| Node::Column(self.qualifier.clone(), column).into()));
    }
}

impl std::fmt::Debug for FromItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { table, qualifier, query } = self;
        f.debug_struct("FromItem")
            .field("table", &table.name)
            .field("source", qualifier)
            .field("query", &query.is_some())
            .finish()
    }
}

impl SelectAst {
    pub(crate) fn new(from_item: FromItem) -> Self {
        Self {
            from_item,
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
    pub(crate) fn selected(&self) -> Vec<SelectItem> {
        let mut nodes = self.nodes.clone();
        if nodes.is_empty() {
            self.from_item.selected(&mut nodes);
        }
        nodes
    }

    /// The form of the values, if it is of one column.
    pub(crate) fn form(&self) -> Option<Stored> {
        if let [selected] = &*self.selected() { selected.node.form() } else { None }
    }

    /// Whether nothing is asked for but the whole row that has a key. An order and a limit of one or more change nothing.
    pub(crate) fn is_by_key(&self) -> bool {
        let Self { from_item, nodes, joins, filter, group, having, distinct, order: _, limit, offset, lock } = self;
        let FromItem { table, qualifier, query } = from_item;
        let plain = nodes.is_empty() && joins.is_empty() && group.is_empty() && having.is_none() && query.is_none();
        let plain =
            plain && matches!(distinct, Distinct::All) && *limit != Some(0) && offset.is_none() && lock.is_none();
        let is_key = |column: &Node| match (column, table.primary_key) {
            (Node::Column(of, def), [key]) => of == qualifier && def.name == table.columns[*key].name,
            _ => false,
        };
        let by_key = |filter: &Expr<bool>| match &filter.node {
            Node::Apply(Operation::Binary(Operator::Equal), two) => is_key(&two[0]) && matches!(two[1], Node::Value(_)),
            _ => false,
        };
        plain && filter.as_ref().is_some_and(by_key)
    }

    /// Whether a limit or an offset says how many rows there are.
    pub(crate) fn is_limited(&self) -> bool {
        self.limit.is_some() || self.offset.is_some()
    }

    /// Adds the tables that it reads.
    pub(crate) fn tables(&self, out: &mut Vec<&'static Table>) {
        let Self { from_item, nodes, joins, filter, group, having, distinct, order, limit: _, offset: _, lock: _ } =
            self;
        for from_item in std::iter::once(from_item).chain(joins.iter().map(|join| &join.from_item)) {
            match &from_item.query {
                Some(query) => out.extend(query.tables()),
                None => out.push(from_item.table),
            }
        }
        let on = if let Distinct::On(on) = distinct { &**on } else { &[] };
        let selected = nodes.iter().chain(group).chain(on).map(|selected| &selected.node);
        let conditions = joins.iter().map(|join| &join.on).chain(filter).chain(having).map(|condition| &condition.node);
        selected.chain(conditions).chain(order.iter().map(Order::node)).for_each(|node| node.tables(out));
    }

    /// Whether it can be a part of a union as it is.
    pub(crate) fn is_simple(&self) -> bool {
        self.order.is_empty() && self.limit.is_none() && self.offset.is_none() && self.lock.is_none()
    }
}
