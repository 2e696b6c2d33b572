//! [`Model`]: a struct whose values are the rows of a table.

use std::borrow::Cow;

use super::{key::Key, table::Table};
use crate::{
    data::{
        params::Params,
        row::{FromRow, Row},
        value::Value,
    },
    error::Result,
    model::{
        expr::{Assignment, Expr, Qualifier, is_key, key_in},
        query::{Delete, Insert, InsertPlan, Many, One, Raw, Relation, Select, Update, raw},
    },
};

/// A struct whose values are the rows of a table. Made by `#[derive(Model)]`.
///
/// # Examples
/// ```
/// use nestling::{Database, Model, create_tables, params};
///
/// #[derive(Debug, PartialEq, Model)]
/// struct User {
///     id: i64,
///     #[model(unique, max_length = 100)]
///     username: String,
///     email: Option<String>,
/// }
///
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// let db = Database::open("sqlite::memory:")?;
/// create_tables(&db, &[User::TABLE]).await?;
/// db.execute("insert into user (username) values ('ada'), ('grace')", params![]).await?;
/// let grace = User::select().filter(User::USERNAME.eq("grace")).one(&db).await?;
/// assert_eq!(grace, User { id: 2, username: "grace".into(), email: None });
/// assert_eq!(grace.key(), 2);
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    note = "a struct with `#[derive(Model)]` is one: a foreign key refers to such a struct, not to the type of its key"
)]
pub trait Model: FromRow + Send + Sync + 'static {
    /// The type of the primary key: that of its field, or a tuple for several.
    type Key: Key;

    /// The table.
    const TABLE: &'static Table;

    /// The primary key of this row.
    fn key(&self) -> Self::Key;

    /// The value of the field that belongs to a column, by the number of the column.
    #[doc(hidden)]
    fn value(&self, column: usize) -> Value;

    /// The default of the model for a column, if it has one.
    #[doc(hidden)]
    fn default_value(column: usize) -> Option<Value>;

    /// Reads a row whose columns from `first` on are those of the table, in its order.
    #[doc(hidden)]
    fn read(row: &Row, first: usize) -> Result<Self>;

    /// A select of all rows of the table; `filter` narrows it down.
    fn select() -> Select<Self> {
        Select::new()
    }

    /// A select of the row with this primary key, of one column or several.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Dialect, Model, Query};
    /// # #[derive(Model)] struct Seat { #[model(primary_key)] hall: i32, #[model(primary_key)] number: i32 }
    /// let sql = Seat::by_key((1, 20)).sql(Dialect::Postgres)?.0;
    /// assert!(sql.ends_with(r#""seat"."hall" = $1 AND "seat"."number" = $2"#), "{sql}");
    /// # Ok::<_, nestling::Error>(())
    /// ```
    fn by_key(key: impl Into<Self::Key>) -> Select<Self> {
        Self::select().filter(Expr::new(is_key(Self::TABLE, key.into().values())))
    }

    /// The table in a query, to select whole models of a join or to join it on a condition.
    fn relation() -> Relation<Self> {
        Relation::table()
    }

    /// The table under an alias, for queries that use it more than once.
    fn alias(name: impl Into<Cow<'static, str>>) -> Relation<Self> {
        Relation::named(name.into())
    }

    /// Inserts a row with these values; the defaults of the model are filled in. Returns the key.
    fn insert(assignments: impl IntoIterator<Item = Assignment<Self>>) -> Insert<Self, One> {
        Insert::new(InsertPlan::of_assignments([assignments]))
    }

    /// Inserts several rows by one statement, or as few as the server's limit on parameters allows: all or none of them.
    fn insert_many(rows: impl IntoIterator<Item = impl IntoIterator<Item = Assignment<Self>>>) -> Insert<Self, Many> {
        Insert::new(InsertPlan::of_assignments(rows))
    }

    /// Inserts whole rows, as [`insert_many`](Self::insert_many). A key that the database numbers and that is 0 is left to
    /// the database.
    fn insert_rows<'m>(rows: impl IntoIterator<Item = &'m Self>) -> Insert<Self, Many> {
        Insert::new(InsertPlan::of_rows(rows))
    }

    /// Updates all rows of the table; `filter` narrows it down.
    fn update(assignments: impl IntoIterator<Item = Assignment<Self>>) -> Update<Self> {
        Update::new(assignments)
    }

    /// Deletes all rows of the table; `filter` narrows it down.
    fn delete() -> Delete<Self> {
        Delete::new()
    }

    /// Rows of this model by raw SQL, read by the names of their columns.
    fn raw(sql: impl Into<String>, params: impl Into<Params>) -> Raw<Self> {
        raw(sql, params)
    }

    /// The condition that a row has this primary key, of one column or several.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Dialect, Model, Query};
    /// # #[derive(Model)] struct Seat { #[model(primary_key)] hall: i32, #[model(primary_key)] number: i32 }
    /// let seat = Seat::select().filter(Seat::key_is(&(1, 20)));
    /// assert!(seat.sql(Dialect::Postgres)?.0.ends_with(r#"("seat"."hall", "seat"."number") IN (($1, $2))"#));
    /// # Ok::<_, nestling::Error>(())
    /// ```
    fn key_is(key: &Self::Key) -> Expr<bool> {
        Self::key_in([key])
    }

    /// The condition that a row has one of these primary keys.
    fn key_in<'k>(keys: impl IntoIterator<Item = &'k Self::Key>) -> Expr<bool> {
        let keys = keys.into_iter().map(|key| key.values().into_vec());
        Expr::new(key_in(Self::TABLE, &Qualifier::of(Self::TABLE), keys))
    }
}
