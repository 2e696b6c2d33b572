//! Nested transactions for Tokio tasks.
//!
//! A connection is bound to the task that opened a transaction. [`Database::atomic`], [`Database::transaction`] and
//! [`Database::savepoint`] nest per task, and every query that the task issues, however deep in its call tree, takes part
//! without a handle in any signature. BEGIN, SAVEPOINT and RELEASE cost no round trips: they ride with the next
//! statement. (MySQL and MariaDB take them in a message of their own ahead of a statement with parameters.)
//!
//! ```
//! use nestling::{Database, Error, params};
//!
//! # #[tokio::main] async fn main() -> Result<(), Error> {
//! let db = Database::open("sqlite::memory:")?;
//! db.batch("create table account (name text primary key, balance integer check (balance >= 0))").await?;
//! db.execute("insert into account values ('ada', 100), ('grace', 0)", params![]).await?;
//!
//! async fn transfer(db: &Database, from: &str, to: &str, amount: i64) -> Result<(), Error> {
//!     db.atomic(|| async {
//!         db.execute("update account set balance = balance - $1 where name = $2", params![amount, from]).await?;
//!         db.execute("update account set balance = balance + $1 where name = $2", params![amount, to]).await?;
//!         Ok(())
//!     })
//!     .await
//! }
//!
//! db.atomic(|| async {
//!     transfer(&db, "ada", "grace", 70).await?;
//!     let too_much = transfer(&db, "ada", "grace", 70).await;       // a savepoint, rolled back on its own
//!     assert!(too_much.is_err_and(|error| error.is_check_violation()));
//!     Ok::<_, Error>(())
//! })
//! .await?;
//! let balance: i64 = db.query_one("select balance from account where name = 'grace'", params![]).await?.get(0)?;
//! assert_eq!(balance, 70);
//! # Ok(()) }
//! ```
//!
//! # Models
//!
//! A struct with `#[derive(Model)]` is a table, its columns are constants, and a [`Manager`] has the calls on rows. They take
//! part in the transaction that the task has open, as everything does.
//!
//! ```
//! use nestling::{Database, Error, Manager, Model, create_tables};
//!
//! #[derive(Debug, Model)]
//! struct Account {
//!     id: i64,
//!     #[model(unique, max_length = 100)]
//!     name: String,
//!     #[model(check = "balance >= 0")]
//!     balance: i64,
//! }
//!
//! # #[tokio::main] async fn main() -> Result<(), Error> {
//! let objects = Manager::new(Database::open("sqlite::memory:")?);
//! create_tables(objects.database(), &[Account::TABLE]).await?;
//!
//! let (ada, created) = objects.get_or_create([Account::NAME.set("ada")], [Account::BALANCE.set(100)]).await?;
//! assert!(created);
//! let spent = Account::update([Account::BALANCE.set(Account::BALANCE - 30)]).filter(Account::ID.eq(ada.id));
//! objects.execute(spent).await?;
//! assert_eq!(objects.get::<Account>(Account::NAME.eq("ada")).await?.balance, 70);
//!
//! let rich = Account::select().filter(Account::BALANCE.gt(50) & Account::NAME.starts_with("a"));
//! assert_eq!(objects.count(rich).await?, 1);
//! # Ok(()) }
//! ```
//!
//! Begin reading at [`Manager`], [`Model`], [`Select`] and [`Column`].
//!
//! # Features
//! - `sqlite` (default), `postgres` and `mysql` are the back ends.
//! - `tls` encrypts connections to PostgreSQL and MySQL, by rustls with ring; [`Database::open`] tells how to ask for it.
//! - `derive` (default) has the derive macros [`Model`], [`FromRow`] and [`TextEnum`].
//! - `sea-query` has `Database::run`, which runs statements of that crate on any back end.
//! - `tower` has [`ScopeLayer`](https://docs.rs/nestling/latest/nestling/struct.ScopeLayer.html), which runs each request of
//!   a service in a scope of its own.

// docs.rs sets this cfg: each item then tells the feature that it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(any(feature = "sqlite", feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "without a back end nothing can be opened")
)]

mod data;
mod db;
mod detach_on_drop;
mod driver;
mod error;
mod model;
#[cfg(feature = "mysql")]
mod primitives;
mod revocable;
mod runtime;
mod sql;
mod sync;
#[cfg(feature = "tower")]
mod tower;
mod transaction;

#[cfg(feature = "mysql")]
pub use mysql_async;
#[cfg(feature = "derive")]
pub use nestling_derive::{FromRow, Model, TextEnum};
#[cfg(feature = "sqlite")]
pub use rusqlite;
#[cfg(feature = "sea-query")]
pub use sea_query;
#[cfg(feature = "postgres")]
pub use tokio_postgres;

#[cfg(feature = "mysql")]
pub use crate::db::MysqlClient;
#[cfg(feature = "postgres")]
pub use crate::db::PostgresClient;
#[cfg(feature = "sea-query")]
pub use crate::db::{Outcome, Portable};
#[doc(hidden)]
pub use crate::model::derived as __derive;
pub use crate::{
    data::{
        cell::{Cell, Elements, FromCell, Mismatch, Pairs},
        hstore::{HStore, HStoreText},
        json::Json,
        params::Params,
        row::{FromRow, Row, RowIndex},
        value::Value,
    },
    db::{
        Context, Database, DatabaseBuilder, MySQLDatabase, PostgresqlDatabase, PostgresqlExtDatabase, RowStream,
        SqliteDatabase, Stats, Status, TransactionBuilder, scope, spawn,
    },
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::{
        Assignment, Children, ChildrenOf, ChildrenWith, Column, ColumnDef, ColumnType, ColumnWrite, Columns, Compound,
        ConflictTarget, Delete, DeleteRow, Document, Expr, Field, ForeignKey, IndexDef, Insert, IntoSelect, JsonPath,
        JsonStep, Key, Manager, Many, Maybe, Model, ModelStream, Named, Number, OnConflict, One, Operand, Optional,
        Order, Ordered, Prefetch, PrefetchType, Prefetched, Query, Raw, RecursiveDelete, Reference, ReferenceAction,
        ReferenceDef, Relation, Returning, RowValue, Rows, Select, Selection, Shape, Stored, Table, Text, TextEnum,
        Union, Update, create_statements, create_tables, drop_tables, functions, raw,
    },
    sync::{SyncDatabase, SyncManager, SyncModels, SyncRows, SyncTransaction},
    transaction::settings::Isolation,
};
#[cfg(feature = "tower")]
pub use crate::{
    db::ScopeFuture,
    tower::{ScopeLayer, ScopeService},
};

/// The examples of the documents are compiled and run as tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../docs/migrations.md")]
    struct Migrations;
}
