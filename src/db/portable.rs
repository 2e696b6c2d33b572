//! [`Database::run`]: statements of sea_query, rendered for the back end of the database. With the feature `sea-query`; the only
//! file that names that crate.

use std::panic::{self, AssertUnwindSafe};

use sea_query::{
    DeleteStatement, ForeignKeyCreateStatement, ForeignKeyDropStatement, IndexCreateStatement, IndexDropStatement,
    InsertStatement, MysqlQueryBuilder, OptionEnum, PostgresQueryBuilder, SchemaStatementBuilder, SelectStatement,
    SqliteQueryBuilder, TableAlterStatement, TableCreateStatement, TableDropStatement, TableRenameStatement,
    TableTruncateStatement, UpdateStatement, WithQuery,
};

use super::Database;
use crate::{
    data::{params::Params, row::Row, value::Value},
    driver::Dialect,
    error::{Error, ErrorKind, Result, panic_text},
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
#[expect(private_bounds, reason = "the trait is sealed: only this crate implements it")]
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
    // The statement is only read: a panic half-way leaves no visible state.
    panic::catch_unwind(AssertUnwindSafe(write)).map_err(|payload| {
        let reason = panic_text(&*payload).unwrap_or("sea_query panicked");
        let text = format!("the statement cannot be written for {family}: {reason}");
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

/// What came of a statement of [`Database::run`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The rows that it returned.
    pub rows: Vec<Row>,
    /// How many rows it affected, or returned.
    pub affected: u64,
    /// The generated key of the last insert: SQLite and MySQL. On PostgreSQL it must be asked for by `returning`. Of an upsert
    /// that has updated a row SQLite tells an earlier insert's key: ask for it by `returning` there too.
    pub last_insert_id: Option<i64>,
}

impl Outcome {
    /// The key of the row that was inserted: the first column that it returned, or the key that the server generated.
    ///
    /// # Errors
    /// `NoRow` if nothing was inserted, or the key was not returned; `Decode` if it is no integer.
    pub fn inserted_id(&self) -> Result<i64> {
        match (self.rows.first(), self.last_insert_id) {
            (Some(row), _) => row.get(0),
            (None, Some(id)) if id != 0 => Ok(id),
            (None, _) => Err(Error::new(ErrorKind::NoRow, "the statement returned no key of an inserted row")),
        }
    }
}

/// Whether a text of `sea_query` may insert. SQLite tells the key of its connection's last insert behind an update, too, and
/// that insert may have been another statement's.
fn may_insert(sql: &str) -> bool {
    !["UPDATE", "DELETE"].iter().any(|word| sql.starts_with(word))
}

impl Database {
    /// Runs a statement of `sea_query`, rendered for this database.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::Database;
    /// use nestling::query::sea_query::{Alias, Expr, Query};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// let outcome = db.run(Query::select().expr_as(Expr::val(7), Alias::new("seven"))).await?;
    /// assert_eq!(outcome.rows[0].get::<i64>("seven")?, 7);
    /// # Ok(()) }
    /// ```
    pub async fn run(&self, statement: &impl Portable) -> Result<Outcome> {
        let (sql, params) = statement.render(self.dialect())?;
        let answer = self.send(&sql, &params).await?;
        let last_insert_id = answer.last_insert_id.filter(|_| may_insert(&sql));
        Ok(Outcome { rows: answer.rows, affected: answer.affected, last_insert_id })
    }
}

/// A value of sea_query as one of ours.
fn value(value: sea_query::Value) -> Value {
    use sea_query::Value as Sea;
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
        #[cfg(feature = "serde_json")]
        Sea::Json(value) => value.map(|value| *value).into(),
        #[cfg(feature = "chrono")]
        Sea::ChronoDate(value) => value.into(),
        #[cfg(feature = "chrono")]
        Sea::ChronoTime(value) => value.into(),
        #[cfg(feature = "chrono")]
        Sea::ChronoDateTime(value) => value.into(),
        #[cfg(feature = "chrono")]
        Sea::ChronoDateTimeUtc(value) => value.into(),
        #[cfg(feature = "chrono")]
        Sea::ChronoDateTimeLocal(value) => value.into(),
        #[cfg(feature = "chrono")]
        Sea::ChronoDateTimeWithTimeZone(value) => value.into(),
        #[cfg(feature = "uuid")]
        Sea::Uuid(value) => value.into(),
        #[cfg(feature = "rust_decimal")]
        Sea::Decimal(value) => value.into(),
        Sea::Array(_, elements) => {
            elements.map_or(Value::Null, |elements| Value::array(elements.into_iter().map(self::value)))
        }
        // Another crate in the tree can switch on features of sea_query that add variants.
        #[allow(unreachable_patterns)]
        _ => Value::Invalid("a sea_query value of this kind cannot be sent, or nestling's feature for it is not on"),
    }
}

#[cfg(test)]
mod tests {
    use sea_query::{Alias, Expr, ExprTrait, ForeignKey, Query, Table};

    use super::*;

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
        assert_eq!(value(sea_query::Value::from(vec!['x'])), Value::array(["x"]));
        let json = serde_json::json!([1]);
        assert_eq!(value(sea_query::Value::from(json.clone())), Value::Json(json));
    }
}
