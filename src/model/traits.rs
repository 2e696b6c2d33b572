//! [`Model`]: a struct whose values are the rows of a table.

use super::{key::Key, select::Select, table::Table};
use crate::{
    error::Result,
    row::{FromRow, Row},
    value::Value,
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

    /// What a new row gets in a column that it is not given a value for, if the model says so.
    #[doc(hidden)]
    fn default_value(column: usize) -> Option<Value>;

    /// Reads a row whose columns from `first` on are those of the table, in its order.
    #[doc(hidden)]
    fn read(row: &Row, first: usize) -> Result<Self>;

    /// All rows of the table, to be narrowed down.
    fn select() -> Select<Self> {
        Select::new()
    }
}
