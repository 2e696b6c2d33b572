//! The machine: runs a program on a real database, through the public calls alone, and records what came of each step.

mod dropping;
mod keeping;

use std::{
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, resume_unwind},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use nestling::{Context, Database, Dialect, Error, params, status::Status};
use tokio::{sync::Notify, task::JoinSet};

use self::keeping::Kept;
use super::{
    outcome::{Failure, Outcome, Record, Rows, Seen},
    program::{End, Kind, Op, Program, Step, Steps},
    settings::{change, look},
    table_of,
    ways::Ways,
};

/// The error type of a program: not nestling's own, as a user's is not.
#[derive(Debug)]
enum Stop {
    Own(u32),
    Db(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Db(error)
    }
}

/// A panic on purpose, to be caught so many blocks up. It is raised without calling the panic hook.
struct Deliberate(usize);

/// The blocks around a step, outermost first: to notify one is to have it dropped.
type Around = Arc<[Arc<Notify>]>;

pub(super) struct Machine {
    db: Database,
    ways: Ways,
    record: Mutex<Record>,
    /// What is kept, neither polled nor dropped.
    kept: Mutex<Vec<Kept>>,
    /// Held by the body of each block that is there. A task that was aborted drops its body at its next await.
    bodies: Arc<()>,
}

impl Machine {
    pub(super) fn new(db: &Database, ways: Ways) -> Arc<Self> {
        let (record, kept, bodies) = Default::default();
        Arc::new(Self { db: db.clone(), ways, record, kept, bodies })
    }

    /// Runs a program.
    pub(super) async fn run(self: &Arc<Self>, program: &Program) {
        let steps = Arc::clone(self).steps(Arc::clone(&program.steps), Arc::default());
        // An error that nobody caught ends the program: it is on record.
        let _ = if program.scoped { nestling::scope(steps).await } else { steps.await };
        let outcome = self.finish(true).await;
        self.record(0, outcome, 0);
    }

    /// What each step has seen so far.
    pub(super) fn seen(&self) -> Record {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn steps(self: Arc<Self>, steps: Steps, around: Around) -> BoxFuture<'static, Result<(), Stop>> {
        Box::pin(async move {
            for step in &*steps {
                self.step(step, &around).await?;
            }
            Ok(())
        })
    }

    async fn step(self: &Arc<Self>, step: &Step, around: &Around) -> Result<(), Stop> {
        let result = match &step.op {
            Op::Block { kind, body, end, way: None } => self.block(step.number, *kind, body, *end, around).await,
            Op::Block { kind, body, end, way: Some(way) } => {
                let block =
                    Arc::clone(self).owned_block(step.number, *kind, Arc::clone(body), *end, Arc::clone(around));
                self.dropped(*way, around.is_empty(), block).await
            }
            Op::Join { branches, tasks: false } => self.join(branches, around).await.map(|()| Outcome::Done),
            Op::Join { branches, tasks: true } => self.tasks(branches, around).await.map(|()| Outcome::Done),
            Op::Finish { polls } => Ok(self.finish(*polls).await),
            _ => self.statement(step).await.map_err(Stop::Db),
        };
        let outcome = match &result {
            Ok(outcome) => outcome.clone(),
            Err(Stop::Own(number)) => Outcome::Failed(Failure::Own(*number)),
            Err(Stop::Db(error)) => Outcome::Failed(error.into()),
        };
        self.record(step.number, outcome, self.db.depth());
        if step.passes { result.map(|_| ()) } else { Ok(()) }
    }

    fn record(&self, number: u32, outcome: Outcome, depth: u32) {
        let seen = Seen { outcome, depth };
        let before = self.record.lock().unwrap_or_else(PoisonError::into_inner).insert(number, seen);
        assert!(before.is_none(), "step {number} has run twice");
    }

    fn join<'a>(self: &'a Arc<Self>, branches: &'a [Step], around: &'a Around) -> BoxFuture<'a, Result<(), Stop>> {
        Box::pin(async move {
            let results = join_all(branches.iter().map(|branch| self.step(branch, around))).await;
            results.into_iter().collect()
        })
    }

    /// Each branch in a task of its own: those of a block have opted in, the others have contexts of their own.
    fn tasks<'a>(self: &'a Arc<Self>, branches: &'a [Step], around: &'a Around) -> BoxFuture<'a, Result<(), Stop>> {
        Box::pin(async move {
            let mut tasks = JoinSet::new();
            for (index, branch) in branches.iter().cloned().enumerate() {
                let (machine, around) = (Arc::clone(self), Arc::clone(around));
                let alone = around.is_empty();
                let branch = async move { (index, machine.step(&branch, &around).await) };
                if alone {
                    tasks.spawn(branch)
                } else {
                    tasks.spawn(Context::current().enter(branch))
                };
            }
            let mut results = tasks.join_all().await;
            results.sort_by_key(|(index, _)| *index);
            results.into_iter().try_for_each(|(_, result)| result)
        })
    }

    async fn statement(&self, step: &Step) -> Result<Outcome, Error> {
        let db = &self.db;
        let item = table_of(db.dialect(), step.slot);
        let count = match &step.op {
            Op::Insert { key, name } => {
                let sql = format!("insert into {item} values ($1, $2)");
                db.execute(&sql, params![step.key(*key), step.name(*name)]).await
            }
            Op::Rename { key, name } => {
                let sql = format!("update {item} set name = $1 where id = $2");
                db.execute(&sql, params![step.name(*name), step.key(*key)]).await
            }
            Op::Delete { key } => {
                db.execute(&format!("delete from {item} where id = $1"), params![step.key(*key)]).await
            }
            Op::Mark => return db.set_rollback_only().map(|()| Outcome::Done),
            Op::Abandon => return self.abandon().await,
            Op::Set(setting) => {
                db.query(change(db.dialect(), *setting), params![]).await?;
                return Ok(Outcome::Done);
            }
            Op::Look => return look(db).await.map(Outcome::Settings),
            Op::Keep(what) => return self.keep(*what).await,
            _ => {
                let keys = step.keys();
                let sql = "select id, name from items where id >= $1 and id < $2 order by id";
                let rows = db.query(sql, params![keys.start, keys.end]).await?;
                return rows.iter().map(|row| row.to()).collect::<Result<Rows, _>>().map(Outcome::Rows);
            }
        };
        count.map(Outcome::Count)
    }

    /// A statement that does not end while anybody waits for it.
    fn endless(&self) -> &'static str {
        match self.db.dialect() {
            _ if !self.ways.abandons => "select 1",
            Dialect::Sqlite => "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n",
            Dialect::Mysql => "select sleep(60)",
            _ => "select pg_sleep(60)",
        }
    }

    /// Drops a statement with the very poll that sends it.
    async fn abandon(&self) -> Result<Outcome, Error> {
        loop {
            let outcome = self.drop_sent().await?;
            // A clean-up may have sent something during that poll, from another thread. Then the statement was not sent, and
            // left no trace.
            let is_lost = self.db.in_transaction() && self.db.status() == Status::Open;
            if outcome != Outcome::Dropped || !is_lost {
                return Ok(outcome);
            }
        }
    }

    /// As [`abandon`](Self::abandon), unless others send.
    async fn drop_sent(&self) -> Result<Outcome, Error> {
        let mut statement = pin!(self.db.query(self.endless(), params![]));
        poll_fn(|cx| {
            // What is sent between two polls is another's: the clean-up of a block that was dropped, for instance.
            let flights = self.db.stats().flights;
            match statement.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(result.map(|_| Outcome::Done)),
                Poll::Pending if self.db.stats().flights > flights => Poll::Ready(Ok(Outcome::Dropped)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    async fn block(
        self: &Arc<Self>,
        number: u32,
        kind: Kind,
        body: &Steps,
        end: End,
        around: &Around,
    ) -> Result<Outcome, Stop> {
        let signal = Arc::new(Notify::new());
        let around: Around = around.iter().chain([&signal]).cloned().collect();
        let own = Arc::new(());
        let held = (Arc::clone(&own), Arc::clone(&self.bodies));
        let body = Arc::clone(self).body(number, Arc::clone(body), end, around);
        let body = Box::pin(async move {
            let _held = held;
            body.await
        });
        let raced = async {
            tokio::select! {
                biased;
                result = self.open(kind, body) => result.map(|()| Outcome::Done),
                () = signal.notified() => Ok(Outcome::Dropped),
            }
        };
        let raced = async {
            let result = raced.await;
            none_has(&own).await;
            result
        };
        match AssertUnwindSafe(raced).catch_unwind().await {
            Ok(result) => result,
            Err(payload) => match payload.downcast::<Deliberate>() {
                Ok(deliberate) => match deliberate.0.checked_sub(1) {
                    None => Ok(Outcome::Panicked),
                    Some(up) => resume_unwind(Box::new(Deliberate(up))),
                },
                Err(genuine) => resume_unwind(genuine),
            },
        }
    }

    async fn open(&self, kind: Kind, body: BoxFuture<'static, Result<(), Stop>>) -> Result<(), Stop> {
        let db = &self.db;
        match kind {
            Kind::Atomic => db.atomic(|| body).await,
            Kind::Savepoint => db.savepoint(|| body).await,
            Kind::Named(name) => db.savepoint_named(name, || body).await,
            Kind::Transaction => db.transaction(|| body).await,
            Kind::Connection => db.connection(|| body).await,
        }
    }

    fn body(
        self: Arc<Self>,
        number: u32,
        body: Steps,
        end: End,
        around: Around,
    ) -> BoxFuture<'static, Result<(), Stop>> {
        Box::pin(async move {
            self.steps(body, Arc::clone(&around)).await?;
            match end {
                End::Returns => Ok(()),
                End::Fails => Err(Stop::Own(number)),
                End::Hangs(up) => {
                    around[around.len() - 1 - up].notify_one();
                    pending().await
                }
                End::Panics(up) => resume_unwind(Box::new(Deliberate(up))),
            }
        })
    }
}

/// Waits until nobody else has something. The program's time is bounded by whoever runs it.
async fn none_has(held: &Arc<()>) {
    wait_while!(Arc::strong_count(held) > 1);
}
