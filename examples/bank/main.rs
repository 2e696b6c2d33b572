//! A bank over HTTP: accounts, transfers and statements of account, for several tenants.
//!
//! `cargo run --example bank` runs it on an SQLite file; `cargo run --example bank --features postgres -- --database
//! postgres://user@host/name` on PostgreSQL, where the database itself keeps the tenants apart. Begin reading at [`accounts`]: no
//! function there has a transaction in its signature, and all of them take part in the one that the request has. [`app`] says
//! where that comes from.

mod accounts;
mod answer;
mod app;
mod idempotency;
mod jobs;
mod operations;
mod schema;

use std::{env, io, process::ExitCode};

use nestling::Manager;
use tokio::{net::TcpListener, signal};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _};

const USAGE: &str = "\
Usage: bank [--database URL] [--listen ADDRESS]

  --database URL    sqlite://bank.db (default) or postgres://user@host/name
  --listen ADDRESS  127.0.0.1:3000 (default)";

#[tokio::main]
async fn main() -> ExitCode {
    let (mut database, mut listen) = ("sqlite://bank.db".to_owned(), "127.0.0.1:3000".to_owned());
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--database", Some(value)) => database = value,
            ("--listen", Some(value)) => listen = value,
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    match serve(&database, &listen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bank: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(database: &str, listen: &str) -> Result<(), Box<dyn std::error::Error>> {
    // Ahead of what they tell of. `RUST_LOG=nestling=debug` shows every statement.
    let filter: Targets = env::var("RUST_LOG").as_deref().unwrap_or("warn").parse()?;
    tracing_subscriber::registry().with(tracing_subscriber::fmt::layer()).with(filter).init();
    let prometheus = operations::exporter()?.install_recorder()?;
    schema::create(database).await?;
    let objects = Manager::new(schema::open(database)?);
    let listener = TcpListener::bind(listen).await?;
    introduce(&listener.local_addr()?.to_string());
    let worker = jobs::Worker::start(&objects);
    let router = app::router(&objects, worker.queue()).merge(operations::router(objects.database(), prometheus));
    axum::serve(listener, router).with_graceful_shutdown(interrupted()).await?;
    // Requests have ended; the jobs that they have queued are done before the last connection goes.
    println!("stopping: {} jobs done", worker.stop().await);
    objects.close().await;
    Ok(())
}

async fn interrupted() {
    // Without a handler there is nothing to wait for, and the process ends as it does by default.
    if let Err(error) = signal::ctrl_c().await {
        eprintln!("bank: no Ctrl-C: {error}");
        std::future::pending::<io::Error>().await;
    }
}

fn introduce(address: &str) {
    println!(
        "the bank is open at http://{address}, Ctrl-C closes it

  curl -X POST http://{address}/accounts -H 'x-tenant: acme' --json '{{\"owner\": \"ada\", \"balance\": 100}}'
  curl -X POST http://{address}/accounts -H 'x-tenant: acme' --json '{{\"owner\": \"grace\", \"balance\": 0}}'
  curl -X POST http://{address}/transfers -H 'x-tenant: acme' -H 'idempotency-key: 1' --json '{{\"from\": 1, \"to\": 2, \"amount\": 30}}'
  curl 'http://{address}/accounts/1/entries?limit=10' -H 'x-tenant: acme'
  curl http://{address}/metrics    the figures of the database
  curl http://{address}/open       the transactions that are open now
"
    );
}
