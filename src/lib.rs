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
//! A struct with `#[derive(Model)]` is a table, its columns are constants, and a [`Manager`] has the calls on rows.
//! They take part in the transaction that the task has open, as everything does.
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
//! # Where things are
//! The root of the crate has the names of daily use. The others are in modules:
//!
//! | module | |
//! |---|---|
//! | [`blocks`] | what blocks and scopes are told and give: propagation, retries, hooks, sandboxes, tasks |
//! | [`model`] | definitions of tables, columns and fields; tables created and dropped; prefetch |
//! | [`query`] | typed statements and the expressions in them |
//! | [`row`] | rows, and streams of them |
//! | [`types`] | values and cells, and the Rust types that they become |
//! | [`sync`] | blocking calls |
//! | [`connect`] | TLS, and what sets a connection up |
//! | [`listen`] | notifications |
//! | [`status`] | what is open, counts and times |
//! | [`native`] | the database clients below this crate |
//! | [`testing`] | for tests: counts of what was sent, and errors as a database would give them |
//! | `tower` | a scope, or a transaction, for each request of a service |
//!
//! # Guides
//! - What exactly happens, by [rules](guide::semantics); what is true when a future is [dropped](guide::cancellation); known
//!   [limits](guide::limits).
//! - A transaction for each request of a service with [axum](guide::axum); [testing](guide::testing);
//!   [deployment](guide::deployment); [migrations](guide::migrations).
//! - What it has, and has not, [beside others](guide::compare); how to come from [sqlx](guide::from_sqlx),
//!   [SeaORM](guide::from_sea_orm), [diesel-async](guide::from_diesel_async) and [peewee-async](guide::from_peewee_async).
//!
//! # Features
//! - `sqlite` (default), `postgres` and `mysql` are the back ends.
//! - `sqlite-system` is SQLite by the library of the system; `sqlite` builds it into the program. Both together are `sqlite`.
//! - `tls` encrypts connections to PostgreSQL and MySQL, by rustls with ring; [`Database::open`] tells how to ask for it.
//! - `tls-native-roots` has [`TlsRoots::System`](connect::TlsRoots::System): the authorities that the operating system trusts.
//! - `chrono`, `uuid`, `rust_decimal` and `serde_json` (default) have the types of those crates as values, and `serde_json` has
//!   [`types::Json`]. Without one of them, a value that needs it is an error that names it when it is read.
//! - `derive` (default) has the derive macros [`Model`], [`FromRow`], [`Field`](model::Field),
//!   [`TextEnum`](model::TextEnum) and [`IntEnum`](model::IntEnum).
//! - `sea-query` has `Database::run`, which runs statements of that crate on any back end.
//! - `refinery` has `Database::migrate`, which runs the migrations of that crate. It needs Rust 1.92, as that crate does, and turns
//!   `chrono` on.
//! - `tower` has the module of that name.
//! - `metrics` gives the figures of each database to the recorder of the crate `metrics`: `Database::record_metrics`.
//! - `full` is all of them.

// docs.rs sets this cfg: each item then tells the feature that it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(any(feature = "sqlite-system", feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "without a back end nothing can be opened")
)]

mod data;
mod db;
mod detach_on_drop;
mod driver;
mod error;
#[cfg(any(doc, doctest))]
pub mod guide;
mod instruments;
pub mod model;
mod pool;
mod primitives;
mod revocable;
mod runtime;
mod session;
mod sql;
pub mod sync;
pub mod testing;
#[cfg(feature = "tower")]
pub mod tower;
mod traces;
mod transaction;
mod waiters;

#[cfg(feature = "derive")]
pub use nestling_derive::{FromRow, Model};

#[doc(inline)]
pub use crate::model::{
    manager::Manager,
    query::{Query, raw},
    schema::create_tables,
    table::{ForeignKey, Model},
};
pub use crate::{
    data::{
        params::Params,
        row::{FromRow, Row},
        value::Value,
    },
    db::{
        Database, DatabaseBuilder, MySQLDatabase, PostgresqlDatabase, PostgresqlExtDatabase, SqliteDatabase,
        TransactionBuilder,
    },
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    session::{Context, join_set, scope, spawn},
    transaction::settings::Isolation,
};

/// What blocks and scopes are told, and what they give: propagation, retries, hooks, sandboxes, tasks.
pub mod blocks {
    pub use crate::{
        db::{HookResult, Propagation, Retry, Retrying, Sandbox},
        error::RetryError,
        runtime::TransactionOutcome,
        session::{JoinSet, Scope, ScopeSettings},
    };
}

/// How connections are made, and what is told of one to those who set it up.
pub mod connect {
    pub use crate::{
        driver::{TlsMode, TlsRoots},
        pool::{ConnectionInfo, PoolConnection},
    };
}

/// What [`Database::listen`] gives.
pub mod listen {
    pub use crate::{
        db::{ListenEvent, Listener},
        driver::Notification,
    };
}

/// What is open, and what was counted and measured.
pub mod status {
    pub use crate::{
        db::Status,
        pool::Timings,
        session::{BlockState, OpenBlock, Stats},
    };
}

/// Typed statements and the expressions in them.
///
/// A statement is made by the constructors of [`Model`] or by [`raw`], and run by a [`Manager`] or by [`Query::run_on`].
pub mod query {
    #[cfg(feature = "sea-query")]
    pub use sea_query;

    #[cfg(feature = "sea-query")]
    pub use crate::db::{Outcome, Portable};
    pub use crate::model::{
        expr::{
            Condition, Document, Expr, InOperand, JsonPath, JsonStep, Number, Operand, Order, Ordered, RowOperand,
            RowParts, RowValue, Text,
        },
        query::{
            Cardinality, Compound, ConflictTarget, Delete, Insert, Many, Maybe, ModelStream, Named, OnConflict, One,
            Optional, Page, PageOf, Query, Raw, Relation, Returning, Rows, Select, Selection, Union, Update, functions,
            raw,
        },
    };
}

/// Rows of queries, and streams of them with constant memory.
pub mod row {
    pub use crate::{
        data::row::{FromRow, Row, RowIndex},
        db::RowStream,
    };
}

/// The values of parameters and the cells of rows, and the Rust types that they become.
pub mod types {
    #[cfg(feature = "serde_json")]
    pub use crate::data::json::Json;
    pub use crate::data::{
        cell::{Cell, Elements, FromCell, Mismatch, Pairs},
        hstore::{HStore, HStoreText},
        interval::Interval,
        maybe_infinite::MaybeInfinite,
        network::Network,
        params::Params,
        value::Value,
    };
}

/// The database clients below this crate: handles to those that a [`Database`] lends, and their crates; and that of migrations.
///
/// The crates are re-exported so that a program names the very version that this crate uses. A new major version of one of
/// them is a breaking change of this module alone, and comes with a new minor version of this crate while it is `0.x`, with
/// a new major version from `1.0` on.
pub mod native {
    #[cfg(feature = "mysql")]
    pub use mysql_async;
    #[cfg(feature = "refinery")]
    pub use refinery_core;
    #[cfg(feature = "sqlite-system")]
    pub use rusqlite;
    #[cfg(feature = "postgres")]
    pub use tokio_postgres;

    #[cfg(feature = "mysql")]
    pub use crate::db::MysqlClient;
    #[cfg(feature = "postgres")]
    pub use crate::db::PostgresClient;
}

/// Names for the output of the derive macros. They may change with every version.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "serde_json")]
    pub use crate::model::derived_reads::{read_json, read_json_or_null};
    pub use crate::{
        data::{
            cell::{Cell, FromCell, Mismatch},
            params::parameter,
            row::{FromRow, Row},
            value::Value,
        },
        error::Result,
        model::{
            derived::{
                ColumnSettings, begins_with, can_be_auto, column, default_value, index, is_reference, is_text,
                no_column, reference, stored, table, write,
            },
            derived_reads::{check_int_enum, position, read, read_cell, read_int_enum, read_text_enum, read_try_from},
            expr::{Column, Operand},
            query::Select,
            table::{
                ColumnDef, ColumnType, ColumnWrite, Field, IndexDef, IntEnum, Model, Newtype, ReferenceAction, Stored,
                Table, TextEnum,
            },
        },
    };
}
