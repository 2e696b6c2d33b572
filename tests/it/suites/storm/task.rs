//! A task of the storm: it carries out its plans, and keeps what it was told of what it wrote.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use nestling::{Database, Dialect, Error, ErrorKind, params};
use tokio::time::{sleep, timeout};

use super::{
    super::seed::Dice,
    ACCOUNTS, EACH,
    plan::{End, Plan, Transfer, Work},
};
use crate::{
    dialects::{late, numbers, sleeps},
    drops::polled,
};

/// What a task knows of a transaction that it has begun.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    /// It was told of success, and these parts are there.
    Committed(Vec<i64>),
    /// It was dropped.
    Dropped,
    /// It has failed in one of the two ways in which it may on MySQL and MariaDB: it was chosen to end a deadlock, as they
    /// lock the gaps between rows; or a KILL QUERY came between a SAVEPOINT and the statement behind it, which costs the
    /// transaction (`docs/limits.md`).
    Failed,
}

/// What all tasks were told, by task and round.
#[derive(Debug, Default)]
pub(super) struct Tolds(Mutex<BTreeMap<(i64, i64), Told>>);

impl Tolds {
    fn put(&self, key: (i64, i64), told: Told) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, told);
    }

    pub(super) fn take(&self) -> BTreeMap<(i64, i64), Told> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What goes wrong in a piece of work that nobody has dropped.
#[derive(Debug)]
enum Wrong {
    Db(Error),
    /// A block that fails on purpose.
    OnPurpose,
    /// A value that is not the one that was asked for.
    Value(String),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Db(error)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Db(error) => write!(f, "{error:?}"),
            Self::OnPurpose => f.write_str("an error was not caught"),
            Self::Value(text) => f.write_str(text),
        }
    }
}

/// Work under way: the parts that it has written in the end.
type Running = Pin<Box<dyn Future<Output = Result<Vec<i64>, Wrong>> + Send>>;

pub(super) struct Task {
    worker: Worker,
    number: i64,
    dice: Dice,
    tolds: Arc<Tolds>,
}

/// Who does the work of one round.
#[derive(Clone)]
struct Worker {
    db: Database,
    key: (i64, i64),
}

impl Task {
    pub(super) fn new(db: Database, number: i64, dice: Dice, tolds: Arc<Tolds>) -> Self {
        Self { worker: Worker { db, key: (number, 0) }, number, dice, tolds }
    }

    /// # Errors
    /// Something came of a piece of work that must not.
    pub(super) async fn rounds(mut self, count: i64) -> Result<(), String> {
        for round in 0..count {
            self.worker.key = (self.number, round);
            let plan = Plan::roll(&mut self.dice);
            let ended = ended(self.worker.clone().work(plan.work), plan.end).await;
            let told = match ended {
                Some(Ok(parts)) => Told::Committed(parts),
                None => Told::Dropped,
                Some(Err(Wrong::Db(error))) if self.worker.may_fail(plan.work, &error) => Told::Failed,
                Some(Err(wrong)) => return Err(format!("round {round} of task {}: {plan:?}: {wrong}", self.number)),
            };
            self.tolds.put(self.worker.key, told);
        }
        Ok(())
    }
}

/// Ends a piece of work as is planned; nothing if it was dropped.
async fn ended(work: Running, end: End) -> Option<Result<Vec<i64>, Wrong>> {
    match end {
        End::Whole => Some(work.await),
        End::Timeout(time) => timeout(time, work).await.ok(),
        End::Polls(count) => polled(count, work).await,
        End::Abort(time) => {
            let task = tokio::spawn(work);
            sleep(time).await;
            task.abort();
            match task.await {
                Ok(result) => Some(result),
                Err(error) if error.is_cancelled() => None,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
    }
}

impl Worker {
    fn may_fail(&self, work: Work, error: &Error) -> bool {
        let is_lost = error.kind() == ErrorKind::ConnectionLost && work.drops();
        self.db.dialect() == Dialect::Mysql && (error.is_deadlock() || is_lost)
    }

    fn work(self, work: Work) -> Running {
        Box::pin(async move {
            match work {
                Work::Transfer(transfer) => return self.transfer(transfer).await,
                Work::Long { in_block: false } => self.long().await?,
                Work::Long { in_block: true } => self.db.atomic(|| self.long()).await?,
                Work::Sum => self.sum().await?,
                Work::Echo(number) => {
                    let row = self.db.query_one("select $1 + 0", params![number]).await?;
                    same(row.get(0)?, number)?;
                }
                Work::Stream { count, read } => self.stream(count, read).await?,
            }
            Ok(vec![])
        })
    }

    /// A statement of some milliseconds, with a value that a cancellation would change.
    async fn long(&self) -> Result<(), Wrong> {
        if self.db.dialect() == Dialect::Sqlite {
            let sql =
                "with recursive n(x) as (select 1 union all select x + 1 from n where x < $1) select max(x) from n";
            let row = self.db.query_one(sql, params![20_000]).await?;
            return same(row.get(0)?, 20_000);
        }
        let row = self.db.query_one(&late(self.db.dialect(), "7", 0.03), params![]).await?;
        same(row.get(0)?, 7)
    }

    /// A statement that does not end while anybody waits for it; on SQLite, where it may be on the spot, it does.
    async fn endless(&self) -> Result<(), Wrong> {
        if self.db.dialect() == Dialect::Sqlite {
            return self.long().await;
        }
        self.db.query(&sleeps(self.db.dialect(), 100.0), params![]).await?;
        Err(Wrong::Value("a statement that was to be dropped has ended".to_owned()))
    }

    async fn sum(&self) -> Result<(), Wrong> {
        let row = self.db.query_one("select cast(sum(balance) as char(20)) from account", params![]).await?;
        let sum: String = row.get(0)?;
        same(sum.trim().parse().unwrap_or_default(), ACCOUNTS * EACH)
    }

    async fn stream(&self, count: i64, read: i64) -> Result<(), Wrong> {
        let mut rows = self.db.stream(numbers(self.db.dialect()), params![count]).await?;
        for number in 1..=read {
            let row = rows.next().await.ok_or_else(|| Wrong::Value(format!("there is no row {number}")))??;
            same(row.get(0)?, number)?;
        }
        Ok(())
    }

    /// The lower account comes first, so that no two transfers wait for each other.
    async fn transfer(self, plan: Transfer) -> Result<Vec<i64>, Wrong> {
        let db = self.db.clone();
        let body = move || async move {
            let mut parts = vec![1];
            self.put(1).await?;
            let moves = [(plan.from, -plan.amount), (plan.to, plan.amount)];
            let [first, second] = if plan.from < plan.to { moves } else { [moves[1], moves[0]] };
            self.db.atomic(|| self.add(first)).await?;
            sleep(plan.pause).await;
            if plan.undoes {
                self.undone(first.0).await?;
            }
            if let Some(time) = plan.drops {
                let nested = self.db.atomic(|| async {
                    self.put(3).await?;
                    self.endless().await
                });
                if let Ok(ended) = timeout(time, nested).await {
                    ended?;
                    parts.push(3);
                }
            }
            self.db.savepoint(|| async { self.db.atomic(|| self.add(second)).await }).await?;
            self.put(2).await?;
            parts.push(2);
            parts.sort_unstable();
            Ok(parts)
        };
        if plan.spawned { db.transaction(body).await } else { db.atomic(body).await }
    }

    async fn put(&self, part: i64) -> Result<(), Wrong> {
        let (task, round) = self.key;
        let count = self.db.execute("insert into entry values ($1, $2, $3)", params![task, round, part]).await?;
        same(count as i64, 1)
    }

    async fn add(&self, (account, amount): (i64, i64)) -> Result<(), Wrong> {
        let sql = "update account set balance = balance + $1 where id = $2";
        same(self.db.execute(sql, params![amount, account]).await? as i64, 1)
    }

    async fn undone(&self, account: i64) -> Result<(), Wrong> {
        let failed = self.db.savepoint(|| async {
            self.add((account, 100_000)).await?;
            self.put(4).await?;
            Err::<(), _>(Wrong::OnPurpose)
        });
        match failed.await {
            Err(Wrong::OnPurpose) => Ok(()),
            Err(other) => Err(other),
            Ok(()) => unreachable!("it fails"),
        }
    }
}

fn same(found: i64, wanted: i64) -> Result<(), Wrong> {
    if found == wanted { Ok(()) } else { Err(Wrong::Value(format!("{found} instead of {wanted}"))) }
}
