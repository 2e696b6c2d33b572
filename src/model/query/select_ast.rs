//! [`SelectAst`]: the untyped syntax tree of a select. `select_text.rs` writes it.

use super::selection::SelectItem;
use crate::model::{
    expr::{Expr, Node, Operation, Operator, Order, Qualifier, SubQuery},
    table::{Stored, Table},
};

/// An item of FROM: a table, or a table or query under an alias.
#[derive(Clone)]
pub(crate) struct FromItem {
    pub(crate) table: &'static Table,
    pub(crate) qualifier: Qualifier,
    /// The query in place of the table.
    pub(crate) query: Option<SubQuery>,
}

/// A join.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) from_item: FromItem,
    pub(crate) on: Expr<bool>,
}

/// The kind of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Full,
}

/// DISTINCT.
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

/// The strength of a lock on rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockKind {
    Update,
    Share,
}

/// What happens with rows that another transaction has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockWait {
    Wait,
    SkipLocked,
    Nowait,
}

/// The clauses of a select.
#[derive(Debug, Clone)]
pub(crate) struct SelectAst {
    pub(crate) from_item: FromItem,
    /// The select list; empty for the whole model.
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

    /// Adds all columns to a select list.
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

    /// The select list, that of the whole model written out.
    pub(crate) fn selected(&self) -> Vec<SelectItem> {
        let mut nodes = self.nodes.clone();
        if nodes.is_empty() {
            self.from_item.selected(&mut nodes);
        }
        nodes
    }

    /// The stored form of the values, if there is one column.
    pub(crate) fn form(&self) -> Option<Stored> {
        if let [selected] = &*self.selected() { selected.node.form() } else { None }
    }

    /// Whether it is a plain select of the whole row by its key. An order, and a limit of at least one, make no difference.
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

    /// Whether it has a limit or an offset.
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

    /// Whether it can be a member of a union without brackets.
    pub(crate) fn is_simple(&self) -> bool {
        self.order.is_empty() && self.limit.is_none() && self.offset.is_none() && self.lock.is_none()
    }
}
