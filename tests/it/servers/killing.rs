//! Killing sessions, and the server itself, at random points under load. No acknowledged commit is lost, nothing shows up
//! that was not acknowledged, save where the error said that it cannot be known, and a block is all or nothing. PostgreSQL, MariaDB and MySQL, each
//! a server of the test's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use nestling::{Database, Error, ErrorKind, params};
use tokio::{
    sync::Barrier,
    task::JoinSet,
    time::{sleep, timeout_at},
};

use crate::{
    support::waits::PATIENCE,
    test_servers::{Kind, PrivateServer},
};

const TASKS: i64 = 32;
const CONNECTIONS: u32 = 8;

/// How long after the server's return everything is to be as before.
const BOUND: Duration = PATIENCE;

/// Any number below `end`.
fn any(end: u64) -> u64 {
    RandomState::new().hash_one(Instant::now()) % end
}

/// What the program was told of a transaction.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Committed,
    Failed,
    Unknown,
}

/// An error type as a user has it.
#[derive(Debug)]
enum Mine {
    OnPurpose,
    Db(Error),
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Db(error)
    }
}

/// One transaction: parts 1, 2 and 3 in blocks of their own, and a part 4 that is rolled back.
async fn write(db: &Database, task: i64, number: i64) -> Result<(), Error> {
    let put = |part: i64| db.execute("insert into entry values ($1, $2, $3)", params![task, number, part]);
    let done = db.atomic(|| async {
        put(1).await?;
        let undone =
            db.atomic(|| async { put(4).await.map_or_else(|error| Err(error.into()), |_| Err(Mine::OnPurpose)) });
        match undone.await {
            Err(Mine::OnPurpose) => {}
            other => other?,
        }
        let (second, third) = tokio::join!(
            db.atomic(|| async { put(2).await.map_err(Mine::Db) }),
            db.savepoint(|| async { db.atomic(|| async { put(3).await.map_err(Mine::Db) }).await }),
        );
        // Some do not care what became of the inner blocks: the outer one must not be committed without them.
        if task % 4 != 0 {
            second?;
            third?;
        }
        Ok::<_, Mine>(())
    });
    done.await.map_err(|error| match error {
        Mine::Db(error) => error,
        Mine::OnPurpose => unreachable!("it was caught"),
    })
}

/// The sessions of the load, in any order.
async fn sessions(server: &PrivateServer, observer: &Database) -> Vec<i64> {
    let sql = match server.kind() {
        Kind::Postgres => "select pid::bigint from pg_stat_activity where application_name = 'load' order by random()",
        Kind::Mariadb | Kind::Mysql => {
            "select cast(id as signed) from information_schema.processlist
             where db = database() and id <> connection_id() order by rand()"
        }
    };
    let rows = observer.query(sql, params![]).await.expect("the sessions");
    rows.iter().map(|row| row.get(0).expect("a number")).collect()
}

/// Ends a session; whether it was still there.
async fn kill(server: &PrivateServer, observer: &Database, session: i64) -> bool {
    match server.kind() {
        Kind::Postgres => {
            let row = observer.query_one("select pg_terminate_backend($1::bigint::int)", params![session]).await;
            row.expect("killed").get(0).expect("a truth")
        }
        Kind::Mariadb | Kind::Mysql => observer.batch(&format!("kill {session}")).await.is_ok(),
    }
}

/// Tasks that write, each transaction with a number of its own, on a server that may be killed.
struct Load {
    server: PrivateServer,
    db: Database,
    told: Arc<Mutex<BTreeMap<(i64, i64), Told>>>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    async fn on(kind: Kind) -> Self {
        let server = PrivateServer::start(kind).await;
        let name = if kind == Kind::Postgres { "?application_name=load" } else { "" };
        let url = format!("{}{name}", server.url());
        let db = Database::builder(&url).max_connections(CONNECTIONS).build().expect("a valid URL");
        let (told, stop) = <(Arc<_>, Arc<AtomicBool>)>::default();
        let mut load = Self { server, db, told, stop, tasks: JoinSet::new() };
        let table = "create table entry (task int, number int, part int, primary key (task, number, part))";
        load.db.batch(table).await.expect("a table");
        for task in 0..TASKS {
            let (db, told, stop) = (load.db.clone(), Arc::clone(&load.told), Arc::clone(&load.stop));
            load.tasks.spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = match write(&db, task, number).await {
                        Ok(()) => Told::Committed,
                        Err(error) => judge(&error),
                    };
                    told.lock().unwrap_or_else(PoisonError::into_inner).insert((task, number), outcome);
                    if outcome != Told::Committed {
                        sleep(Duration::from_millis(5)).await;
                    }
                }
            });
        }
        load
    }

    /// How often each task was told of success.
    fn committed(&self) -> BTreeMap<i64, usize> {
        let mut counts: BTreeMap<i64, usize> = (0..TASKS).map(|task| (task, 0)).collect();
        for ((task, _), told) in self.told.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            *counts.entry(*task).or_default() += usize::from(*told == Told::Committed);
        }
        counts
    }

    /// Waits until every task has committed once more than `before`.
    async fn all_go_on(&self, before: &BTreeMap<i64, usize>, since: Instant) {
        while self.committed().iter().any(|(task, count)| count <= &before[task]) {
            assert!(since.elapsed() < BOUND, "after {:?} not all tasks have committed again", since.elapsed());
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Another's view of the server.
    fn observer(&self) -> Database {
        Database::builder(&self.server.url()).max_connections(1).build().expect("a valid URL")
    }

    /// Stops the load, and checks that the pool is whole within the bound and that the table is what was told.
    async fn end(mut self, since: Instant) {
        self.stop.store(true, Ordering::Relaxed);
        let deadline = (since + BOUND).into();
        let whole = async {
            while let Some(task) = self.tasks.join_next().await {
                task.expect("a task that has kept its word");
            }
            is_whole(&self.server, &self.db, &self.observer()).await;
        };
        let late = timeout_at(deadline, whole).await.is_err();
        assert!(!late, "{BOUND:?} after the server's return: {:?}", self.db.stats());
        let sql = "select task, number, part from entry";
        let rows = self.observer().query(sql, params![]).await.expect("the table");
        let mut found: BTreeMap<(i64, i64), BTreeSet<i64>> = BTreeMap::new();
        for row in rows {
            let (task, number, part) = row.to().expect("numbers");
            found.entry((task, number)).or_default().insert(part);
        }
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(told.values().any(|told| *told != Told::Committed), "nothing was hit");
        assert!(found.keys().all(|entry| told.contains_key(entry)));
        for (entry, told) in &*told {
            let parts = found.get(entry).map_or_else(Vec::new, |parts| parts.iter().copied().collect());
            let agrees = match told {
                Told::Committed => parts == [1, 2, 3],
                Told::Failed => parts.is_empty(),
                Told::Unknown => parts.is_empty() || parts == [1, 2, 3],
            };
            assert!(agrees, "transaction {entry:?} was {told:?}, and its parts {parts:?} are there");
        }
    }
}

/// Under a killed server there are few errors that may come out of a block.
fn judge(error: &Error) -> Told {
    match error.kind() {
        ErrorKind::CommitUnknown => Told::Unknown,
        ErrorKind::Connect => Told::Failed,
        ErrorKind::ConnectionLost | ErrorKind::RolledBack if error.is_connection_lost() => Told::Failed,
        _ => panic!("an error that the death of a connection does not explain: {error:?}"),
    }
}

/// Waits until all connections are idle, the server sees no more of them than the pool, and checks that as many as there
/// may be can be had at once.
async fn is_whole(server: &PrivateServer, db: &Database, observer: &Database) {
    let together = Barrier::new(CONNECTIONS as usize);
    let users = (0..CONNECTIONS).map(|_| {
        db.atomic(|| async {
            db.query_one("select 1", params![]).await?;
            together.wait().await;
            Ok::<_, Error>(())
        })
    });
    try_join_all(users).await.expect("as many connections as there may be");
    let is_at_rest = async || {
        let stats = db.stats();
        let seen = sessions(server, observer).await.len();
        let at_rest = stats.connections == stats.idle && stats.waiting == 0 && stats.transactions == 0;
        at_rest && stats.connections == u64::from(CONNECTIONS) && seen == CONNECTIONS as usize
    };
    wait_while!(!is_at_rest().await);
}

async fn kill_sessions(load: Load) {
    let observer = load.observer();
    let (start, mut killed) = (Instant::now(), 0);
    let (least, most) = (Duration::from_millis(1_500), PATIENCE);
    while start.elapsed() < least || (killed <= 20 && start.elapsed() < most) {
        sleep(Duration::from_millis(any(40))).await;
        let count = 1 + any(4) as usize;
        for session in sessions(&load.server, &observer).await.into_iter().take(count) {
            killed += u64::from(kill(&load.server, &observer, session).await);
        }
    }
    assert!(killed > 20, "{killed} sessions were killed");
    let last = Instant::now();
    load.all_go_on(&load.committed(), last).await;
    // There may be two observers: the first one is not to be counted.
    observer.close().await;
    load.end(last).await;
}

for_every_kind! {
    /// rules 16, 33, 36 and 60
    async fn killed_sessions_lose_nothing_that_was_acknowledged(kind) {
        kill_sessions(Load::on(kind).await).await;
    }

    /// rules 16, 33, 36 and 60
    async fn a_killed_server_loses_nothing_that_was_acknowledged_and_the_pool_is_whole_after_its_return(kind) {
        let load = Load::on(kind).await;
        let mut back = Instant::now();
        for round in 0..4 {
            let before = load.committed();
            load.all_go_on(&before, back).await;
            sleep(Duration::from_millis(any(150))).await;
            if round == 1 {
                load.server.stop().await;
            } else {
                load.server.kill_hard().await;
            }
            sleep(Duration::from_millis(any(50))).await;
            load.server.restart().await;
            back = Instant::now();
        }
        load.end(back).await;
    }
}
