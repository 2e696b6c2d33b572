//! [`Statements`]: the texts of what a model sends often, built once: a row by its key, a row inserted, updated by its
//! key, deleted by its key. One for each model, in a static that the derive macro makes.

use std::{
    ops::Deref,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    insert_plan::{Conflict, Given, Plan},
    node::{Form as Apply, Node, Source},
    operator::Operator,
    parts::{Distinct, Parts},
    table::Table,
};
use crate::{driver::Dialect, error::Result, params::Params, value::Value};

/// So many texts are kept for a model; with more, the rest is built at each call.
const MOST: usize = 64;

/// The texts of one model.
#[derive(Debug, Default)]
pub struct Statements(RwLock<Vec<(Form, Arc<str>)>>);

/// All that a text depends on. What is left out of it must not change the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    dialect: Dialect,
    kind: Kind,
    /// The columns that are written, a bit for each.
    columns: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The row with a key.
    Select,
    /// One row, inserted.
    Insert { whole: bool, ignore: bool },
    /// The row with a key, updated.
    Update,
    /// The row with a key, deleted.
    Delete,
}

/// The text of a statement, whoever has it.
#[derive(Debug)]
pub(super) enum Sql {
    Kept(Arc<str>),
    Built(String),
}

impl Deref for Sql {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Kept(text) => text,
            Self::Built(text) => text,
        }
    }
}

impl From<Sql> for String {
    fn from(sql: Sql) -> Self {
        match sql {
            Sql::Kept(text) => text.as_ref().into(),
            Sql::Built(text) => text,
        }
    }
}

impl Statements {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(RwLock::new(Vec::new()))
    }

    /// The text of this form, built if it is not there yet.
    pub(super) fn text(&self, form: Form, build: impl FnOnce() -> Result<(String, Params)>) -> Result<Sql> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = known.iter().find(|(known, _)| *known == form) {
            return Ok(Sql::Kept(Arc::clone(text)));
        }
        drop(known);
        let text: Arc<str> = build()?.0.into();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST {
            known.push((form, Arc::clone(&text)));
        }
        Ok(Sql::Kept(text))
    }
}

impl Form {
    /// The form for these columns. `None` if they are too many to tell, or not in the order of the table: another order is
    /// another text.
    pub(super) fn new(dialect: Dialect, kind: Kind, columns: impl IntoIterator<Item = usize>) -> Option<Self> {
        let mut bits: u128 = 0;
        for column in columns {
            let bit = 1_u128.checked_shl(column.try_into().ok()?)?;
            if bits >= bit {
                return None;
            }
            bits |= bit;
        }
        Some(Self { dialect, kind, columns: bits })
    }
}

/// The value of the key, if the condition is that the key is equal to a value.
pub(super) fn key_value<'n>(table: &Table, source: &Source, condition: &'n Node) -> Option<&'n Value> {
    let Node::Apply(Apply::Binary(Operator::Equal), two) = condition else { return None };
    let [Node::Column(of, def), Node::Value(value)] = &**two else { return None };
    let [key] = table.primary_key else { return None };
    let plain = of == source && def.name == table.columns[*key].name;
    (plain && !matches!(value, Value::Invalid(_))).then_some(value)
}

impl Parts {
    /// The value of the key, if nothing but the row with that key is asked for. A limit of one or more changes nothing.
    pub(super) fn key_value(&self) -> Option<&Value> {
        let Self { origin, nodes, joins, filter, group, having, distinct, order: _, limit, offset, lock } = self;
        let plain = nodes.is_empty() && joins.is_empty() && group.is_empty() && having.is_none();
        let plain =
            plain && matches!(distinct, Distinct::All) && *limit != Some(0) && offset.is_none() && lock.is_none();
        let table = origin.query.is_none() && matches!(origin.source, Source::Table(_));
        if !plain || !table {
            return None;
        }
        key_value(origin.table, &origin.source, &filter.as_ref()?.node)
    }

    /// What [`key_value`](Self::key_value) allows to be left out.
    pub(super) fn by_key(&self) -> Self {
        Self { filter: self.filter.clone(), ..Self::new(self.origin.clone()) }
    }
}

impl Plan {
    /// The values of the one row, if it has nothing but values.
    pub(super) fn values(&self) -> Option<Params> {
        let [row] = &*self.rows else { return None };
        let value = |given: &Given| match given {
            Given::Node(Node::Value(value)) if !matches!(value, Value::Invalid(_)) => Some(value.clone()),
            _ => None,
        };
        row.iter().map(value).collect()
    }

    /// The form of the text, if it is plain. `whole` tells whether the row is given back and not its key.
    pub(super) fn form(&self, dialect: Dialect, whole: bool) -> Option<Form> {
        let ignore = match self.conflict {
            Conflict::Fail => false,
            Conflict::Ignore => true,
            Conflict::Update(_) => return None,
        };
        Form::new(dialect, Kind::Insert { whole, ignore }, self.columns.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_up_to_a_number() {
        let statements = Statements::new();
        let form = |column| Form::new(Dialect::Sqlite, Kind::Update, [column]).unwrap();
        let build = |text: &str| Ok((text.to_owned(), Params::default()));
        for column in 0..=MOST {
            statements.text(form(column), || build(&format!("{column}"))).unwrap();
        }
        let kept = |column| statements.text(form(column), || build("new")).unwrap();
        assert_eq!((&*kept(0), &*kept(MOST - 1), &*kept(MOST)), ("0", "63", "new"));
        let failing = Form::new(Dialect::Mysql, Kind::Delete, []).unwrap();
        let unsupported = || Err(crate::error::Error::new(crate::error::ErrorKind::Unsupported, "no"));
        assert!(Statements::new().text(failing, unsupported).is_err());
    }

    #[test]
    fn columns_out_of_order_or_too_many_have_no_form() {
        let form = |columns: &[usize]| Form::new(Dialect::Sqlite, Kind::Update, columns.iter().copied());
        assert_eq!(form(&[0, 2]).unwrap().columns, 0b101);
        assert!(form(&[127]).is_some());
        assert_eq!((form(&[2, 0]), form(&[1, 1]), form(&[128])), (None, None, None));
    }
}
