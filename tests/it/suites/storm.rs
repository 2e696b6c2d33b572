//! A storm of cancellations: many tasks on a small pool, of whom each runs short and long statements, streams and blocks
//! in one another, and is dropped, timed out or aborted at random moments. Rules 36 to 39 and 43.
//!
//! Money moves between accounts, so that any half of a block that is kept shows in a sum. Who was not dropped must not see
//! anything of it: no error at all, no answer of another's, no sum that is wrong.

mod plan;
mod task;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use nestling::{Database, Dialect, Error, params};
use tokio::{sync::Barrier, task::JoinSet, time::timeout};

use self::task::{Task, Told, Tolds};
use super::seed::{Cases, Dice};
use crate::{harness::Backend, proxy::Proxy};

const ACCOUNTS: i64 = 6;
const EACH: i64 = 1_000;
const TASKS: i64 = 12;
const ROUNDS: i64 = 10;
const CONNECTIONS: u32 = 4;

/// How long a storm may take: far longer than any does that does not hang.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) async fn prepared(backend: Backend) -> Backend {
    let schema = "create table account (id bigint primary key, balance bigint not null);
                  create table entry (task bigint not null, round bigint not null, part bigint not null)";
    backend.observer().batch(schema).await.expect("the tables of the test");
    backend
}

/// As many accounts and as much money as at the start of each storm.
async fn reset(backend: &Backend) {
    let observer = backend.observer();
    observer.batch("delete from entry; delete from account").await.expect("empty tables");
    for id in 0..ACCOUNTS {
        observer.execute("insert into account values ($1, $2)", params![id, EACH]).await.expect("an account");
    }
}

async fn storm(backend: &Backend, db: &Database, seed: u64) -> Result<(), String> {
    let tolds = run(backend, db, seed, TASKS).await?;
    is_whole(db).await?;
    backend.settled_with(db).await;
    if db.dialect() != Dialect::Sqlite {
        backend.sessions_are_those_of(db).await;
        let locks = backend.locks_at_server().await;
        if locks != 0 {
            return Err(format!("{locks} locks are left at the server"));
        }
    }
    compare(backend, &tolds).await
}

/// A storm of so many tasks behind a pooler, whose sessions are not ours.
pub(crate) async fn behind_pooler(backend: &Backend, db: &Database, seed: u64, tasks: i64) -> Result<(), String> {
    let tolds = run(backend, db, seed, tasks).await?;
    is_whole(db).await?;
    backend.settled_with(db).await;
    compare(backend, &tolds).await
}

/// Runs the tasks of a storm.
async fn run(backend: &Backend, db: &Database, seed: u64, count: i64) -> Result<Tolds, String> {
    reset(backend).await;
    let tolds = Arc::new(Tolds::default());
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let dice = Dice::new(seed ^ ((number as u64 + 1) << 40));
        let task = Task::new(db.clone(), number, dice, Arc::clone(&tolds));
        tasks.spawn(task.rounds(ROUNDS));
    }
    let all = async {
        while let Some(task) = tasks.join_next().await {
            task.map_err(|panic| format!("a task panicked: {panic}"))??;
        }
        Ok::<_, String>(())
    };
    timeout(PATIENCE, all).await.map_err(|_| format!("the storm does not end: {:?}", db.stats()))??;
    Ok(Arc::into_inner(tolds).expect("all tasks have ended"))
}

/// Checks that as many connections as there may be can be had at once, and that each answers its user.
async fn is_whole(db: &Database) -> Result<(), String> {
    let together = Barrier::new(CONNECTIONS as usize);
    let users = (0..i64::from(CONNECTIONS)).map(|number| {
        let together = &together;
        db.connection(move || async move {
            let answer: i64 = db.query_one("select $1 + 0", params![number]).await?.get(0)?;
            together.wait().await;
            Ok::<_, Error>(answer == number)
        })
    });
    let answers = timeout(PATIENCE, try_join_all(users)).await;
    let answers = answers.map_err(|_| format!("the pool is not whole: {:?}", db.stats()))?;
    let answers = answers.map_err(|error| format!("the pool is not whole: {error:?}"))?;
    if answers.contains(&false) { Err("an answer is another's".to_owned()) } else { Ok(()) }
}

/// Compares the tables with what the tasks were told.
async fn compare(backend: &Backend, tolds: &Tolds) -> Result<(), String> {
    let observer = backend.observer();
    let sum = observer.query_one("select cast(sum(balance) as char(20)) from account", params![]).await;
    let sum: String = sum.and_then(|row| row.get(0)).map_err(|error| format!("{error:?}"))?;
    if sum.trim() != (ACCOUNTS * EACH).to_string() {
        return Err(format!("the sum of all accounts is {sum}"));
    }
    let rows = observer.query("select task, round, part from entry order by part", params![]).await;
    let mut found: BTreeMap<(i64, i64), Vec<i64>> = BTreeMap::new();
    for row in rows.map_err(|error| format!("{error:?}"))? {
        let (task, round, part) = row.to().map_err(|error| format!("{error:?}"))?;
        found.entry((task, round)).or_default().push(part);
    }
    for ((task, round), told) in tolds.take() {
        let parts = found.remove(&(task, round)).unwrap_or_default();
        let agrees = match &told {
            Told::Committed(kept) => parts == *kept,
            Told::Failed => parts.is_empty(),
            // Whether a nested block of it ended in time is not known, but it is so of all or nothing.
            Told::Dropped => [&[][..], &[1, 2], &[1, 2, 3]].contains(&&*parts),
        };
        if !agrees {
            return Err(format!("round {round} of task {task} was {told:?}, and its parts {parts:?} are there"));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(format!("nobody wrote {found:?}")) }
}

/// Half of the storms on a server are behind a proxy that is slow, so that requests to cancel are late.
async fn storms(backend: Backend) {
    let mut cases = Cases::new(1);
    let backend = Arc::new(prepared(backend).await);
    let proxy = (backend.db.dialect() != Dialect::Sqlite).then(|| Proxy::before(backend.url()));
    if let Some(proxy) = &proxy {
        proxy.set_delay(Duration::from_millis(1));
    }
    let proxy = Arc::new(proxy);
    cases
        .run(1, |seed| {
            let (backend, proxy) = (Arc::clone(&backend), Arc::clone(&proxy));
            async move {
                let proxy = proxy.as_ref().as_ref().filter(|_| seed % 2 == 1);
                let url = proxy.map_or_else(|| backend.url().to_owned(), |proxy| proxy.url_for(backend.url()));
                let options = Database::builder(&url).max_connections(CONNECTIONS);
                let db = options.busy_timeout(Duration::from_secs(30)).build().expect("valid options");
                let result = storm(&backend, &db, seed).await;
                db.close().await;
                result
            }
        })
        .await;
}

test_on! { every_backend_and_runtime; storms }
