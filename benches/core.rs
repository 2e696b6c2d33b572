//! What our own layers cost without a server: the ledger, scopes, blocks, and a statement on SQLite in memory with all
//! that is around it. Futures are polled on the benchmark's own thread, where SQLite runs on the spot. Run with
//! `cargo bench`.

use std::hint::black_box;

use divan::Bencher;
use nestling::{
    Database, Error, params,
    sea_query::{Expr, ExprTrait as _, Query, SqliteQueryBuilder},
};
use tokio::runtime::Runtime;

/// The ledger is not public; it stands on its own, so it can be measured on its own.
#[allow(dead_code, unused_imports, missing_docs, unreachable_pub, reason = "a private module of the crate")]
#[path = "../src/control.rs"]
mod control;
#[allow(dead_code, unreachable_pub, reason = "a private module of the crate")]
#[path = "../src/name.rs"]
mod name;

use control::{Control, Ledger, Name, Settings};

fn main() {
    divan::main();
}

/// A runtime on whose workers SQLite runs on the spot, and a database in memory with one row.
fn open() -> (Runtime, Database) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let db = Database::open("sqlite::memory:").expect("a valid URL");
    let rows = "create table item (id integer primary key, name text, price real); insert into item values (1, 'a', 2)";
    runtime.block_on(db.batch(rows)).expect("a table");
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

#[divan::bench(args = [1, 2, 10, 100])]
fn empty_blocks_inside_one_another(bencher: Bencher<'_, '_>, depth: u32) {
    let (runtime, db) = open();
    each(bencher, &runtime, || async { nested(&db, depth).await.expect("nothing is sent") });
}

mod statement {
    use super::{Bencher, Error, each, open, params};

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

#[divan::bench]
fn render_a_select_by_key(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| {
        let mut select = Query::select();
        select.columns(["id", "name", "price"]).from("item").and_where(Expr::col("id").eq(black_box(1)));
        select.build(SqliteQueryBuilder)
    });
}
