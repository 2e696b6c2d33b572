//! `create`, `update` and `update_only` of the manager.

use super::manager::Manager;
use crate::{
    error::Result,
    model::{
        expr::{Assignment, Columns, Expr, Node, is_key},
        query::Query as _,
        table::{Key as _, Model},
    },
};

impl Manager {
    /// Inserts a row with these values, and gives it back as the database has it: with its number, and with what
    /// defaults and triggers put there.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`Database::execute`](crate::Database::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # #[derive(Debug, PartialEq, Model)] struct User { id: i64, name: String, active: bool }
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # let table = "create table user (id integer primary key, name text, active bool default true)";
    /// # objects.database().batch(table).await?;
    /// let ada = objects.create::<User>([User::NAME.set("ada")]).await?;
    /// assert_eq!(ada, User { id: 1, name: "ada".into(), active: true });
    /// # Ok(()) }
    /// ```
    pub async fn create<M: Model>(&self, values: impl IntoIterator<Item = Assignment<M>>) -> Result<M> {
        let insert = M::insert(values).returning();
        insert.run_on(&self.db).await
    }

    /// Writes all fields of `row`, except those that only the database writes, to the row that has its key. Returns how
    /// many rows that was: 1, or 0 if it is gone.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`Database::execute`](crate::Database::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # #[derive(Debug, PartialEq, Model)] struct User { id: i64, name: String }
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table user (id integer primary key, name text)").await?;
    /// let mut user = objects.create::<User>([User::NAME.set("ada")]).await?;
    /// user.name = "Ada".into();
    /// assert_eq!(objects.update(&user).await?, 1);
    /// assert_eq!(objects.get::<User>(User::ID.eq(user.id)).await?, user);
    /// # Ok(()) }
    /// ```
    pub async fn update<M: Model>(&self, row: &M) -> Result<u64> {
        let columns: Vec<usize> = M::TABLE.writable().filter(|&column| !M::TABLE.is_key(column)).collect();
        // Of a row that is all key there is nothing else to write, but it is there or gone.
        let columns = if columns.is_empty() { M::TABLE.primary_key.into() } else { columns };
        self.write(row, columns).await
    }

    /// Writes these fields of `row` alone, to the row that has its key: a column, a tuple of columns, or an array of columns
    /// of one type. Without columns, `()`, it writes nothing and returns 0.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`Database::execute`](crate::Database::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # #[derive(Debug, PartialEq, Model)] struct User { id: i64, name: String, age: i32, visits: i64 }
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # let table = "create table user (id integer primary key, name text, age integer, visits integer)";
    /// # objects.database().batch(table).await?;
    /// let mut user = objects.create([User::NAME.set("ada"), User::AGE.set(36), User::VISITS.set(1)]).await?;
    /// objects.execute(User::update([User::VISITS.set(User::VISITS + 1)])).await?;
    ///
    /// (user.name, user.age) = ("Ada".into(), 37);
    /// assert_eq!(objects.update_only(&user, (User::NAME, User::AGE)).await?, 1);
    /// assert_eq!(objects.get::<User>(User::ID.eq(user.id)).await?.visits, 2);
    /// assert_eq!(objects.update_only(&user, ()).await?, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// A column of another model does not compile.
    ///
    /// ```compile_fail
    /// # use nestling::{Database, Manager, Model};
    /// # #[derive(Debug, PartialEq, Model)] struct User { id: i64, name: String }
    /// # #[derive(Debug, PartialEq, Model)] struct Pet { id: i64, name: String }
    /// # async fn wrong(objects: Manager, user: User) {
    /// objects.update_only(&user, Pet::NAME).await;
    /// # }
    /// ```
    pub async fn update_only<M: Model>(&self, row: &M, columns: impl Columns<M>) -> Result<u64> {
        let columns = columns.indexes();
        self.write(row, columns).await
    }

    async fn write<M: Model>(&self, row: &M, columns: Vec<usize>) -> Result<u64> {
        let set = columns.into_iter().map(|column| Assignment::new(column, Node::Value(row.value(column))));
        M::update(set).filter(Expr::new(is_key(M::TABLE, row.key().values()))).run_on(&self.db).await
    }
}
