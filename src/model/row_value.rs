//! Rows as values: comparing several columns at once, as composite keys need it.

use sea_query::{Expr as Sea, ExprTrait as _};

use super::{
    node::{Node, Source},
    table::Table,
};
use crate::{driver::Dialect, value::Value};

/// The condition that the primary key is one of `keys`, each of which has a value for each column of it.
pub(super) fn key_in(table: &'static Table, source: &Source, keys: impl IntoIterator<Item = Vec<Value>>) -> Node {
    let columns = table.key().map(|column| Node::Column(source.clone(), column.name)).collect();
    let keys = keys.into_iter().map(|key| key.into_iter().map(Node::Value).collect());
    among(columns, keys.collect())
}

/// The condition that `left`, of one part or several, is one of `rows`, each of which has as many parts.
pub(super) fn among(left: Vec<Node>, rows: Vec<Vec<Node>>) -> Node {
    let width = left.len();
    let make = move |dialect: Dialect, mut args: Vec<Sea>| {
        let values = args.split_off(width);
        if values.is_empty() {
            return Ok(Sea::cust("1 = 0"));
        }
        if width == 1 {
            let left = args.pop().expect("the left side has one part");
            return Ok(left.is_in(values));
        }
        let count = values.len() / width;
        let mut values = values.into_iter();
        let rows: Vec<Sea> = (0..count).map(|_| Sea::tuple(values.by_ref().take(width))).collect();
        let left = Sea::tuple(args);
        if dialect != Dialect::Sqlite {
            return Ok(left.is_in(rows));
        }
        // SQLite takes a list of rows only in the form of a query.
        let places = vec!["?"; count].join(", ");
        Ok(Sea::cust_with_exprs(format!("? IN (VALUES {places})"), std::iter::once(left).chain(rows)))
    };
    Node::try_apply(make, left.into_iter().chain(rows.into_iter().flatten()))
}
