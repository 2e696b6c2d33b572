//! Lists behind `IN`, of any length: as one array on PostgreSQL; elsewhere as parameters, and where they are too many for
//! those, as one document of JSON on SQLite and as literals on MySQL.

use std::{borrow::Cow, fmt::Write as _};

use chrono::SubsecRound as _;
use sea_query::{BinOper, Expr as Sea, ExprTrait as _, extension::postgres::PgFunc};

use super::{cast::postgres_type, expr::one, node::Node, stored::Stored};
use crate::{
    db,
    driver::Dialect,
    error::{Error, ErrorKind, Result, VALUES},
    iso,
    value::Value,
};

/// So many values of one list are parameters. SQLite takes 32,766 in a statement and MySQL 65,535: room is left for others.
fn most(dialect: Dialect) -> usize {
    match dialect {
        // A list of rows becomes a tree there, one level for each.
        Dialect::Postgres => 1_000,
        Dialect::Mysql => 10_000,
        Dialect::Sqlite => 5_000,
    }
}

/// SQLite's limit on parameters.
const PARAMETERS: usize = 32_766;

/// The condition that `left`, of one part or several, is one of `rows`, each of which has as many parts.
pub(super) fn among(left: Vec<Node>, rows: Vec<Vec<Node>>) -> Node {
    let width = left.len();
    let fit = |row: Vec<Node>| row.into_iter().zip(&left).map(|(node, left)| node.fitted(left)).collect::<Vec<_>>();
    let parts: Vec<Node> = rows.into_iter().flat_map(fit).collect();
    if parts.iter().all(|node| matches!(node, Node::Value(_))) {
        let value = |node| if let Node::Value(value) = node { Some(value) } else { None };
        let values: Vec<Value> = parts.into_iter().filter_map(value).collect();
        let types = left.iter().map(array_type).collect::<Option<Vec<_>>>();
        return Node::try_apply(move |dialect, left| of_values(dialect, left, &values, types.as_deref()), left);
    }
    let make = move |dialect, mut args: Vec<Sea>| {
        let parts = args.split_off(width);
        Ok(plain(dialect, args, parts))
    };
    Node::try_apply(make, left.into_iter().chain(parts))
}

/// The SQL type of the elements of an array that is compared with a column of PostgreSQL, if the model tells it.
fn array_type(node: &Node) -> Option<Cow<'static, str>> {
    match node {
        Node::Column(_, def) if def.form() == Stored::Native => Some(postgres_type(def.ty)),
        _ => None,
    }
}

fn of_values(dialect: Dialect, left: Vec<Sea>, values: &[Value], types: Option<&[Cow<'static, str>]>) -> Result<Sea> {
    if dialect == Dialect::Postgres && left.len() == 1 && is_array(values) {
        // The text is the same for any number of values, and no limit is met.
        let elements = values.iter().map(db::to_sea).collect::<Result<Vec<_>>>()?;
        let array = sea_query::Value::Array(sea_query::ArrayType::String, Some(Box::new(elements)));
        return Ok(one(left).eq(PgFunc::any(array)));
    }
    if values.len() > most(dialect) {
        match dialect {
            Dialect::Postgres => {
                if let Some(types) = types.filter(|types| types.len() > 1) {
                    return arrays(left, values, types);
                }
            }
            Dialect::Mysql => return literals(left, values),
            Dialect::Sqlite if !values.iter().any(is_float) => return document(left, values),
            Dialect::Sqlite if values.len() > PARAMETERS => {
                let text = format!("SQLite takes no list of more than {PARAMETERS} floats");
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            _ => {}
        }
    }
    let parts = values.iter().map(|value| Ok(Sea::Value(db::to_sea(value)?))).collect::<Result<_>>()?;
    Ok(plain(dialect, left, parts))
}

/// An array for each part of PostgreSQL's rows, side by side.
fn arrays(left: Vec<Sea>, values: &[Value], types: &[Cow<'static, str>]) -> Result<Sea> {
    let width = left.len();
    let array = |at: usize| {
        let elements = values.iter().skip(at).step_by(width).map(db::to_sea).collect::<Result<Vec<_>>>()?;
        Ok(Sea::Value(sea_query::Value::Array(sea_query::ArrayType::String, Some(Box::new(elements)))))
    };
    let arrays = (0..width).map(array).collect::<Result<Vec<_>>>()?;
    let places: Vec<String> = types.iter().enumerate().map(|(at, ty)| format!("${}::{ty}[]", at + 2)).collect();
    let sql = format!("$1 IN (SELECT * FROM unnest({}))", places.join(", "));
    Ok(Sea::cust_with_exprs(sql, std::iter::once(Sea::tuple(left)).chain(arrays)))
}

/// As a list of expressions.
fn plain(dialect: Dialect, left: Vec<Sea>, parts: Vec<Sea>) -> Sea {
    // SQL has no empty list. What is among nothing is not NULL but false.
    if parts.is_empty() {
        return Sea::cust("1 = 0");
    }
    let width = left.len();
    if width == 1 {
        return one(left).is_in(parts);
    }
    let count = parts.len() / width;
    let mut parts = parts.into_iter();
    let rows: Vec<Sea> = (0..count).map(|_| Sea::tuple(parts.by_ref().take(width))).collect();
    let left = Sea::tuple(left);
    if dialect != Dialect::Sqlite {
        return left.is_in(rows);
    }
    // SQLite takes a list of rows only in the form of a query.
    let places = vec!["?"; count].join(", ");
    Sea::cust_with_exprs(format!("? IN (VALUES {places})"), std::iter::once(left).chain(rows))
}

/// Whether PostgreSQL can take the values as one array: they are of one type, and that is no array itself.
fn is_array(values: &[Value]) -> bool {
    let kind = |value: &Value| match value {
        Value::Null | Value::Json(_) | Value::Array(_) | Value::HStore(_) | Value::Invalid(_) => None,
        value => Some(std::mem::discriminant(value)),
    };
    let Some(first) = values.first().map(kind) else { return false };
    first.is_some() && values.iter().all(|value| kind(value) == first)
}

fn is_float(value: &Value) -> bool {
    matches!(value, Value::F32(_) | Value::F64(_))
}

fn is_bytes(value: &Value) -> bool {
    matches!(value, Value::Bytes(_))
}

fn has_nul(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.contains('\0'))
}

/// One document of JSON, which SQLite takes apart. It has no bytes, and cuts text at a NUL: such are written in digits.
fn document(left: Vec<Sea>, values: &[Value]) -> Result<Sea> {
    let width = left.len();
    let column = |at: usize| values.iter().skip(at).step_by(width);
    let digits: Vec<bool> = (0..width).map(|at| column(at).any(|value| is_bytes(value) || has_nul(value))).collect();
    let selected = |at: usize| {
        let value = if width == 1 { "value".to_owned() } else { format!("json_extract(value, '$[{at}]')") };
        match (digits[at], column(at).any(is_bytes)) {
            (true, true) => format!("unhex({value})"),
            (true, false) => format!("CAST(unhex({value}) AS TEXT)"),
            _ => value,
        }
    };
    let element = |(at, value): (usize, &Value)| in_json(value, digits[at % width]);
    let mut elements = values.iter().enumerate().map(element).collect::<Result<Vec<_>>>()?;
    if width > 1 {
        elements = elements.chunks(width).map(|row| serde_json::Value::Array(row.into())).collect();
    }
    let selected: Vec<String> = (0..width).map(selected).collect();
    let sql = format!("? IN (SELECT {} FROM json_each(?))", selected.join(", "));
    let left = if width == 1 { one(left) } else { Sea::tuple(left) };
    let document = sea_query::Value::String(Some(serde_json::Value::Array(elements).to_string()));
    Ok(Sea::cust_with_exprs(sql, [left, Sea::Value(document)]))
}

/// A value as SQLite would store it, in JSON.
fn in_json(value: &Value, digits: bool) -> Result<serde_json::Value> {
    let outside =
        || Error::new(ErrorKind::Parameter, format!("{} does not fit into SQLite", value.type_name())).out_of_range();
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => i64::from(*value).into(),
        Value::I64(value) => (*value).into(),
        Value::U64(value) => i64::try_from(*value).map_err(|_| outside())?.into(),
        Value::Text(value) if digits => hex(value.as_bytes()).into(),
        Value::Text(value) => value.as_str().into(),
        Value::Bytes(value) => hex(value).into(),
        Value::Decimal(value) => value.to_string().into(),
        Value::Date(value) => iso::write_date(*value).ok_or_else(outside)?.into(),
        Value::Time(value) => iso::write_time(*value).into(),
        Value::DateTime(value) => iso::write_date_time(*value).ok_or_else(outside)?.into(),
        Value::DateTimeUtc(value) => iso::write_date_time(value.naive_utc()).ok_or_else(outside)?.into(),
        Value::Uuid(value) => value.to_string().into(),
        Value::Json(value) => value.to_string().into(),
        Value::Invalid(why) => return Err(Error::new(ErrorKind::Parameter, *why)),
        Value::F32(_) | Value::F64(_) | Value::Array(_) | Value::HStore(_) => return Err(unsupported(value)),
    })
}

/// Literals of MySQL, which mean the same whatever the `sql_mode` and the character set: numbers, and text by its bytes. (A
/// document of JSON would be compared by another collation than the column's.)
fn literals(left: Vec<Sea>, values: &[Value]) -> Result<Sea> {
    let width = left.len();
    let mut text = String::with_capacity(values.len() * 8);
    for (at, value) in values.iter().enumerate() {
        text.push_str(match (at, at % width) {
            (0, _) => "",
            (_, 0) if width > 1 => "), (",
            _ => ", ",
        });
        literal(value, &mut text)?;
    }
    let (left, text) = if width == 1 { (one(left), text) } else { (Sea::tuple(left), format!("({text})")) };
    let [begin, end] = VALUES;
    Ok(left.binary(BinOper::In, Sea::cust(format!("{begin}{text}{end}"))))
}

fn literal(value: &Value, out: &mut String) -> Result<()> {
    let outside =
        || Error::new(ErrorKind::Parameter, format!("{} does not fit into MySQL", value.type_name())).out_of_range();
    let text = |text: &str| format!("_utf8mb4 x'{}'", hex(text.as_bytes()));
    let moment =
        |at: chrono::NaiveDateTime| iso::write_date_time(at.trunc_subsecs(6)).map(|at| format!("TIMESTAMP'{at}'"));
    let written = match value {
        Value::Null => "NULL".into(),
        Value::Bool(value) => u8::from(*value).to_string(),
        Value::I64(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) if value.is_finite() => format!("{:e}", f64::from(*value)),
        Value::F64(value) if value.is_finite() => format!("{value:e}"),
        Value::F32(_) | Value::F64(_) => return Err(outside()),
        Value::Decimal(value) => value.to_string(),
        Value::Text(value) => text(value),
        Value::Bytes(value) => format!("x'{}'", hex(value)),
        Value::Date(value) => format!("DATE'{}'", iso::write_date(*value).ok_or_else(outside)?),
        Value::Time(value) => format!("TIME'{}'", iso::write_time(value.trunc_subsecs(6))),
        Value::DateTime(value) => moment(*value).ok_or_else(outside)?,
        Value::DateTimeUtc(value) => moment(value.naive_utc()).ok_or_else(outside)?,
        Value::Uuid(value) => text(&value.to_string()),
        Value::Json(value) => text(&value.to_string()),
        Value::Invalid(why) => return Err(Error::new(ErrorKind::Parameter, *why)),
        Value::Array(_) | Value::HStore(_) => return Err(unsupported(value)),
    };
    out.push_str(&written);
    Ok(())
}

fn unsupported(value: &Value) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{} cannot stand in a list here", value.type_name()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        write!(out, "{byte:02x}").expect("writing to a string does not fail");
        out
    })
}
