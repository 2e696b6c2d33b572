//! Comparisons of [`Node`]s: `=` with a NULL from Rust, `IN`, and conditions on primary keys.

use std::{borrow::Cow, sync::Arc};

use super::{
    cast::postgres_type,
    in_list::ValueList,
    node::{Node, Operation, Qualifier, Write, write_each},
    operator::Operator,
};
use crate::{
    data::value::Value,
    model::table::{ColumnType, Stored, Table},
};

/// The two sides of a comparison: a value takes the stored form of the column beside it. Where decimals are text, the
/// collation of a column compares them; beside anything else they are cast to numbers.
pub(crate) fn comparison_sides(left: Node, right: Node) -> [Node; 2] {
    let right = right.in_form_of(&left);
    let left = left.in_form_of(&right);
    let number = |node| {
        let write: Write = |args, outer, to| {
            if to.can().decimals {
                return write_each(args, outer, to);
            }
            Operation::Cast(ColumnType::Decimal).write(args, outer, to)
        };
        Node::custom(write, [node])
    };
    let decimal = |node: &Node| matches!(node, Node::Value(Value::Decimal(_)));
    let column = |node: &Node| matches!(node, Node::Column(..));
    if (decimal(&right) && !column(&left)) || (decimal(&left) && !column(&right)) {
        [number(left), number(right)]
    } else {
        [left, right]
    }
}

/// A condition that holds if two are compared so; with NULL given from Rust, `=` and `<>` ask for NULL itself.
pub(crate) fn equal(left: Node, right: Node) -> Node {
    match right {
        Node::Value(Value::Null) => Node::apply(Operation::IsNull, [left]),
        right => Node::binary(Operator::Equal, comparison_sides(left, right)),
    }
}

/// As [`equal`], turned round.
pub(crate) fn unequal(left: Node, right: Node) -> Node {
    match right {
        Node::Value(Value::Null) => Node::apply(Operation::IsNotNull, [left]),
        right => Node::binary(Operator::NotEqual, comparison_sides(left, right)),
    }
}

/// The condition that `left`, of one part or several, is one of `rows`, each of which has as many parts.
pub(crate) fn in_list(left: Vec<Node>, rows: Vec<Vec<Node>>) -> Node {
    let width = left.len();
    let fit = |row: Vec<Node>| row.into_iter().zip(&left).map(|(node, left)| node.in_form_of(left)).collect::<Vec<_>>();
    let parts: Vec<Node> = rows.into_iter().flat_map(fit).collect();
    if parts.iter().all(|node| matches!(node, Node::Value(_))) {
        let value = |node| if let Node::Value(value) = node { Some(value) } else { None };
        let values: Vec<Value> = parts.into_iter().filter_map(value).collect();
        let types = left.iter().map(array_type).collect::<Option<Vec<_>>>();
        return Node::Apply(Operation::ValueList(Arc::new(ValueList::new(values, types))), left);
    }
    Node::apply(Operation::List(width), left.into_iter().chain(parts))
}

/// The SQL type of the elements of an array that is compared with a column of PostgreSQL, if the model tells it.
fn array_type(node: &Node) -> Option<Cow<'static, str>> {
    match node {
        Node::Column(_, def) if def.form() == Stored::Native => Some(postgres_type(def.ty)),
        _ => None,
    }
}

/// The condition that a row of the table has this primary key.
pub(crate) fn is_key(table: &Table, key: impl IntoIterator<Item = Value>) -> Node {
    let column = |def| Node::Column(Qualifier::of(table), def);
    let parts = table.key().zip(key);
    let conditions = parts.map(|(part, value)| equal(column(part), Node::Value(value)));
    conditions.reduce(Node::and).expect("a primary key has a column: the derive macro sees to it")
}

/// The condition that the primary key is one of `keys`, each of which has a value for each column of it.
pub(crate) fn key_in(table: &'static Table, qualifier: &Qualifier, keys: impl IntoIterator<Item = Vec<Value>>) -> Node {
    let columns = table.key().map(|column| Node::Column(qualifier.clone(), column)).collect();
    let keys = keys.into_iter().map(|key| key.into_iter().map(Node::Value).collect());
    is_one_of(columns, keys.collect())
}

/// The condition that `left`, of one part or several, is one of `rows`, each of which has as many parts.
pub(crate) fn is_one_of(mut left: Vec<Node>, mut rows: Vec<Vec<Node>>) -> Node {
    if let ([left], [row]) = (&mut *left, &mut *rows)
        && let Some(right) = row.pop()
    {
        return equal(left.clone(), right);
    }
    in_list(left, rows)
}
