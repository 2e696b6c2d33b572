//! What our own layers cost without a server: the ledger, scopes, blocks, a statement on SQLite in memory with all that is
//! around it, and rows; where it can be told apart, beside the same by bare rusqlite on the same thread. Futures are
//! polled on the benchmark's own thread, where SQLite runs on the spot. Allocations are counted. Run with `cargo bench`.
//!
//! Times vary with whatever else the machine does. To decide between two versions, count instructions: run one benchmark
//! under `valgrind --tool=callgrind` with `--sample-count 1 --sample-size N` for some N and for twice as many, and take
//! the difference. Whole operations, on the servers too, are counted by `just instructions`.

use std::hint::black_box;

use divan::Bencher;
use nestling::{Database, Error, native::rusqlite, params};
use tokio::runtime::Runtime;

/// What the ledger's settings name.
#[allow(dead_code, unused_imports, missing_docs, unreachable_pub, reason = "private modules of the crate")]
#[path = "../src/error/mod.rs"]
mod error;

/// The ledger is not public; it stands on its own, so it can be measured on its own.
#[allow(dead_code, unused_imports, missing_docs, unreachable_pub, reason = "private modules of the crate")]
#[path = "../src/transaction"]
mod transaction {
    pub(crate) mod control;
    pub(crate) mod impact;
    pub(crate) mod limits;
    pub(crate) mod name;
    pub(crate) mod settings;
}

use transaction::control::{Control, Ledger, Name, Settings};

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

/// A connection of bare rusqlite with the same row, set as ours are.
fn open_bare() -> rusqlite::Connection {
    let db = rusqlite::Connection::open_in_memory().expect("a database in memory");
    db.pragma_update(None, "foreign_keys", true).expect("a pragma");
    db.set_prepared_statement_cache_capacity(256);
    db.execute_batch(ITEM).expect("a table");
    db
}

const ITEM: &str =
    "create table item (id integer primary key, name text, price real); insert into item values (1, 'a', 2)";

/// A runtime on whose workers SQLite runs on the spot, and a database in memory with one row.
fn open() -> (Runtime, Database) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let db = Database::open("sqlite::memory:").expect("a valid URL");
    runtime.block_on(db.batch(ITEM)).expect("a table");
    (runtime, db)
}

/// Runs one future again and again inside a runtime, without entering it anew each time.
fn each<F: Future>(bencher: Bencher<'_, '_>, runtime: &Runtime, mut future: impl FnMut() -> F) {
    let _entered = runtime.enter();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    bencher.bench_local(|| {
        let mut future = std::pin::pin!(future());
        loop {
            if let std::task::Poll::Ready(out) = future.as_mut().poll(&mut cx) {
                break out;
            }
        }
    });
}

async fn nested(db: &Database, left: u32) -> Result<(), Error> {
    if left == 0 {
        return Ok(());
    }
    db.atomic(|| async { Box::pin(nested(db, left - 1)).await }).await
}

mod ledger {
    use super::{Bencher, Control, Ledger, Name, Settings, black_box};

    #[divan::bench]
    fn begin_and_commit_unsent(bencher: Bencher<'_, '_>) {
        let mut ledger = Ledger::default();
        bencher.bench_local(|| {
            ledger.owe(Control::Begin(Settings::default()));
            black_box(ledger.finish(true))
        });
    }

    #[divan::bench]
    fn savepoint_and_release_unsent(bencher: Bencher<'_, '_>) {
        let mut ledger = Ledger::default();
        ledger.owe(Control::Begin(Settings::default()));
        ledger.take();
        bencher.bench_local(|| {
            ledger.owe(Control::Savepoint(Name::Level(1)));
            ledger.owe(Control::Release(Name::Level(1)));
        });
    }

    #[divan::bench]
    fn savepoint_taken_and_released(bencher: Bencher<'_, '_>) {
        let mut ledger = Ledger::default();
        ledger.owe(Control::Begin(Settings::default()));
        ledger.take();
        bencher.bench_local(|| {
            ledger.owe(Control::Savepoint(Name::Level(1)));
            black_box(ledger.take());
            ledger.owe(Control::Release(Name::Level(1)));
            black_box(ledger.take())
        });
    }
}

#[divan::bench]
fn scope_around_a_ready_future(bencher: Bencher<'_, '_>) {
    let (runtime, _db) = open();
    each(bencher, &runtime, || nestling::scope(std::future::ready(black_box(7))));
}

/// A request without queries: what `AtomicLayer` adds to its service is the difference.
mod request_without_queries {
    use divan::Bencher;
    use http::Response;
    use nestling::{Database, Error, tower::AtomicLayer};
    use tower::{Layer, Service, service_fn};

    use super::{each, open};

    async fn handle((): ()) -> Result<Response<()>, Error> {
        Ok(Response::new(()))
    }

    fn call<S: Service<(), Response = Response<()>, Error = Error>>(
        bencher: Bencher<'_, '_>,
        with: impl FnOnce(&Database) -> S,
    ) {
        let (runtime, db) = open();
        let mut service = with(&db);
        each(bencher, &runtime, || service.call(()));
    }

    #[divan::bench]
    fn by_the_service_alone(bencher: Bencher<'_, '_>) {
        call(bencher, |_| service_fn(handle));
    }

    #[divan::bench]
    fn in_a_transaction(bencher: Bencher<'_, '_>) {
        call(bencher, |db| AtomicLayer::new(db.clone()).layer(service_fn(handle)));
    }
}

#[divan::bench(args = [1, 2, 10, 100])]
fn empty_blocks_inside_one_another(bencher: Bencher<'_, '_>, depth: u32) {
    let (runtime, db) = open();
    each(bencher, &runtime, || async { nested(&db, depth).await.expect("nothing is sent") });
}

mod statement {
    use super::{Bencher, Error, each, open, open_bare, params};

    #[divan::bench]
    fn by_bare_rusqlite(bencher: Bencher<'_, '_>) {
        let db = open_bare();
        bencher.bench_local(|| {
            let mut select = db.prepare_cached("select name from item where id = $1").expect("a statement");
            select.query_row([1], |row| row.get::<_, String>(0)).expect("a row")
        });
    }

    #[divan::bench]
    fn outside_a_block(bencher: Bencher<'_, '_>) {
        let (runtime, db) = open();
        each(bencher, &runtime, || async {
            db.query_one("select name from item where id = $1", params![1]).await.expect("a row")
        });
    }

    #[divan::bench]
    fn in_a_block_of_its_own(bencher: Bencher<'_, '_>) {
        let (runtime, db) = open();
        each(bencher, &runtime, || async {
            let one = db.atomic(|| db.query_one("select name from item where id = $1", params![1]));
            one.await.expect("a row")
        });
    }

    /// BEGIN, an insert, COMMIT.
    #[divan::bench]
    fn insert_in_a_transaction(bencher: Bencher<'_, '_>) {
        let (runtime, db) = open();
        each(bencher, &runtime, || async {
            let one = db.atomic(|| db.execute("insert into item (name) values ($1)", params!["b"]));
            one.await.expect("an insert")
        });
    }

    #[divan::bench]
    fn insert_in_a_transaction_by_bare_rusqlite(bencher: Bencher<'_, '_>) {
        let db = open_bare();
        let run = |sql: &str| db.prepare_cached(sql).and_then(|mut step| step.execute([])).expect("a step");
        bencher.bench_local(|| {
            run("begin immediate");
            let mut insert = db.prepare_cached("insert into item (name) values ($1)").expect("a statement");
            insert.execute(["b"]).expect("an insert");
            run("commit");
        });
    }

    /// The block stays open: what is measured is the statement alone, with its way through frame, turn and ledger.
    #[divan::bench(args = [1, 10, 100])]
    fn inside_blocks(bencher: Bencher<'_, '_>, depth: u32) {
        let (runtime, db) = open();
        let _entered = runtime.enter();
        let context = runtime.block_on(opened(&db, depth));
        each(bencher, &runtime, || {
            context
                .0
                .clone()
                .enter(async { db.query_one("select name from item where id = $1", params![1]).await.expect("a row") })
        });
    }

    /// A context with so many blocks open, for as long as the task is kept.
    async fn opened(db: &nestling::Database, depth: u32) -> (nestling::Context, tokio::task::JoinSet<()>) {
        async fn open(
            db: &nestling::Database,
            left: u32,
            tell: tokio::sync::oneshot::Sender<nestling::Context>,
        ) -> Result<(), Error> {
            if left == 0 {
                db.query("select 1", params![]).await?;
                let _ = tell.send(nestling::Context::current());
                return std::future::pending().await;
            }
            db.atomic(|| async { Box::pin(open(db, left - 1, tell)).await }).await
        }
        let (tell, told) = tokio::sync::oneshot::channel();
        let mut tasks = tokio::task::JoinSet::new();
        let db = db.clone();
        tasks.spawn(async move { open(&db, depth, tell).await.expect("it never ends") });
        (told.await.expect("the blocks open"), tasks)
    }

    async fn below(db: &nestling::Database, savepoints: u32) -> Result<(), Error> {
        if savepoints == 0 {
            return db.query_one("select name from item where id = $1", params![1]).await.map(|_row| ());
        }
        db.atomic(|| async { Box::pin(below(db, savepoints - 1)).await }).await
    }

    /// Ten savepoints inside one another with a statement in the innermost.
    #[divan::bench]
    fn below_ten_savepoints(bencher: Bencher<'_, '_>) {
        let (runtime, db) = open();
        each(bencher, &runtime, || async {
            db.atomic(|| below(&db, 10)).await.expect("a row");
        });
    }
}

/// Ten thousand rows of eight columns, read into structs.
mod rows {
    use nestling::{FromRow, Row};

    use super::{Bencher, each, open, open_bare, params, rusqlite};

    const FILMS: &str = "create table film \
        (id integer, code integer, name text, note text, price real, ok boolean, at text, tag text); \
        with recursive n(x) as (select 1 union all select x + 1 from n where x < 10000) insert into film \
        select x, x * 7, 'film ' || x, iif(x % 3, 'a note that is somewhat longer ' || x, null), x * 0.5, x % 2, \
            '2024-05-06 07:08:09', 'tag' || x % 10 from n";
    const ALL: &str = "select id, code, name, note, price, ok, at, tag from film";

    struct Film(i64, i32, String, Option<String>, f64, bool, String, String);

    impl FromRow for Film {
        fn from_row(row: &Row) -> nestling::Result<Self> {
            Ok(Self(
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
                row.get(7)?,
            ))
        }
    }

    /// So that no column is read in vain.
    fn weight(films: &[Film]) -> usize {
        let one = |Film(id, code, name, note, price, ok, at, tag): &Film| {
            let texts = name.len() + note.as_ref().map_or(0, String::len) + at.len() + tag.len();
            texts + usize::from(*ok) + usize::from(*id > 5) + usize::from(*code > 5) + usize::from(*price > 5.0)
        };
        films.iter().map(one).sum()
    }

    #[divan::bench]
    fn by_nestling(bencher: Bencher<'_, '_>) {
        let (runtime, db) = open();
        runtime.block_on(db.batch(FILMS)).expect("a table");
        each(bencher, &runtime, || async {
            let rows = db.query(ALL, params![]).await.expect("rows");
            let films: Vec<Film> = rows.iter().map(|row| row.to().expect("a film")).collect();
            weight(&films)
        });
    }

    #[divan::bench]
    fn by_bare_rusqlite(bencher: Bencher<'_, '_>) {
        let db = open_bare();
        db.execute_batch(FILMS).expect("a table");
        bencher.bench_local(|| {
            let mut all = db.prepare_cached(ALL).expect("a statement");
            let film = |row: &rusqlite::Row<'_>| {
                Ok(Film(
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                    row.get(6)?,
                    row.get(7)?,
                ))
            };
            let films: Vec<Film> = all.query_map([], film).expect("rows").map(|film| film.expect("a film")).collect();
            weight(&films)
        });
    }
}

#[divan::bench]
fn decode_a_row_of_three_columns(bencher: Bencher<'_, '_>) {
    let (runtime, db) = open();
    let row = runtime.block_on(db.query_one("select id, name, price from item", params![])).expect("a row");
    bencher.bench_local(|| {
        let row = black_box(&row);
        let id: i64 = row.get(0).expect("an integer");
        let name: String = row.get("name").expect("a text");
        let price: f64 = row.get(2).expect("a number");
        (id, name, price)
    });
}
