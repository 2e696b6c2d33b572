//! The command line.

use std::{env, str::FromStr, time::Duration};

use nestling::{Database, Manager, Model as _};
use tokio::signal;

use super::{
    queue::Queue,
    schema::{Job, State, create},
    task::{Task, TaskError},
    worker,
};

const USAGE: &str = "\
Usage: jobs [OPTION…] COMMAND

  create                           makes the tables
  enqueue letter NAME [FAILURES]   a letter to NAME, whose first attempts fail
  enqueue crash                    a job that takes its worker along
  work                             do jobs until Ctrl-C
  status                           how many jobs there are, and what the failed ones have failed of

  --database URL     postgres://user@host/name (default: DATABASE_URL)
  --count N          how many jobs are queued (1)
  --attempts N       how often each may be tried (5)
  --at-once N        how many jobs a worker does at a time (4)
  --lease SECONDS    after how long a job is taken from a worker that died (10)
  --backoff SECONDS  the first pause between attempts (1); it doubles
  --time-limit SECONDS  how long a job may take (600)";

/// Runs a command.
///
/// # Errors
/// The usage, if it is none; those of the database.
pub(crate) async fn run(args: &[String]) -> Result<(), TaskError> {
    let options = Options::read(args)?;
    let at_once = options.value("--at-once", 4)?;
    // Each job has a connection, and one is for what is claimed meanwhile.
    let connections = u32::try_from(at_once)?.saturating_add(1);
    let db = Database::builder(&options.value("--database", env::var("DATABASE_URL").unwrap_or_default())?)
        .application_name("jobs")
        .max_connections(connections)
        .build()?;
    let queue = Queue {
        objects: Manager::new(db),
        lease: options.seconds("--lease", 10.0)?,
        backoff: options.seconds("--backoff", 1.0)?,
        time_limit: options.seconds("--time-limit", 600.0)?,
    };
    match options.words.as_slice() {
        ["create"] => create(&queue.objects).await?,
        ["enqueue", task @ ..] => {
            let task = task_of(task)?;
            let ids = queue.enqueue(vec![task; options.value("--count", 1)?], options.value("--attempts", 5)?).await?;
            println!("queued: {ids:?}");
        }
        ["work"] => worker::run(&queue, at_once, interrupted()).await?,
        ["status"] => status(&queue).await?,
        _ => return Err(USAGE.into()),
    }
    queue.objects.close().await;
    Ok(())
}

fn task_of(words: &[&str]) -> Result<Task, TaskError> {
    match words {
        ["letter", name] => Ok(Task::Letter { to: (*name).to_owned(), failures: 0 }),
        ["letter", name, failures] => Ok(Task::Letter { to: (*name).to_owned(), failures: failures.parse()? }),
        ["crash"] => Ok(Task::Crash),
        _ => Err(USAGE.into()),
    }
}

async fn status(queue: &Queue) -> Result<(), TaskError> {
    for (state, count) in queue.counts().await? {
        println!("{count:6} {state:?}");
    }
    for job in Job::select().filter(Job::STATE.eq(State::Failed)).order_by(Job::ID.asc()).all(&queue.objects).await? {
        println!("job {}: {} attempts, {}", job.id, job.attempts, job.error.unwrap_or_default());
    }
    Ok(())
}

async fn interrupted() {
    if let Err(error) = signal::ctrl_c().await {
        eprintln!("jobs: no Ctrl-C: {error}");
        std::future::pending::<()>().await;
    }
}

/// The options, with their values, and the other words.
struct Options<'a> {
    given: Vec<(&'a str, &'a str)>,
    words: Vec<&'a str>,
}

impl<'a> Options<'a> {
    fn read(args: &'a [String]) -> Result<Self, TaskError> {
        let (mut given, mut words) = (Vec::new(), Vec::new());
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            if arg.starts_with("--") {
                given.push((arg, args.next().ok_or(USAGE)?));
            } else {
                words.push(arg);
            }
        }
        if let Some((unknown, _)) = given.iter().find(|(name, _)| !USAGE.contains(&format!("\n  {name} "))) {
            return Err(format!("{unknown} is no option\n\n{USAGE}").into());
        }
        Ok(Self { given, words })
    }

    fn value<T: FromStr>(&self, name: &str, default: T) -> Result<T, TaskError> {
        match self.given.iter().find(|(given, _)| *given == name) {
            Some((_, value)) => value.parse().map_err(|_| format!("{name}: {value} is no value").into()),
            None => Ok(default),
        }
    }

    fn seconds(&self, name: &str, default: f64) -> Result<Duration, TaskError> {
        Ok(Duration::try_from_secs_f64(self.value(name, default)?)?)
    }
}
