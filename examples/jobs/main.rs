//! A queue of jobs in PostgreSQL, and the workers that do them, which may be killed at any moment: see README.md.
//!
//! Begin reading at [`queue`], where each step of a job is one transaction. [`worker`] decides when to take one.

mod command;
mod queue;
mod schema;
mod task;
mod worker;

use std::{env, process::ExitCode};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match command::run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jobs: {error}");
            ExitCode::FAILURE
        }
    }
}
