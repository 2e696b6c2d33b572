//! [`Portable`]: a statement of sea_query, rendered for the back end at hand.
//!
//! Used by `Database::run` and by the models. The only file that turns sea_query's values into ours; it sends nothing.

use std::panic::{self, AssertUnwindSafe};

use sea_query::{
    DeleteStatement, ForeignKeyCreateStatement, ForeignKeyDropStatement, IndexCreateStatement, IndexDropStatement,
    InsertStatement, MysqlQueryBuilder, OptionEnum, PostgresQueryBuilder, SchemaStatementBuilder, SelectStatement,
    SqliteQueryBuilder, TableAlterStatement, TableCreateStatement, TableDropStatement, TableRenameStatement,
    TableTruncateStatement, UpdateStatement, WithQuery,
};

use crate::{
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    params::Params,
    value::Value,
};

/// A statement of `sea_query` that any back end can run.
///
/// Implemented for the statements of queries and of the schema; it cannot be implemented elsewhere. Where a database
/// lacks a statement altogether (SQLite has no TRUNCATE and cannot change foreign keys), running it is an error of
/// kind [`Unsupported`](ErrorKind::Unsupported).
///
/// Where only a part of a statement is not known to a database, such as FULL OUTER JOIN to MySQL, `sea_query` panics as it
/// writes it. That is caught and is an error of the same kind, but the panic hook has been run by then; and a program that
/// aborts on panics does so. The queries of models find out beforehand.
#[expect(private_bounds, reason = "the trait is sealed: how a statement is rendered is nobody's business outside")]
pub trait Portable: Render {}

/// Renders a statement.
pub(crate) trait Render {
    /// The text of the statement in a dialect, and its parameters.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the dialect has no such statement.
    fn render(&self, family: Dialect) -> Result<(String, Params)>;
}

/// `Portable` for statements: with parameters, without, and without and unknown to SQLite.
macro_rules! portable {
    (queries $($query:ty),+; schema $($schema:ty),+; not_sqlite $($other:ty = $what:literal),+;) => {
        $(portable!(@one $query, |statement, family| {
            let (sql, values) = caught(family, || match family {
                Dialect::Postgres => statement.build(PostgresQueryBuilder),
                Dialect::Sqlite => statement.build(SqliteQueryBuilder),
                Dialect::Mysql => statement.build(MysqlQueryBuilder),
            })?;
            Ok((sql, values.into_iter().map(value).collect()))
        });)+
        $(portable!(@one $schema, |statement, family| Ok((caught(family, || ddl(statement, family))?, Params::default())));)+
        $(portable!(@one $other, |statement, family| match family {
            Dialect::Sqlite => Err(Error::new(ErrorKind::Unsupported, concat!("SQLite cannot ", $what))),
            _ => Ok((caught(family, || ddl(statement, family))?, Params::default())),
        });)+
    };
    (@one $type:ty, |$statement:ident, $family:ident| $render:expr) => {
        impl Render for $type {
            fn render(&self, $family: Dialect) -> Result<(String, Params)> {
                let $statement = self;
                $render
            }
        }

        impl Portable for $type {}
    };
}

portable! {
    queries SelectStatement, InsertStatement, UpdateStatement, DeleteStatement, WithQuery;
    schema TableCreateStatement, TableDropStatement, TableAlterStatement, TableRenameStatement,
        IndexCreateStatement, IndexDropStatement;
    not_sqlite TableTruncateStatement = "truncate a table",
        ForeignKeyCreateStatement = "add a foreign key to a table",
        ForeignKeyDropStatement = "drop a foreign key of a table";
}

/// What sea_query writes, or the error that its panic means.
fn caught<T>(family: Dialect, write: impl FnOnce() -> T) -> Result<T> {
    // The statement is only read: a panic half-way leaves nothing that anybody sees.
    panic::catch_unwind(AssertUnwindSafe(write)).map_err(|payload| {
        let reason =
            payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(|text| &**text));
        let text = format!("the statement cannot be written for {family}: {}", reason.unwrap_or("sea_query panicked"));
        Error::new(ErrorKind::Unsupported, text)
    })
}

fn ddl(statement: &impl SchemaStatementBuilder, family: Dialect) -> String {
    match family {
        Dialect::Postgres => statement.build(PostgresQueryBuilder),
        Dialect::Sqlite => statement.build(SqliteQueryBuilder),
        Dialect::Mysql => statement.build(MysqlQueryBuilder),
    }
}

/// A value of sea_query as one of ours.
pub(crate) fn value(value: sea_query::Value) -> Value {
    use sea_query::{ArrayType, Value as Sea};
    match value {
        Sea::Bool(value) => value.into(),
        Sea::TinyInt(value) => value.into(),
        Sea::SmallInt(value) => value.into(),
        Sea::Int(value) => value.into(),
        Sea::BigInt(value) => value.into(),
        Sea::TinyUnsigned(value) => value.into(),
        Sea::SmallUnsigned(value) => value.into(),
        Sea::Unsigned(value) => value.into(),
        Sea::BigUnsigned(value) => value.into(),
        Sea::Float(value) => value.into(),
        Sea::Double(value) => value.into(),
        Sea::String(value) => value.into(),
        Sea::Enum(OptionEnum::Some(value)) => value.value.into(),
        Sea::Enum(OptionEnum::None(_)) => Value::Null,
        Sea::Char(value) => value.into(),
        Sea::Bytes(value) => value.into(),
        Sea::Json(value) => value.map(|value| *value).into(),
        Sea::ChronoDate(value) => value.into(),
        Sea::ChronoTime(value) => value.into(),
        Sea::ChronoDateTime(value) => value.into(),
        Sea::ChronoDateTimeUtc(value) => value.into(),
        Sea::ChronoDateTimeLocal(value) => value.into(),
        Sea::ChronoDateTimeWithTimeZone(value) => value.into(),
        Sea::Uuid(value) => value.into(),
        Sea::Decimal(value) => value.into(),
        Sea::Array(ArrayType::Char, Some(texts)) if !texts.is_empty() && texts.iter().all(is_text) => {
            from_texts(*texts)
        }
        Sea::Array(_, elements) => {
            elements.map_or(Value::Null, |elements| Value::array(elements.into_iter().map(self::value)))
        }
        // Another crate in the tree can switch on features of sea_query that add variants.
        #[allow(unreachable_patterns)]
        _ => Value::Invalid("a sea_query value of this kind cannot be sent"),
    }
}

fn is_text(value: &sea_query::Value) -> bool {
    matches!(value, sea_query::Value::String(_))
}

/// An hstore, which sea_query does not have, as [`to_sea`] writes it: keys and values in turn behind a NULL.
fn from_texts(texts: Vec<sea_query::Value>) -> Value {
    let mut texts = texts.into_iter().skip(1).map(|text| match text {
        sea_query::Value::String(text) => text,
        _ => None,
    });
    let pairs = std::iter::from_fn(|| Some((texts.next()??, texts.next()?)));
    Value::HStore(pairs.collect())
}

/// One of our values as one of sea_query, for statements that are built here.
pub(crate) fn to_sea(value: &Value) -> Result<sea_query::Value> {
    use sea_query::{ArrayType, Value as Sea};
    Ok(match value {
        // The dialects write NULL without looking at the type.
        Value::Null => Sea::String(None),
        Value::Bool(value) => Sea::Bool(Some(*value)),
        Value::I64(value) => Sea::BigInt(Some(*value)),
        Value::U64(value) => Sea::BigUnsigned(Some(*value)),
        Value::F32(value) => Sea::Float(Some(*value)),
        Value::F64(value) => Sea::Double(Some(*value)),
        Value::Decimal(value) => Sea::Decimal(Some(*value)),
        Value::Text(value) => Sea::String(Some(value.clone())),
        Value::Bytes(value) => Sea::Bytes(Some(value.clone())),
        Value::Date(value) => Sea::ChronoDate(Some(*value)),
        Value::Time(value) => Sea::ChronoTime(Some(*value)),
        Value::DateTime(value) => Sea::ChronoDateTime(Some(*value)),
        Value::DateTimeUtc(value) => Sea::ChronoDateTimeUtc(Some(*value)),
        Value::Uuid(value) => Sea::Uuid(Some(*value)),
        Value::Json(value) => Sea::Json(Some(Box::new(value.clone()))),
        // The type of the elements is read by nobody: the server says what it expects.
        Value::Array(elements) => {
            let elements = elements.iter().map(to_sea).collect::<Result<_>>()?;
            Sea::Array(ArrayType::String, Some(Box::new(elements)))
        }
        Value::HStore(map) => {
            let text = |text: Option<String>| Sea::String(text);
            let pairs = map.clone().into_iter().flat_map(|(key, value)| [text(Some(key)), text(value)]);
            // What marks it as one: never empty, and no element is what the type says.
            Sea::Array(ArrayType::Char, Some(Box::new([text(None)].into_iter().chain(pairs).collect())))
        }
        Value::Invalid(reason) => return Err(Error::new(ErrorKind::Parameter, *reason)),
    })
}

#[cfg(test)]
mod tests {
    use sea_query::{Alias, Expr, ExprTrait, ForeignKey, Query, Table};

    use super::*;
    use crate::hstore::HStore;

    #[test]
    fn a_query_is_rendered_for_each_family_with_its_parameters() {
        let query = Query::select()
            .column(Alias::new("title"))
            .from(Alias::new("movie"))
            .and_where(Expr::col(Alias::new("year")).gt(1990))
            .limit(5)
            .take();
        let (sql, params) = query.render(Dialect::Postgres).unwrap();
        assert_eq!(sql, r#"SELECT "title" FROM "movie" WHERE "year" > $1 LIMIT $2"#);
        assert_eq!(params.as_slice(), [Value::I64(1990), Value::U64(5)]);
        assert!(query.render(Dialect::Sqlite).unwrap().0.contains('?'));
        assert!(query.render(Dialect::Mysql).unwrap().0.contains("`movie`"));
    }

    #[test]
    fn what_sqlite_lacks_is_an_error_and_no_panic() {
        let truncate = Table::truncate().table(Alias::new("movie")).take();
        assert_eq!(truncate.render(Dialect::Sqlite).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(truncate.render(Dialect::Postgres).unwrap().0, r#"TRUNCATE TABLE "movie""#);
        let drop = ForeignKey::drop().name("fk").table(Alias::new("movie")).to_owned();
        assert!(drop.render(Dialect::Sqlite).is_err());
    }

    #[test]
    fn what_sea_query_panics_at_is_an_error() {
        let join = sea_query::JoinType::FullOuterJoin;
        let full = Query::select().from(Alias::new("a")).join(join, Alias::new("b"), Expr::cust("1 = 1")).take();
        let error = full.render(Dialect::Mysql).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "the statement cannot be written for mysql: Mysql does not support FULL OUTER JOIN"
        );
        assert!(full.render(Dialect::Postgres).is_ok());
    }

    #[test]
    fn values_keep_their_meaning() {
        assert_eq!(value(sea_query::Value::Int(None)), Value::Null);
        assert_eq!(value(sea_query::Value::from("x")), Value::Text("x".into()));
        assert_eq!(value(sea_query::Value::from('x')), Value::Text("x".into()));
        assert_eq!(value(sea_query::Value::from(7_u64)), Value::U64(7));
        for map in [HStore::new(), HStore::from([("", None), ("a", Some("b"))])] {
            assert_eq!(value(to_sea(&map.clone().into()).unwrap()), Value::HStore(map.clone()));
            let array = Value::array([Some(map), None]);
            assert_eq!(value(to_sea(&array).unwrap()), array);
        }
        assert_eq!(value(sea_query::Value::from(vec!['x'])), Value::array(["x"]));
        let json = serde_json::json!([1]);
        assert_eq!(value(sea_query::Value::from(json.clone())), Value::Json(json));
    }
}
