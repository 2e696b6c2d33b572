//! A task of the storm: it opens its roots and all that is in them, and notes what it was told of each block.

use std::{
    error::Error as StdError,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use nestling::{Database, Dialect, Error, ErrorKind, params};
use tokio::time::timeout;

use super::{
    super::seed::Dice,
    manifest::{Key, Manifest, Outcome},
    plan::{Block, How, Root, Step},
};

/// MySQL and MariaDB do not answer if KILL QUERY comes between owed steps and their statement. Given up, such a statement
/// may cost the session (`docs/limits.md`).
const SILENCE: Duration = Duration::from_secs(1);

/// So may COMMIT, where it takes steps along: nobody can give that up, and what becomes of it is told by the server alone.
const SILENCE_OF_COMMIT: Duration = Duration::from_secs(10);

/// What may come of the attack beside cancelled statements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rights {
    pub(super) may_lose_sessions: bool,
}

/// What goes wrong in a block.
#[derive(Debug)]
enum Wrong {
    Db(Error),
    /// It fails on purpose.
    OnPurpose,
    /// The server did not answer.
    Silence,
    /// What follows from another failure and does not tell why: of statements that were sent together, the answer to a later
    /// one may be looked at first.
    Echo(Error),
    /// An error that the attack does not explain, or a value that is wrong.
    Unexplained(String),
}

impl Wrong {
    /// No block goes on after this.
    fn is_final(&self) -> bool {
        matches!(self, Self::Unexplained(_))
    }
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Db(error)
    }
}

pub(super) struct Task {
    worker: Worker,
    number: i64,
    dice: Dice,
}

/// Who does the work of one root.
#[derive(Clone)]
struct Worker {
    db: Database,
    root: i64,
    rights: Rights,
    manifest: Arc<Manifest>,
    hits: Arc<Hits>,
}

/// What the attack has done to one root.
#[derive(Default)]
struct Hits {
    /// A statement was not answered.
    is_silent: AtomicBool,
    /// A statement has failed for a reason that the attack explains.
    is_hit: AtomicBool,
}

impl Task {
    pub(super) fn new(db: Database, number: i64, dice: Dice, rights: Rights, manifest: Arc<Manifest>) -> Self {
        Self { worker: Worker { db, root: 0, rights, manifest, hits: Arc::default() }, number, dice }
    }

    /// Opens so many roots, and more until enough were hit and enough were committed.
    ///
    /// # Errors
    /// Something came of a block that must not.
    pub(super) async fn rounds(mut self, least: i64, hits: u64, commits: u64) -> Result<(), String> {
        let manifest = Arc::clone(&self.worker.manifest);
        let counts = &manifest.counts;
        let mut round = 0;
        while round < least
            || counts.hit.load(Ordering::Relaxed) < hits
            || counts.committed.load(Ordering::Relaxed) < commits
        {
            self.worker.root = (self.number << 32) + round;
            self.worker.hits = Arc::default();
            let root = Arc::new(Root::roll(&mut self.dice));
            match self.worker.clone().root(Arc::clone(&root)).await {
                Ok(()) => counts.committed.fetch_add(1, Ordering::Relaxed),
                Err(Wrong::OnPurpose) => 0,
                Err(Wrong::Db(_) | Wrong::Silence | Wrong::Echo(_)) => counts.hit.fetch_add(1, Ordering::Relaxed),
                Err(Wrong::Unexplained(what)) => {
                    return Err(format!("round {round} of task {}: {what}\n{root:#?}", self.number));
                }
            };
            round += 1;
        }
        Ok(())
    }
}

type Ended<'w> = Pin<Box<dyn Future<Output = Result<(), Wrong>> + Send + 'w>>;

impl Worker {
    async fn root(self, root: Arc<Root>) -> Result<(), Wrong> {
        let key = self.opened(&root.block, None);
        let (db, worker, spawned) = (self.db.clone(), self.clone(), Arc::clone(&root));
        let work = async {
            if root.is_spawned {
                db.transaction(move || async move { worker.body(&spawned.block).await }).await
            } else {
                db.atomic(|| self.body(&root.block)).await
            }
        };
        if db.dialect() != Dialect::Mysql {
            return self.ended(key, work.await);
        }
        match timeout(SILENCE_OF_COMMIT, work).await {
            Ok(result) => self.ended(key, result),
            Err(_elapsed) => {
                self.manifest.counts.silent.fetch_add(1, Ordering::Relaxed);
                self.manifest.ended(key, Outcome::Unknown);
                Err(Wrong::Silence)
            }
        }
    }

    fn nested<'w>(&'w self, block: &'w Block, parent: i64) -> Ended<'w> {
        Box::pin(async move {
            let key = self.opened(block, Some(parent));
            let result = match block.number % 2 {
                0 => self.db.savepoint(|| self.body(block)).await,
                _ => self.db.atomic(|| self.body(block)).await,
            };
            self.ended(key, result)
        })
    }

    fn opened(&self, block: &Block, parent: Option<i64>) -> Key {
        let key = (self.root, block.number);
        self.manifest.opened(key, parent);
        key
    }

    /// Notes how a block has ended.
    fn ended(&self, key: Key, result: Result<(), Wrong>) -> Result<(), Wrong> {
        let outcome = match &result {
            Ok(()) => Outcome::Committed,
            Err(Wrong::Db(error)) if error.kind() == ErrorKind::CommitUnknown => Outcome::Unknown,
            Err(_) => Outcome::RolledBack,
        };
        self.manifest.ended(key, outcome);
        self.with_cause(result.map_err(|wrong| self.explained(wrong)))
    }

    fn body<'w>(&'w self, block: &'w Block) -> Ended<'w> {
        Box::pin(async move {
            for step in &block.steps {
                let results = match step {
                    Step::Put(part, how) => vec![self.put(block, *part, *how).await],
                    Step::Joined(puts) => join_all(puts.iter().map(|(part, how)| self.put(block, *part, *how))).await,
                    Step::Block(inner) => vec![self.nested(inner, block.number).await],
                    Step::Siblings(one, other) => {
                        let (one, other) =
                            tokio::join!(self.nested(one, block.number), self.nested(other, block.number));
                        vec![one, other]
                    }
                };
                let cares = !block.is_careless || step.must_succeed();
                // By now all are answered that were sent together.
                for result in results {
                    match self.with_cause(result) {
                        Err(wrong) if cares || wrong.is_final() => return Err(wrong),
                        _ => {}
                    }
                }
            }
            if block.fails { Err(Wrong::OnPurpose) } else { Ok(()) }
        })
    }

    /// Writes a row, or two of them by a batch.
    async fn put(&self, block: &Block, part: i64, how: How) -> Result<(), Wrong> {
        let key = (self.root, block.number);
        let values = |part: i64| format!("insert into entry values ({}, {}, {part})", key.0, key.1);
        let (db, sql) = (&self.db, "insert into entry values ($1, $2, $3)");
        let work = async {
            match how {
                How::Parameters => Ok((db.execute(sql, params![key.0, key.1, part]).await?, vec![part])),
                How::Slowly => Ok((db.execute(slow(db.dialect()), params![key.0, key.1, part]).await?, vec![part])),
                How::Values => Ok((db.execute(&values(part), params![]).await?, vec![part])),
                How::Batch => {
                    db.batch(&format!("{}; {}", values(part), values(part + 1))).await?;
                    Ok((1, vec![part, part + 1]))
                }
            }
        };
        let result = if db.dialect() == Dialect::Mysql {
            timeout(SILENCE, work).await.unwrap_or_else(|_| {
                self.hits.is_silent.store(true, Ordering::Relaxed);
                Err(Wrong::Silence)
            })
        } else {
            work.await
        };
        match result {
            Ok((1, parts)) => {
                self.manifest.change(key, &parts);
                Ok(())
            }
            Ok((count, _)) => Err(Wrong::Unexplained(format!("{count} rows were written instead of one"))),
            Err(wrong) => {
                self.manifest.has_failed(key);
                Err(self.explained(wrong))
            }
        }
    }

    /// An error that the attack does not explain is one of the test.
    fn explained(&self, wrong: Wrong) -> Wrong {
        match wrong {
            Wrong::Db(error) if self.is_explained(&error) => {
                self.hits.is_hit.store(true, Ordering::Relaxed);
                Wrong::Db(error)
            }
            Wrong::Db(error) if is_echo(&error) => Wrong::Echo(error),
            Wrong::Db(error) => Wrong::Unexplained(format!("{error:?}")),
            wrong => wrong,
        }
    }

    /// What follows from another failure must have one.
    fn with_cause(&self, result: Result<(), Wrong>) -> Result<(), Wrong> {
        let Hits { is_silent, is_hit } = &*self.hits;
        let has_cause = is_silent.load(Ordering::Relaxed) || is_hit.load(Ordering::Relaxed);
        result.map_err(|wrong| match wrong {
            Wrong::Echo(error) if !has_cause => Wrong::Unexplained(format!("nothing has failed ahead of {error:?}")),
            wrong => wrong,
        })
    }

    fn is_explained(&self, error: &Error) -> bool {
        causes(error).any(|cause| {
            let is_cancelled = matches!(cause.code(), Some("57014" | "1317")) || cause.kind() == ErrorKind::Cancelled;
            let is_lost =
                cause.is_connection_lost() || matches!(cause.kind(), ErrorKind::CommitUnknown | ErrorKind::Connect);
            let may_be_lost = self.rights.may_lose_sessions || self.hits.is_silent.load(Ordering::Relaxed);
            is_cancelled || (may_be_lost && is_lost)
        })
    }
}

/// A statement that writes a row, and takes some milliseconds for it.
fn slow(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "insert into entry select $1, $2, $3 from pg_sleep(0.003)",
        // SLEEP is cut short there without an error.
        Dialect::Mysql => {
            "insert into entry select $1, $2, $3 from (with recursive n(x) as (select 1 union all select x + 1 from n where x < 900)
             select count(*) as x from n, n as m where m.x <= 20) as slow"
        }
        _ => "insert into entry values ($1, $2, $3)",
    }
}

/// An error, its source, and so on.
fn causes(error: &Error) -> impl Iterator<Item = &Error> {
    let first: &(dyn StdError + 'static) = error;
    std::iter::successors(Some(first), |cause| (*cause).source()).filter_map(|cause| cause.downcast_ref())
}

fn is_echo(error: &Error) -> bool {
    // The transaction is aborted; or it is not open, as a BEGIN has failed.
    let is_about_another = |cause: &Error| matches!(cause.code(), Some("25P01" | "25P02"));
    causes(error).any(is_about_another) || causes(error).all(|cause| cause.kind() == ErrorKind::RolledBack)
}
