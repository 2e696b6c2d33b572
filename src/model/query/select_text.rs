//! The text of a [`SelectAst`].

use std::{borrow::Cow, collections::HashSet};

use super::{
    select_ast::{Distinct, FromItem, Join, JoinKind, Lock, LockKind, LockWait, SelectAst},
    selection::SelectItem,
};
use crate::{
    data::value::Value,
    db::Writer,
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::expr::{Node, Qualifier, listed, write_from, write_order},
};

impl SelectAst {
    /// Writes the statement.
    pub(crate) fn write(&self, to: &mut Writer) -> Result<()> {
        self.write_head(to)?;
        self.write_tail(to)
    }

    /// Writes the statement without order and limit, which make no difference to one row.
    pub(crate) fn write_by_key(&self, to: &mut Writer) -> Result<()> {
        self.write_head(to)?;
        self.write_body(to)
    }

    fn write_head(&self, to: &mut Writer) -> Result<()> {
        self.write_verb(to)?;
        if self.nodes.is_empty() {
            let FromItem { table, qualifier, .. } = &self.from_item;
            to.columns(qualifier.name(), table.columns.iter().map(|column| column.name));
            Ok(())
        } else {
            listed(&self.nodes, to, SelectItem::write)
        }
    }

    /// Writes the statement as a derived table. MySQL takes no two columns of one name there: duplicates get aliases.
    pub(crate) fn write_with_names(&self, to: &mut Writer) -> Result<()> {
        self.write_head_with_names(to)?;
        self.write_tail(to)
    }

    /// Writes a statement with the same number of rows, without an order.
    pub(crate) fn write_rows(&self, to: &mut Writer) -> Result<()> {
        self.write_head_with_names(to)?;
        self.write_body(to)?;
        write_window(self.limit, self.offset, to);
        Ok(())
    }

    /// Writes the statement that counts the rows.
    pub(crate) fn write_count(&self, to: &mut Writer) -> Result<()> {
        to.text("SELECT COUNT(*)");
        let plain = matches!(self.distinct, Distinct::All) && self.group.is_empty() && self.having.is_none();
        // An aggregate reduces the rows to one: such a select is counted as a derived table.
        if plain && self.limit.is_none() && self.offset.is_none() && self.nodes.iter().all(SelectItem::is_column) {
            self.write_body(to)
        } else {
            write_from("counted", to, |to| self.write_rows(to))
        }
    }

    fn write_verb(&self, to: &mut Writer) -> Result<()> {
        match &self.distinct {
            Distinct::All => to.text("SELECT "),
            Distinct::Whole => to.text("SELECT DISTINCT "),
            Distinct::On(on) => write_distinct_on(on, to)?,
        }
        Ok(())
    }

    /// Writes the select list, no two columns under one name.
    fn write_head_with_names(&self, to: &mut Writer) -> Result<()> {
        self.write_verb(to)?;
        let selected = self.selected();
        let mut names = HashSet::new();
        listed(selected.iter().enumerate(), to, |(at, SelectItem { node, name }), to| {
            node.write(to)?;
            let own = match (name, node) {
                (Some(name), _) => Some(&**name),
                (None, Node::Column(_, def)) => Some(def.name),
                (None, _) => None,
            };
            if !own.is_some_and(|name| names.insert(name)) || name.is_some() {
                to.text(" AS ");
                to.name(&name.as_deref().map_or_else(|| Cow::from(format!("c{at}")), Cow::from));
            }
            Ok(())
        })
    }

    /// Writes everything behind the select list.
    fn write_tail(&self, to: &mut Writer) -> Result<()> {
        self.write_body(to)?;
        write_order(&self.order, to)?;
        write_window(self.limit, self.offset, to);
        self.lock.map_or(Ok(()), |lock| lock.write(to))
    }

    /// Writes everything between the select list and ORDER BY.
    fn write_body(&self, to: &mut Writer) -> Result<()> {
        to.text(" FROM ");
        self.from_item.write(to)?;
        for Join { kind, from_item, on } in &self.joins {
            if *kind == JoinKind::Full && !to.can().full_join {
                return Err(Error::new(ErrorKind::Unsupported, "MySQL and MariaDB have no FULL JOIN"));
            }
            to.text(match kind {
                JoinKind::Inner => " INNER JOIN ",
                JoinKind::Left => " LEFT JOIN ",
                JoinKind::Full => " FULL OUTER JOIN ",
            });
            from_item.write(to)?;
            to.text(" ON ");
            on.node.write(to)?;
        }
        if let Some(filter) = &self.filter {
            to.text(" WHERE ");
            filter.node.write(to)?;
        }
        if !self.group.is_empty() {
            to.text(" GROUP BY ");
            listed(&self.group, to, |selected, to| selected.node.write(to))?;
        }
        if let Some(having) = &self.having {
            to.text(" HAVING ");
            having.node.write(to)?;
        }
        Ok(())
    }
}

impl FromItem {
    fn write(&self, to: &mut Writer) -> Result<()> {
        let Self { table, qualifier, query } = self;
        match (query, qualifier) {
            (Some(query), _) => query.write_bracketed(to)?,
            (None, _) => table.write(to),
        }
        if query.is_some() || matches!(qualifier, Qualifier::Alias(_)) {
            to.text(" AS ");
            to.name(qualifier.name());
        }
        Ok(())
    }
}

impl Lock {
    /// Writes the lock. SQLite has no row locks: nothing is written.
    pub(crate) fn write(self, to: &mut Writer) -> Result<()> {
        let Self { kind, wait } = self;
        if !to.can().row_locks {
            return Ok(());
        }
        if kind == LockKind::Share && wait != LockWait::Wait && !to.can().shared_without_waiting {
            let text = "MySQL and MariaDB have no common words for a shared lock that does not wait";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        to.text(match (kind, to.dialect()) {
            (LockKind::Update, _) => " FOR UPDATE",
            // MariaDB has no FOR SHARE.
            (LockKind::Share, Dialect::Mysql) => " LOCK IN SHARE MODE",
            (LockKind::Share, _) => " FOR SHARE",
        });
        to.text(match wait {
            LockWait::Wait => "",
            LockWait::SkipLocked => " SKIP LOCKED",
            LockWait::Nowait => " NOWAIT",
        });
        Ok(())
    }
}

/// Writes LIMIT and OFFSET.
pub(crate) fn write_window(limit: Option<u64>, offset: Option<u64>, to: &mut Writer) {
    const MOST: u64 = i64::MAX as u64;
    let limit = match limit {
        None if offset.is_some() && !to.can().offset_alone => Some(MOST),
        limit => limit,
    };
    for (word, rows) in [(" LIMIT ", limit), (" OFFSET ", offset)] {
        if let Some(rows) = rows {
            to.text(word);
            to.value(Value::U64(rows.min(MOST)));
        }
    }
}

fn write_distinct_on(on: &[SelectItem], to: &mut Writer) -> Result<()> {
    let unsupported = |text: &str| Error::new(ErrorKind::Unsupported, text);
    if !to.can().distinct_on {
        return Err(unsupported("only PostgreSQL has DISTINCT ON"));
    }
    to.text("SELECT DISTINCT ON (");
    listed(on, to, |SelectItem { node, name: _ }, to| match node {
        Node::Column(..) | Node::Excluded(_) | Node::Name(_) => node.write(to),
        _ => Err(unsupported("DISTINCT ON takes columns, not expressions")),
    })?;
    to.text(") ");
    Ok(())
}
