//! [`create_tables`], [`drop_tables`] and [`create_statements`]: the statements of `statements.rs` in the order of
//! `order.rs`.

use super::{
    order::{DeferredReference, TableOrder},
    statements::DdlWriter,
};
use crate::{
    db::Database,
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::table::Table,
    params,
};

/// The advisory lock that is held on PostgreSQL while tables are created or dropped: two sessions that create one table
/// at the same time fail there, even with IF NOT EXISTS. An arbitrary number.
const LOCK: i64 = 0x6e65_7374_6c69_6e67;

/// Creates the tables of models, with their keys, constraints and indexes. Existing tables are left as they are.
///
/// Tables may be given in any order, and may refer to each other and to themselves. A referenced table that is not given
/// must exist. On PostgreSQL and SQLite all of it is one
/// transaction, or a savepoint of the one that is open.
///
/// A table that exists is not compared with its model: to change tables use migrations.
///
/// # Errors
/// `Unsupported` if the database has no such type (arrays are PostgreSQL's alone); `ImplicitCommit` inside a block on MySQL
/// and MariaDB, where this would commit it; else as [`Database::execute`].
///
/// # Cancel safety
/// As [`Database::atomic`]; on MySQL and MariaDB, where each statement is on its own, some tables may be there.
///
/// # Examples
/// ```
/// use nestling::{Database, ForeignKey, Model, create_tables, model::drop_tables};
///
/// #[derive(Model)]
/// struct Director {
///     id: i64,
///     #[model(unique, max_length = 100)]
///     name: String,
/// }
///
/// #[derive(Model)]
/// struct Movie {
///     id: i64,
///     #[model(on_delete = "cascade")]
///     director: ForeignKey<Director>,
/// }
///
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// let db = Database::open("sqlite::memory:")?;
/// create_tables(&db, &[Movie::TABLE, Director::TABLE]).await?;
/// assert!(Movie::select().all(&db).await?.is_empty());
/// drop_tables(&db, &[Movie::TABLE, Director::TABLE]).await?;
/// # Ok(()) }
/// ```
pub async fn create_tables(db: &Database, tables: &[&'static Table]) -> Result<()> {
    let writer = DdlWriter::new(db.dialect());
    let order = TableOrder::of(tables);
    let statements = writer.create(&order)?;
    in_a_block(db, || async {
        for statement in &statements {
            db.execute(statement, ()).await?;
        }
        for DeferredReference { table, column, reference } in writer.deferred(&order) {
            let (sql, params) = writer.find_reference(table, *column);
            if db.query_opt(sql, params).await?.is_none() {
                db.execute(&writer.add_reference(table, *column, reference), ()).await?;
            }
        }
        Ok(())
    })
    .await
}

/// Drops the tables of models, those that refer to others first. A table that does not exist is no error.
///
/// On PostgreSQL and SQLite all of it is one transaction, or a savepoint of the one that is open.
///
/// # Errors
/// Those of the database if a table that was not given refers to one of these; `ImplicitCommit` inside a block on MySQL and
/// MariaDB, where this would commit it; else as [`Database::execute`].
///
/// # Cancel safety
/// As [`Database::atomic`]; on MySQL and MariaDB, where each statement is on its own, some tables may be gone.
///
/// # Examples
/// See [`create_tables`].
pub async fn drop_tables(db: &Database, tables: &[&'static Table]) -> Result<()> {
    let writer = DdlWriter::new(db.dialect());
    let order = TableOrder::of(tables);
    in_a_block(db, || async {
        let circular = !order.deferred.is_empty();
        for DeferredReference { table, column, .. } in writer.deferred(&order) {
            let (sql, params) = writer.find_reference(table, *column);
            if db.query_opt(sql, params).await?.is_some() {
                db.execute(&writer.drop_reference(table, *column), ()).await?;
            }
        }
        // SQLite deletes the rows first, and checks references as it does.
        let deferred = circular && !db.dialect().capabilities().alters_references;
        if deferred {
            db.batch("PRAGMA defer_foreign_keys = on").await?;
        }
        for table in order.tables.iter().rev() {
            db.execute(&writer.drop(table), ()).await?;
        }
        if deferred {
            db.batch("PRAGMA defer_foreign_keys = off").await?;
        }
        Ok(())
    })
    .await
}

/// The statements of [`create_tables`]: for review, or as the first draft of a migration.
///
/// # Errors
/// `Unsupported` if the database has no such type.
///
/// # Examples
/// ```
/// use nestling::{Dialect, Model, model::create_statements};
///
/// #[derive(Model)]
/// struct Director {
///     id: i64,
///     #[model(unique, max_length = 100)]
///     name: String,
/// }
///
/// let statements = create_statements(Dialect::Postgres, &[Director::TABLE])?;
/// assert_eq!(
///     statements,
///     [r#"CREATE TABLE IF NOT EXISTS "director" (
///   "id" bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL,
///   "name" varchar(100) NOT NULL,
///   PRIMARY KEY ("id"),
///   CONSTRAINT "director__name_key" UNIQUE ("name")
/// )"#]
/// );
/// # Ok::<_, nestling::Error>(())
/// ```
pub fn create_statements(dialect: Dialect, tables: &[&'static Table]) -> Result<Vec<String>> {
    let writer = DdlWriter::new(dialect);
    let order = TableOrder::of(tables);
    let mut statements = writer.create(&order)?;
    for DeferredReference { table, column, reference } in writer.deferred(&order) {
        statements.push(writer.add_reference(table, *column, reference));
    }
    Ok(statements)
}

/// Runs changes of the schema as a whole, where the database can.
async fn in_a_block<F: Future<Output = Result<()>>>(db: &Database, body: impl FnOnce() -> F) -> Result<()> {
    if !db.dialect().capabilities().transactional_ddl {
        if db.in_transaction() {
            let text = "MySQL commits the open transaction when a table is made or dropped: do it outside of blocks";
            return Err(Error::new(ErrorKind::ImplicitCommit, text));
        }
        return body().await;
    }
    db.atomic(|| async {
        if db.dialect() == Dialect::Postgres {
            db.query("SELECT pg_advisory_xact_lock($1)", params![LOCK]).await?;
        }
        body().await
    })
    .await
}
