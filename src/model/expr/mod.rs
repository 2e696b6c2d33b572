//! Expressions of SQL: [`Node`] is the untyped tree, which writes itself for a dialect; [`Expr`] and [`Column`] give it
//! a Rust type and the operators of that type.

mod aggregate;
mod cast;
mod column;
mod compare;
mod condition;
mod expr;
mod hstore;
mod in_list;
mod json;
mod json_path;
mod keyset;
mod literal;
mod node;
mod number;
mod operand;
mod operator;
mod order;
mod reference;
mod row_value;
mod stored_form;
mod sub_query;
mod text;

pub(crate) use self::{
    column::methods,
    compare::{equal, in_list, is_key, is_one_of, key_in},
    keyset::{behind as rows_behind, columns_of},
    node::{Node, Operation, Qualifier},
    operator::{Operator, listed},
    order::write_order,
    sub_query::{ROWS, SubQuery, WriteQuery, write_from, write_rows_of},
};
pub use self::{
    column::{Assignment, Column, Columns},
    condition::Condition,
    expr::Expr,
    json::Document,
    json_path::{JsonPath, JsonStep},
    number::{Number, Ordered},
    operand::{InOperand, Operand},
    order::Order,
    reference::Reference,
    row_value::{RowOperand, RowParts, RowValue},
    text::Text,
};
