//! The texts of many shapes of queries with their parameters, as each database gets them, beside those of
//! `written/texts.sql`. What changes there changes what servers prepare, plan and keep: it is to be looked at line by line.
//!
//! `NESTLING_WRITE_TEXTS=1` writes the file anew.

mod conditions;
mod shapes;
mod writes;

use std::{fmt::Write as _, fs, path::Path};

use nestling::{
    Dialect, ForeignKey, Model, Query, Value,
    query::{Expr, Selection},
    types::{HStore, Json},
};
use rust_decimal::Decimal;

/// A column of each kind.
#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "k\"d", schema = "s`1")]
struct Kind {
    id: i64,
    flag: bool,
    small: i32,
    large: u64,
    real: Option<f64>,
    price: Decimal,
    name: String,
    note: Option<String>,
    #[model(stored = "bytes")]
    uuid: uuid::Uuid,
    plain: uuid::Uuid,
    #[model(stored = "rfc3339")]
    told: chrono::DateTime<chrono::Utc>,
    at: chrono::DateTime<chrono::Utc>,
    bytes: Vec<u8>,
    tags: Vec<String>,
    map: HStore,
    extra: Json<serde_json::Value>,
    other: Option<ForeignKey<Node>>,
}

/// A row of a table that refers to itself.
#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "node")]
struct Node {
    id: i64,
    #[model(unique)]
    name: String,
    parent: Option<ForeignKey<Self>>,
    #[model(default = 1)]
    size: i32,
}

/// A row with a key of two columns.
#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "pair")]
struct Pair {
    #[model(primary_key)]
    left: i32,
    #[model(primary_key)]
    right: String,
    #[model(default_sql = "7")]
    weight: i64,
}

/// The texts so far.
#[derive(Default)]
struct Texts(String);

impl Texts {
    fn query(&mut self, name: &str, query: &impl Query) {
        writeln!(self.0, "-- {name}").unwrap();
        for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite] {
            match query.sql(dialect) {
                Ok((sql, params)) => {
                    let params: Vec<String> = params.into_iter().map(|value| shown(&value)).collect();
                    let (sql, params) = (shortened(sql), shortened(params.join(", ")));
                    writeln!(self.0, "{dialect}: {sql} [{params}]").unwrap();
                }
                Err(error) => writeln!(self.0, "{dialect}: {:?}: {error}", error.kind()).unwrap(),
            }
        }
    }

    fn condition(&mut self, name: &str, condition: Expr<bool>) {
        self.query(name, &Kind::select().columns(Kind::ID).filter(condition));
    }

    fn value<S: Selection>(&mut self, name: &str, value: S) {
        self.query(name, &Kind::select().columns(value));
    }
}

/// The beginning and the length of what is long.
fn shortened(text: String) -> String {
    if text.len() <= 2_000 {
        text
    } else {
        format!("{} … {} bytes", text.chars().take(300).collect::<String>(), text.len())
    }
}

/// A value with its type; long lists by their length.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Bool(value) => format!("{value:?}"),
        Value::I64(value) => format!("{value}"),
        Value::U64(value) => format!("{value}u"),
        Value::F32(value) => format!("{value:?}f32"),
        Value::F64(value) => format!("{value:?}"),
        Value::Decimal(value) => format!("{value}d"),
        Value::Text(value) if value.len() > 200 => format!("text of {}", value.len()),
        Value::Text(value) => format!("{value:?}"),
        Value::Bytes(value) => format!("{value:02x?}"),
        Value::Date(value) => format!("{value}"),
        Value::Time(value) => format!("{value}"),
        Value::DateTime(value) => format!("{value}"),
        Value::DateTimeUtc(value) => format!("{value}"),
        Value::Uuid(value) => format!("{value}"),
        Value::Json(value) => format!("json {value}"),
        Value::HStore(map) => format!("{map:?}"),
        Value::Array(elements) if elements.len() > 20 => format!("array of {}", elements.len()),
        Value::Array(elements) => format!("array {:?}", elements.iter().map(shown).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    }
}

/// rule 72: one query, in the words of each database
#[test]
fn every_text_is_the_one_that_is_written_down() {
    let mut texts = Texts::default();
    conditions::write(&mut texts);
    shapes::write(&mut texts);
    writes::write(&mut texts);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/models/queries/written/texts.sql");
    if std::env::var_os("NESTLING_WRITE_TEXTS").is_some() {
        fs::write(&path, &texts.0).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    let mut name = "";
    for (is, should) in texts.0.lines().zip(expected.lines()) {
        name = is.strip_prefix("-- ").unwrap_or(name);
        assert_eq!(is, should, "{name}");
    }
    assert_eq!(texts.0.lines().count(), expected.lines().count(), "as many as are written down");
}
