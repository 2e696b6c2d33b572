//! Random programs of blocks in one another, run on the real back ends and against an in-memory model. Whatever each
//! statement reads, how each block ends, and what is committed in the end must agree; and behind each program the pool is
//! whole, the server has nothing open, and the next user of a connection finds it as it was at the start.
//!
//! It is one of the suites: its seeds and its length are told as `suites.rs` says. A program that fails is shrunk and
//! printed; it should become a test down here.

mod choices;
mod generate;
mod machine;
mod model;
mod outcome;
mod place;
mod program;
mod settings;
mod ways;

use std::{fmt::Write as _, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use nestling::{Database, Dialect, Error, params};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Barrier,
    time::timeout,
};

use self::{
    generate::{abandon, insert, join, mark, open, programs, read},
    machine::Machine,
    model::{Expected, expect},
    outcome::{Record, Rows, Seen},
    program::{End, KEYS, Kind, Program, SLOTS, Way},
    settings::{Settings, look},
    ways::Ways,
};
use crate::{harness::Backend, suites::seed::Cases, support::waits::PATIENCE};

/// A database with an empty table, and two handles to it.
struct Bench {
    /// Its handle waits long for a turn: who waits for a sibling is not to be told of a time-out.
    backend: Backend,
    /// For programs that keep something beyond its block: there, the end of the block waits for nothing else.
    hasty: Database,
}

/// On MySQL and MariaDB each branch of a `join` has a table of its own: they lock the gaps between rows, and transactions
/// may deadlock there though their rows are apart. All rows are in the view `items`.
fn table_of(dialect: Dialect, slot: i64) -> String {
    if dialect == Dialect::Mysql && slot > 0 { format!("item_{slot}") } else { "item".to_owned() }
}

async fn prepared(backend: Backend) -> Bench {
    let backend = backend.with(|options| options.turn_timeout(Duration::from_secs(20)).max_connections(4));
    let backend = backend.with_items().await;
    let hasty = backend.builder().turn_timeout(Duration::from_millis(500)).max_connections(4).build();
    let (mut schema, mut view) = (String::new(), "create view items as select id, name from item".to_owned());
    if backend.is_mysql() {
        for slot in 1..=SLOTS {
            let table = table_of(Dialect::Mysql, slot);
            let _ = write!(schema, "create table {table} like item; ");
            let _ = write!(view, " union all select id, name from {table}");
        }
    }
    backend.observer().batch(&(schema + &view)).await.expect("the tables of the test");
    Bench { backend, hasty: hasty.expect("valid options") }
}

/// Runs a program on an empty table, and says in what the model disagrees.
async fn check(bench: &Bench, program: &Program) -> Result<(), String> {
    let backend = &bench.backend;
    let ways = Ways::of(backend);
    let db = if program.keeps { &bench.hasty } else { &backend.db };
    // What an earlier program has left that failed.
    clear(backend, &committed(backend).await).await;
    let machine = Machine::new(db, ways);
    if timeout(PATIENCE, machine.run(program)).await.is_err() {
        let seen = machine.seen();
        let note = |number| seen.get(&number).map_or_else(String::new, |seen: &Seen| format!("{:?}", seen.outcome));
        return Err(format!("the program hangs: {}", program.listing(note)));
    }
    let record = machine.seen();
    backend.settled_with(db).await;
    let locks = if db.dialect() == Dialect::Sqlite { 0 } else { backend.locks_at_server().await };
    let left_behind = settings_of_all(db).await?;
    if !left_behind.is_empty() {
        // The programs that it is shrunk to must not find them.
        db.close().await;
        db.connect().await.map_err(|error| format!("it does not connect again: {error:?}"))?;
    }
    let rows = committed(backend).await;
    let mut nearest: Option<(usize, String)> = None;
    for expected in expect(program, ways) {
        let mut known = record.clone();
        known.retain(|number, _| !expected.unknown.contains(number));
        if (&known, &rows) == (&expected.record, &expected.rows) {
            nearest = None;
            break;
        }
        let differs = differences(&known, &expected) + usize::from(rows != expected.rows);
        if nearest.as_ref().is_none_or(|(least, _)| differs < *least) {
            nearest = Some((differs, compare(program, (&known, &rows), &expected)));
        }
    }
    match nearest {
        Some((_, difference)) => Err(difference),
        None if locks != 0 => Err(format!("{locks} locks are left at the server")),
        None if !left_behind.is_empty() => Err(format!("the next users find the settings {left_behind:?}")),
        None => Ok(()),
    }
}

/// The settings that the next users of the connections find, where they are not as at the start.
async fn settings_of_all(db: &Database) -> Result<Vec<Settings>, String> {
    let count = db.stats().connections;
    let together = Barrier::new(count as usize);
    let users = (0..count).map(|_| {
        db.connection(|| async {
            let settings = look(db).await?;
            together.wait().await;
            Ok::<_, Error>(settings)
        })
    });
    let all = timeout(PATIENCE, try_join_all(users)).await;
    let all = all.map_err(|_| format!("not all connections can be had: {:?}", db.stats()))?;
    let mut all = all.map_err(|error| format!("a connection is no good: {error:?}"))?;
    all.retain(|settings| *settings != Settings::default());
    Ok(all)
}

async fn committed(backend: &Backend) -> Rows {
    let rows = backend.observer().query("select id, name from items", params![]).await.expect("the committed rows");
    rows.iter().map(|row| row.to().expect("an id and a name")).collect()
}

async fn clear(backend: &Backend, rows: &Rows) {
    let mut tables: Vec<String> = rows.keys().map(|key| table_of(backend.db.dialect(), key / KEYS)).collect();
    tables.dedup();
    for table in tables {
        backend.observer().batch(&format!("delete from {table}")).await.expect("an empty table");
    }
}

fn differences(was: &Record, expected: &Expected) -> usize {
    let missing = expected.record.keys().filter(|number| !was.contains_key(number)).count();
    missing + was.iter().filter(|(number, seen)| expected.record.get(number) != Some(seen)).count()
}

fn compare(program: &Program, was: (&Record, &Rows), expected: &Expected) -> String {
    let note = |number| match (was.0.get(&number), expected.record.get(&number)) {
        (None, None) => String::new(),
        (was, expected) if was == expected => was.map_or_else(String::new, |seen| format!("{:?}", seen.outcome)),
        (was, expected) => format!("WAS {was:?} EXPECTED {expected:?}"),
    };
    let mut out = program.listing(note);
    let _ = write!(out, "\nat the end: {}", note(0));
    if *was.1 == expected.rows {
        let _ = write!(out, "\ncommitted: {:?}", was.1);
    } else {
        let _ = write!(out, "\ncommitted: WAS {:?} EXPECTED {:?}", was.1, expected.rows);
    }
    out
}

/// Tries random programs on one back end, with one database for all of them.
fn try_all(runtime: &mut Builder, backend: impl Future<Output = Backend>, count: u64) {
    let mut cases = Cases::new(count);
    let runtime = runtime.enable_all().build().expect("a runtime");
    let bench = runtime.block_on(async { Arc::new(prepared(backend.await).await) });
    while let Some(seed) = cases.next() {
        if let Err(reason) = try_one(&runtime, &bench, seed) {
            cases.fail(seed, &reason);
        }
    }
}

/// Tries the program that a seed stands for; one that fails is shrunk.
fn try_one(runtime: &Runtime, bench: &Arc<Bench>, seed: u64) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: 1_000,
        max_shrink_time: 120_000,
        ..Config::default()
    };
    let outcome = TestRunner::new_with_rng(config, random).run(&programs(), |program| {
        let bench = Arc::clone(bench);
        // In a task, and so on a worker thread where there is one.
        let checked = runtime.spawn(async move { check(&bench, &program).await });
        let checked = runtime.block_on(checked).map_err(|panic| TestCaseError::fail(panic.to_string()))?;
        checked.map_err(TestCaseError::fail)
    });
    outcome.map_err(|error| match error {
        TestError::Fail(reason, program) => format!("{reason}\n\nthe program:\n{program:?}"),
        other => other.to_string(),
    })
}

/// rules 3, 6, 9, 10, 12 to 14, 17, 20, 21, 24, 26, 27, 31, 32, 36 to 38, 40, 41, 43
mod random_programs_agree_with_the_model {
    use super::{Backend, Builder, try_all};

    fn threads() -> Builder {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2);
        builder
    }

    #[test]
    #[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
    fn postgres() {
        try_all(&mut threads(), Backend::postgres(), 150);
    }

    #[test]
    #[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
    fn postgres_on_one_thread() {
        try_all(&mut Builder::new_current_thread(), Backend::postgres(), 150);
    }

    #[test]
    #[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
    fn mariadb() {
        try_all(&mut threads(), Backend::mariadb(), 80);
    }

    #[test]
    #[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
    fn mariadb_on_one_thread() {
        try_all(&mut Builder::new_current_thread(), Backend::mariadb(), 80);
    }

    #[test]
    #[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
    fn mysql9() {
        try_all(&mut threads(), Backend::mysql(), 80);
    }

    #[test]
    #[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
    fn mysql9_on_one_thread() {
        try_all(&mut Builder::new_current_thread(), Backend::mysql(), 80);
    }

    #[test]
    fn sqlite() {
        try_all(&mut threads(), Backend::sqlite(), 150);
    }

    #[test]
    fn sqlite_on_one_thread() {
        try_all(&mut Builder::new_current_thread(), Backend::sqlite(), 150);
    }
}

/// Programs that have failed once, or that stand for a kind of program. Each is run often, as some failed by chance.
async fn agrees<const N: usize>(backend: Backend, times: u32, scoped: bool, steps: [program::Step; N]) {
    let bench = prepared(backend).await;
    for _ in 0..times {
        agree(&bench, scoped, steps.clone()).await;
    }
}

async fn agree<const N: usize>(bench: &Bench, scoped: bool, steps: [program::Step; N]) {
    if let Err(difference) = check(bench, &Program::new(scoped, false, steps)).await {
        panic!("{difference}");
    }
}

test_on! {
    every_backend;

    /// rules 37 and 43: the steps that went along with the dropped statement are what the outer block rests on
    async fn a_block_dropped_with_its_first_statement_leaves_the_one_around_it_whole(backend) {
        let inner = open(Kind::Atomic, [abandon()], End::Hangs(0));
        let outer = open(Kind::Transaction, [inner, insert(1, 'a'), read()], End::Returns);
        agrees(backend, 30, false, [abandon(), outer, read()]).await;
    }
}

test_on! {
    every_backend;

    /// rule 38
    async fn a_cancellation_never_hits_the_next_statement(backend) {
        let short = open(Kind::Atomic, [insert(1, 'a'), abandon()], End::Fails);
        agrees(backend, 50, true, [abandon(), read(), short, read(), insert(2, 'a'), abandon(), read()]).await;
    }
}

test_on! {
    every_backend;

    /// rule 37: the connection is as new for who comes next, though the transaction was never begun on it
    async fn a_transaction_dropped_with_its_first_statement_leaves_nothing_to_the_next(backend) {
        let root = || open(Kind::Atomic, [abandon()], End::Returns);
        agrees(backend, 30, true, [root(), insert(2, 'a'), root(), insert(3, 'b'), read()]).await;
    }
}

test_on! {
    every_backend;

    /// rules 37 and 43: what is dropped together is rolled back together, and no more than that
    async fn blocks_dropped_from_the_outside_are_rolled_back_as_one(backend) {
        // Where names do not nest, those that blocks are given are refused.
        let name = if backend.is_mysql() { "twice" } else { "_n1" };
        let inner = open(Kind::Named(name), [insert(2, 'b'), insert(3, 'c')], End::Hangs(1));
        let middle = open(Kind::Savepoint, [insert(1, 'b'), inner], End::Returns);
        let outer = open(Kind::Atomic, [insert(0, 'a'), middle, read(), insert(1, 'c')], End::Returns);
        agrees(backend, 1, true, [outer, read()]).await;
    }
}

test_on! {
    every_backend;

    /// rule 41
    async fn a_panic_rolls_back_every_block_that_it_goes_through(backend) {
        let inner = open(Kind::Savepoint, [insert(2, 'b')], End::Panics(1));
        let middle = open(Kind::Atomic, [insert(1, 'b'), inner], End::Returns);
        let outer = open(Kind::Transaction, [insert(0, 'a'), middle, read()], End::Returns);
        agrees(backend, 1, false, [outer, read()]).await;
    }
}

test_on! {
    every_backend;

    /// rules 26 and 27
    async fn a_joined_transaction_that_was_dropped_marks_the_root(backend) {
        let joined = open(Kind::Transaction, [insert(1, 'b')], End::Hangs(0));
        let nested = open(Kind::Atomic, [joined, read()], End::Returns);
        let root = open(Kind::Atomic, [insert(0, 'a'), nested, read()], End::Returns);
        agrees(backend, 1, true, [root, read()]).await;
    }
}

test_on! {
    every_backend;

    /// rules 20, 26, 27 and 37: at whatever moment a savepoint is dropped, the root knows of a transaction that joined in it
    async fn a_dropped_savepoint_leaves_the_root_what_a_joined_transaction_told_it(backend) {
        let joined = || open(Kind::Transaction, [insert(1, 'b'), mark(), read()], End::Returns);
        let fails = || open(Kind::Transaction, [insert(2, 'c')], End::Fails);
        let bench = prepared(backend).await;
        for polls in 1..16 {
            let dropped = open(Kind::Savepoint, [read(), joined(), read(), fails()], End::Returns);
            let root = [insert(0, 'a'), dropped.dropped(Way::Polls(polls)), read(), insert(3, 'd')];
            agree(&bench, true, [open(Kind::Atomic, root, End::Returns), read()]).await;
        }
    }
}

test_on! {
    every_backend;

    /// rules 8 and 9
    async fn siblings_roll_back_what_is_theirs(backend) {
        let fails = open(Kind::Savepoint, [insert(0, 'a'), insert(0, 'b').passed()], End::Returns);
        let drops = open(Kind::Atomic, [insert(0, 'a'), read()], End::Hangs(0));
        let panics = open(Kind::Atomic, [insert(0, 'a')], End::Panics(0));
        let keeps = open(Kind::Atomic, [insert(0, 'a'), read()], End::Returns);
        let body = [join([insert(0, 'a'), fails, drops, panics, keeps]), read()];
        agrees(backend, 10, true, [open(Kind::Atomic, body, End::Returns), read()]).await;
    }
}

test_on! {
    every_backend;

    /// rules 13 and 20: a pinned connection serves one transaction after the other, whatever became of the last
    async fn transactions_on_a_pinned_connection_are_apart(backend) {
        let quiet = open(Kind::Atomic, [insert(0, 'a'), mark(), read()], End::Returns);
        let dropped = open(Kind::Transaction, [insert(1, 'a'), insert(1, 'b')], End::Hangs(0));
        let kept = open(Kind::Atomic, [read(), insert(2, 'a')], End::Returns);
        let pinned = open(Kind::Connection, [quiet, dropped, kept, insert(3, 'a'), insert(3, 'd')], End::Fails);
        agrees(backend, 1, true, [pinned, read()]).await;
    }
}
