//! The tables, and how the database is opened.
//!
//! On PostgreSQL each row belongs to a tenant, and a policy shows a transaction only the rows of the tenant in its setting
//! `app.tenant`. The service works as a role that the policies hold for; whoever makes the tables does not.

use std::time::Duration;

use chrono::{DateTime, Utc};
use nestling::{Database, Dialect, Error, Model, create_tables, model::Table, params};

/// An account. Its balance is the sum of its entries.
#[derive(Debug, Clone, Model)]
pub(crate) struct Account {
    pub(crate) id: i64,
    #[model(max_length = 64)]
    pub(crate) tenant: String,
    #[model(max_length = 255)]
    pub(crate) owner: String,
    #[model(check = "balance >= 0")]
    pub(crate) balance: i64,
}

/// One side of a transfer.
#[derive(Debug, Clone, Model)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    #[model(max_length = 64)]
    pub(crate) tenant: String,
    #[model(index)]
    pub(crate) account: i64,
    /// The account at the other end.
    pub(crate) other: i64,
    pub(crate) amount: i64,
    pub(crate) at: DateTime<Utc>,
}

/// What was answered to a request that may come again.
#[derive(Debug, Clone, Model)]
#[model(unique(tenant, key))]
pub(crate) struct Request {
    pub(crate) id: i64,
    #[model(max_length = 64)]
    pub(crate) tenant: String,
    #[model(max_length = 255)]
    pub(crate) key: String,
    pub(crate) status: Option<i64>,
    #[model(max_length = 4000)]
    pub(crate) body: Option<String>,
}

/// Work that is done behind a transfer: a letter to the owner of an account.
#[derive(Debug, Clone, Model)]
pub(crate) struct Job {
    pub(crate) id: i64,
    #[model(max_length = 64)]
    pub(crate) tenant: String,
    #[model(max_length = 255)]
    pub(crate) letter: String,
    pub(crate) attempts: i64,
}

const TABLES: [&Table; 4] = [Account::TABLE, Entry::TABLE, Request::TABLE, Job::TABLE];

/// Makes the tables and, on PostgreSQL, the role and the policies, where they are missing.
///
/// # Errors
/// Those of the database.
pub(crate) async fn create(url: &str) -> Result<(), Error> {
    let db = Database::builder(url).name("bank tables").max_connections(1).build()?;
    create_tables(&db, &TABLES).await?;
    if db.dialect() == Dialect::Postgres {
        db.atomic(|| protect(&db)).await?;
    }
    db.close().await;
    Ok(())
}

async fn protect(db: &Database) -> Result<(), Error> {
    // Several banks may start at once.
    db.query("select pg_advisory_xact_lock(20261128)", params![]).await?;
    db.batch(
        "do $$ begin
            if not exists (select from pg_roles where rolname = 'bank_service') then create role bank_service; end if;
            execute format('grant usage on schema %I to bank_service', current_schema());
        end $$",
    )
    .await?;
    for table in ["account", "entry", "request", "job"] {
        let sql = format!(
            "alter table {table} enable row level security;
             drop policy if exists tenants on {table};
             create policy tenants on {table} to bank_service
                using (tenant = current_setting('app.tenant', true))
                with check (tenant = current_setting('app.tenant', true));
             grant select, insert, update, delete on {table} to bank_service;
             grant usage on sequence {table}_id_seq to bank_service"
        );
        db.batch(&sql).await?;
    }
    // The worker serves all tenants.
    db.batch("drop policy if exists everybody on job; create policy everybody on job to bank_service using (current_setting('app.worker', true) = 'yes')")
        .await
}

/// Opens the database for the service.
///
/// # Errors
/// `Config` for a URL that is not valid.
pub(crate) fn open(url: &str) -> Result<Database, Error> {
    let options = Database::builder(url).name("bank").max_connections(8).warn_open_longer_than(Duration::from_secs(10));
    if !url.starts_with("postgres") {
        return options.build();
    }
    options.after_connect(|connection| async move { connection.batch("set role bank_service").await }).build()
}
