//! A storm of cancellations from outside: another client cancels what random sessions run, or ends some of the sessions, while
//! many tasks work in nested blocks. Rules 13 to 16, 19, 33 and 36.
//!
//! Each block writes rows with the numbers of its root and its own, and tells in a manifest how it ended and which of its
//! statements succeeded. At the end the table must be what the manifest says: a block that committed, with all blocks around
//! it, is there as a whole; a block that was rolled back is not there at all; no row is there without its root's first one.

mod attack;
mod manifest;
mod plan;
mod task;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::try_join_all;
use nestling::{Database, Dialect, Error, params};
use tokio::{sync::Barrier, task::JoinSet, time::timeout};

use self::{
    attack::Attack,
    manifest::Manifest,
    task::{Rights, Task},
};
use super::seed::{Cases, Dice};
use crate::harness::Backend;

const TASKS: i64 = 16;
const CONNECTIONS: u32 = 8;

/// How many roots each task opens at least.
const ROUNDS: i64 = 8;

/// How many roots must have been committed, and how many must have been hit, before a storm ends.
const ENOUGH: u64 = 24;

/// How long a storm may take: far longer than any does that does not hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a storm's own waits may be: no task waits so long for another unless something hangs.
const WAIT: Duration = Duration::from_secs(60);

async fn storm(backend: &Backend, db: &Database, seed: u64, ends_sessions: bool) -> Result<(), String> {
    backend.observer().batch("delete from entry").await.expect("an empty table");
    let manifest = Arc::new(Manifest::new(db.dialect()));
    let attack = Attack::begin(backend, Dice::new(seed), ends_sessions).await;
    let hits = if attack.is_some() { ENOUGH } else { 0 };
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let dice = Dice::new(seed ^ ((number as u64 + 1) << 40));
        let rights = Rights { may_lose_sessions: ends_sessions };
        tasks.spawn(Task::new(db.clone(), number, dice, rights, Arc::clone(&manifest)).rounds(ROUNDS, hits, ENOUGH));
    }
    let all = async {
        while let Some(task) = tasks.join_next().await {
            task.map_err(|panic| format!("a task panicked: {panic}"))??;
        }
        Ok::<_, String>(())
    };
    let ended = timeout(PATIENCE, all).await;
    if let Some(attack) = attack {
        attack.end().await;
    }
    let counts = &manifest.counts;
    let (committed, hit) = (counts.committed.load(Ordering::Relaxed), counts.hit.load(Ordering::Relaxed));
    ended.map_err(|_| format!("the storm does not end: {committed} committed, {hit} hit, {:?}", db.stats()))??;
    if counts.silent.load(Ordering::Relaxed) > 0 {
        attack::end_all(backend).await;
    }
    is_whole(db).await?;
    // No session is left in a transaction.
    backend.settled_with(db).await;
    let rows = backend.observer().query("select root, block, part from entry", params![]).await;
    let rows = rows.map_err(|error| format!("{error:?}"))?;
    manifest.agrees(rows.iter().map(|row| row.to().expect("three numbers")))
}

/// Checks that as many connections as there may be can be had at once, and that blocks commit on each.
async fn is_whole(db: &Database) -> Result<(), String> {
    let together = Barrier::new(CONNECTIONS as usize);
    let users = (0..CONNECTIONS).map(|_| {
        db.atomic(|| async {
            db.query_one("select 1", params![]).await?;
            together.wait().await;
            db.savepoint(|| db.execute("update entry set part = part where root = -1", params![])).await
        })
    });
    // On SQLite blocks that write wait for one another: one after the other is whole enough.
    if db.dialect() == Dialect::Sqlite {
        let block = db.atomic(|| db.execute("update entry set part = part where root = -1", params![])).await;
        return block.map(drop).map_err(|error| format!("the pool does not work: {error:?}"));
    }
    let all = timeout(PATIENCE, try_join_all(users)).await;
    let all: Result<_, Error> = all.map_err(|_| format!("the pool is not whole: {:?}", db.stats()))?;
    all.map_err(|error| format!("the pool is not whole: {error:?}"))?;
    if db.dialect() == Dialect::Postgres {
        // Refused where names were lost, as it takes that for the work of a pooler.
        let set = db.connection(|| db.execute("set statement_timeout = 0", params![])).await;
        set.map_err(|error| format!("the server is taken for a pooler: {error:?}"))?;
    }
    Ok(())
}

async fn storms(backend: Backend, ends_sessions: bool) {
    let mut cases = Cases::new(1);
    let table = "create table entry (root bigint not null, block bigint not null, part bigint not null,
                 primary key (root, block, part))";
    backend.observer().batch(table).await.expect("the table of the test");
    let backend = Arc::new(backend);
    cases
        .run(1, |seed| {
            let backend = Arc::clone(&backend);
            async move {
                let options = backend.builder().max_connections(CONNECTIONS).acquire_timeout(WAIT);
                let db = options.turn_timeout(WAIT).busy_timeout(WAIT).build().expect("valid options");
                let result = storm(&backend, &db, seed, ends_sessions).await;
                db.close().await;
                result
            }
        })
        .await;
}

test_on! {
    every_backend;

    /// rules 13 to 16, 19 and 36
    async fn statements_that_are_cancelled_from_outside_leave_blocks_whole_or_not_at_all(backend) {
        storms(backend, false).await;
    }
}

test_on! {
    every_server;

    /// rules 16, 33 and 36
    async fn sessions_that_are_ended_from_outside_leave_blocks_whole_or_not_at_all(backend) {
        storms(backend, true).await;
    }
}
