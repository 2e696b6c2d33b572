//! The tables.

use chrono::{DateTime, Utc};
use nestling::{
    Database, Error, ForeignKey, Model, create_tables,
    model::{Table, TextEnum},
    types::Json,
};

use super::task::Task;

/// How far a job has come. That one is being done right now is not written anywhere: its row is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
#[text_enum(rename_all = "snake_case")]
pub(crate) enum State {
    /// It is to be done, once it is due.
    Queued,
    Done,
    /// All its attempts have failed.
    Failed,
}

/// A job.
#[derive(Debug, Clone, Model)]
#[model(index(state, due))]
pub(crate) struct Job {
    pub(crate) id: i64,
    pub(crate) task: Json<Task>,
    #[model(default = State::Queued)]
    pub(crate) state: State,
    /// How many attempts have begun.
    #[model(default)]
    pub(crate) attempts: i32,
    #[model(check = "max_attempts > 0")]
    pub(crate) max_attempts: i32,
    /// When the next attempt may begin.
    #[model(default_sql = "now()")]
    pub(crate) due: DateTime<Utc>,
    /// What the last attempt has failed of.
    pub(crate) error: Option<String>,
}

/// A letter that was written: what jobs are for here.
#[derive(Debug, Clone, Model)]
pub(crate) struct Letter {
    pub(crate) id: i64,
    pub(crate) job: ForeignKey<Job>,
    /// The attempt that has written it.
    pub(crate) attempt: i32,
    pub(crate) recipient: String,
}

const TABLES: [&Table; 2] = [Job::TABLE, Letter::TABLE];

/// Makes the tables where they are missing. It is a command of its own, and not the beginning of each worker: an index that is to be
/// made, even if it is there, waits for all who write to its table.
///
/// # Errors
/// Those of the database.
pub(crate) async fn create(db: &Database) -> Result<(), Error> {
    create_tables(db, &TABLES).await
}
