//! The other client: it cancels what random sessions run, one after the other as fast as it can, in bursts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nestling::{Database, Dialect, Error, params};
use tokio::{task::JoinHandle, time::sleep};

use super::super::seed::Dice;
use crate::harness::Backend;

/// How many hits a burst has at most: a millisecond's worth. MySQL and MariaDB read a statement for each.
const LONGEST: u64 = 400;
const LONGEST_OF_MYSQL: u64 = 50;

/// Of so many bursts one ends a session, where any does.
const ENDS_ONE_IN: u64 = 8;

/// An attack under way.
pub(super) struct Attack {
    is_over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

struct Attacker {
    observer: Database,
    dice: Dice,
    ends_sessions: bool,
    /// The query that lists the sessions.
    sessions: String,
}

impl Attack {
    /// Begins it; none on SQLite, where nobody can be cancelled from outside.
    pub(super) async fn begin(backend: &Backend, dice: Dice, ends_sessions: bool) -> Option<Self> {
        let sessions = backend.sessions_query().await?;
        let is_over = Arc::new(AtomicBool::new(false));
        let attacker = Attacker { observer: backend.observer().clone(), dice, ends_sessions, sessions };
        let task = tokio::spawn(attacker.bursts(Arc::clone(&is_over)));
        Some(Self { is_over, task })
    }

    pub(super) async fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await.expect("an attack that was not disturbed");
    }
}

impl Attacker {
    async fn bursts(mut self, is_over: Arc<AtomicBool>) {
        while !is_over.load(Ordering::Relaxed) {
            let rows = self.observer.query(&self.sessions, params![]).await.expect("the sessions");
            let sessions: Vec<i64> = rows.iter().map(|row| row.get(0).expect("a number")).collect();
            if !sessions.is_empty() {
                let is_postgres = self.observer.dialect() == Dialect::Postgres;
                let count = 1 + self.dice.below(if is_postgres { LONGEST } else { LONGEST_OF_MYSQL });
                let any = |dice: &mut Dice| sessions[dice.below(sessions.len() as u64) as usize];
                let victims: Vec<i64> = (0..count).map(|_| any(&mut self.dice)).collect();
                self.cancel(victims).await;
                if self.ends_sessions && self.dice.once_in(ENDS_ONE_IN) {
                    let victim = any(&mut self.dice);
                    self.end(victim).await;
                }
            }
            // Between bursts blocks come to their ends.
            sleep(Duration::from_micros(self.dice.below(4_000))).await;
        }
    }

    /// Cancels what these sessions run, in this order, as fast as the server can.
    async fn cancel(&self, sessions: Vec<i64>) {
        if self.observer.dialect() == Dialect::Postgres {
            let sql = "select count(pg_cancel_backend(pid::int4)) from unnest($1::int8[]) as pid";
            self.observer.query_one(sql, params![sessions]).await.expect("signals");
        } else {
            let all: Vec<_> = sessions.iter().map(|session| format!("kill query {session}")).collect();
            may_be_gone(&self.observer.batch(&all.join("; ")).await);
        }
    }

    async fn end(&self, session: i64) {
        if self.observer.dialect() == Dialect::Postgres {
            let sql = "select pg_terminate_backend($1)";
            self.observer.query_one(sql, params![session]).await.expect("a signal");
        } else {
            may_be_gone(&self.observer.batch(&format!("kill connection {session}")).await);
        }
    }
}

/// Ends all sessions, as an administrator would where one is stuck. MySQL and MariaDB only.
pub(super) async fn end_all(backend: &Backend) {
    let sessions = backend.sessions_query().await.expect("a server has sessions");
    let rows = backend.observer().query(&sessions, params![]).await.expect("the sessions");
    for row in rows {
        let session: i64 = row.get(0).expect("a number");
        may_be_gone(&backend.observer().batch(&format!("kill connection {session}")).await);
    }
}

/// A session may have gone by itself (no such thread).
fn may_be_gone(killed: &Result<(), Error>) {
    assert!(killed.as_ref().map_or_else(|error| error.code() == Some("1094"), |()| true), "{killed:?}");
}
