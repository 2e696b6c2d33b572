//! What there is to do. A task knows neither queue nor transaction: its statements take part in that of its job.

use nestling::Manager;
use serde::{Deserialize, Serialize};

use super::schema::{Job, Letter};

/// Any error of a task.
pub(crate) type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// What a job does. It is stored as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Writes a letter; the first attempts fail.
    Letter { to: String, failures: i32 },
    /// Takes its worker along, each time.
    Crash,
}

/// Does the task of a job.
///
/// # Errors
/// The task's own, and those of the database.
pub(crate) async fn perform(objects: &Manager, job: &Job) -> Result<(), TaskError> {
    let write = |to: &str| {
        let values = [Letter::JOB.set(job.id), Letter::ATTEMPT.set(job.attempts), Letter::RECIPIENT.set(to)];
        objects.create::<Letter>(values)
    };
    match &job.task.0 {
        Task::Letter { to, failures } => {
            write(to).await?;
            if job.attempts <= *failures {
                return Err(format!("the pen broke in attempt {}", job.attempts).into());
            }
            // What cannot be undone waits for the COMMIT.
            let to = to.clone();
            objects.on_commit(move || async move { println!("a letter to {to} is posted") }).await?;
        }
        Task::Crash => {
            write("nobody").await?;
            std::process::abort();
        }
    }
    Ok(())
}
