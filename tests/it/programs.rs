//! Random programs of blocks in one another, run on the real back ends and against an in-memory model. Whatever each
//! statement reads, how each block ends, and what is committed in the end must agree.
//!
//! `NESTLING_PROGRAMS` sets how many programs are tried on each back end. A program that fails is shrunk and printed; its
//! seed is kept in `programs/regressions.txt`, and the program itself should become a test down here.

mod generate;
mod machine;
mod model;
mod outcome;
mod program;

use std::{fmt::Write as _, time::Duration};

use nestling::{Dialect, params};
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestError, TestRunner};
use tokio::{
    runtime::{Builder, Handle, RuntimeFlavor},
    time::timeout,
};

use self::{
    generate::{abandon, insert, join, mark, open, programs, read},
    machine::Machine,
    model::{Ways, expect},
    outcome::{Record, Rows},
    program::{End, Kind, Program},
};
use crate::harness::Backend;

const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/programs/regressions.txt");

/// How long one program may take: far longer than any does that does not hang.
const PATIENCE: Duration = Duration::from_secs(20);

async fn prepared(backend: Backend) -> Backend {
    backend.with(|options| options.turn_timeout(Duration::from_secs(10))).with_items().await
}

fn ways(backend: &Backend) -> Ways {
    let on_the_spot = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    let errors_doom = backend.db.dialect() == Dialect::Postgres;
    let abandons = backend.db.dialect() != Dialect::Sqlite || !on_the_spot;
    Ways { errors_doom, abandons, nests_names: !backend.is_mysql() }
}

/// Runs a program on an empty table, and says in what the model disagrees.
async fn check(backend: &Backend, program: &Program) -> Result<(), String> {
    let ways = ways(backend);
    let (expected, expected_rows) = expect(program, ways);
    let Ok(record) = timeout(PATIENCE, Machine::run(&backend.db, ways, program)).await else {
        return Err("the program hangs".into());
    };
    backend.settled().await;
    let rows = backend.observer().query("select id, name from item", params![]).await.expect("the committed rows");
    let rows: Rows = rows.iter().map(|row| row.to().expect("an id and a name")).collect();
    backend.observer().batch("delete from item").await.expect("an empty table");
    if (&record, &rows) == (&expected, &expected_rows) {
        return Ok(());
    }
    Err(compare(program, (&record, &rows), (&expected, &expected_rows)))
}

fn compare(program: &Program, was: (&Record, &Rows), expected: (&Record, &Rows)) -> String {
    let mut out = program.listing(|number| match (was.0.get(&number), expected.0.get(&number)) {
        (None, None) => String::new(),
        (was, expected) if was == expected => was.map_or_else(String::new, |seen| format!("{:?}", seen.outcome)),
        (was, expected) => format!("WAS {was:?} EXPECTED {expected:?}"),
    });
    if was.1 == expected.1 {
        let _ = write!(out, "\ncommitted: {:?}", was.1);
    } else {
        let _ = write!(out, "\ncommitted: WAS {:?} EXPECTED {:?}", was.1, expected.1);
    }
    out
}

/// Tries random programs on one back end, with one database for all of them.
fn try_all(runtime: &mut Builder, backend: impl Future<Output = Backend>, default_cases: u32) {
    let runtime = runtime.enable_all().build().expect("a runtime");
    let backend = runtime.block_on(async { std::sync::Arc::new(prepared(backend.await).await) });
    let cases = std::env::var("NESTLING_PROGRAMS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default_cases);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(SEEDS))),
        max_shrink_iters: 2_000,
        ..Config::default()
    });
    let outcome = runner.run(&programs(), |program| {
        let backend = std::sync::Arc::clone(&backend);
        // In a task, and so on a worker thread where there is one.
        let checked = runtime.spawn(async move { check(&backend, &program).await });
        let checked = runtime.block_on(checked).map_err(|panic| TestCaseError::fail(panic.to_string()))?;
        checked.map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, program)) => panic!("{reason}\n\nthe program:\n{program:?}"),
        Err(other) => panic!("{other}"),
    }
}

/// rules 3, 9, 12 to 14, 17, 20, 21, 24, 26, 27, 31, 32, 37, 38, 41, 43
#[test]
fn random_programs_agree_with_the_model_on_postgres() {
    try_all(Builder::new_multi_thread().worker_threads(2), Backend::postgres(), 300);
}

/// rules 3, 9, 12 to 14, 20, 21, 24, 26, 27, 32, 37, 38, 41, 43: as on SQLite, a failed statement dooms nothing
#[test]
fn random_programs_agree_with_the_model_on_mariadb() {
    try_all(Builder::new_multi_thread().worker_threads(2), Backend::mariadb(), 150);
}

/// rules 3, 9, 12 to 14, 20, 21, 24, 26, 27, 32, 37, 38, 41, 43: as on SQLite, a failed statement dooms nothing
#[test]
fn random_programs_agree_with_the_model_on_mysql9() {
    try_all(Builder::new_multi_thread().worker_threads(2), Backend::mysql(), 150);
}

/// rules 3, 9, 12 to 14, 17, 20, 21, 24, 26, 27, 31, 32, 37, 41, 43
#[test]
fn random_programs_agree_with_the_model_on_sqlite() {
    try_all(Builder::new_multi_thread().worker_threads(2), Backend::sqlite(), 300);
}

/// rules 3, 9, 12 to 14, 17, 20, 21, 24, 26, 27, 31, 32, 37, 38, 41, 43
#[test]
fn random_programs_agree_with_the_model_on_sqlite_on_one_thread() {
    try_all(&mut Builder::new_current_thread(), Backend::sqlite(), 300);
}

/// Programs that have failed once, or that stand for a kind of program. Each is run often, as some failed by chance.
async fn agrees<const N: usize>(backend: Backend, times: u32, scoped: bool, steps: [program::Step; N]) {
    let backend = prepared(backend).await;
    let program = Program::new(scoped, steps);
    for _ in 0..times {
        if let Err(difference) = check(&backend, &program).await {
            panic!("{difference}");
        }
    }
}

on_every_backend! {
    /// rules 37 and 43: the steps that went along with the dropped statement are what the outer block rests on
    async fn a_block_dropped_with_its_first_statement_leaves_the_one_around_it_whole(backend) {
        let inner = open(Kind::Atomic, [abandon()], End::Hangs(0));
        let outer = open(Kind::Transaction, [inner, insert(1, 'a'), read()], End::Returns);
        agrees(backend, 30, false, [abandon(), outer, read()]).await;
    }
}

on_every_backend! {
    /// rule 38
    async fn a_cancellation_never_hits_the_next_statement(backend) {
        let short = open(Kind::Atomic, [insert(1, 'a'), abandon()], End::Fails);
        agrees(backend, 50, true, [abandon(), read(), short, read(), insert(2, 'a'), abandon(), read()]).await;
    }
}

on_every_backend! {
    /// rule 37: the connection is as new for who comes next, though the transaction was never begun on it
    async fn a_transaction_dropped_with_its_first_statement_leaves_nothing_to_the_next(backend) {
        let root = || open(Kind::Atomic, [abandon()], End::Returns);
        agrees(backend, 30, true, [root(), insert(2, 'a'), root(), insert(3, 'b'), read()]).await;
    }
}

on_every_backend! {
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

on_every_backend! {
    /// rule 41
    async fn a_panic_rolls_back_every_block_that_it_goes_through(backend) {
        let inner = open(Kind::Savepoint, [insert(2, 'b')], End::Panics(1));
        let middle = open(Kind::Atomic, [insert(1, 'b'), inner], End::Returns);
        let outer = open(Kind::Transaction, [insert(0, 'a'), middle, read()], End::Returns);
        agrees(backend, 1, false, [outer, read()]).await;
    }
}

on_every_backend! {
    /// rules 26 and 27
    async fn a_joined_transaction_that_was_dropped_marks_the_root(backend) {
        let joined = open(Kind::Transaction, [insert(1, 'b')], End::Hangs(0));
        let nested = open(Kind::Atomic, [joined, read()], End::Returns);
        let root = open(Kind::Atomic, [insert(0, 'a'), nested, read()], End::Returns);
        agrees(backend, 1, true, [root, read()]).await;
    }
}

on_every_backend! {
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

on_every_backend! {
    /// rules 13 and 20: a pinned connection serves one transaction after the other, whatever became of the last
    async fn transactions_on_a_pinned_connection_are_apart(backend) {
        let quiet = open(Kind::Atomic, [insert(0, 'a'), mark(), read()], End::Returns);
        let dropped = open(Kind::Transaction, [insert(1, 'a'), insert(1, 'b')], End::Hangs(0));
        let kept = open(Kind::Atomic, [read(), insert(2, 'a')], End::Returns);
        let pinned = open(Kind::Connection, [quiet, dropped, kept, insert(3, 'a'), insert(3, 'd')], End::Fails);
        agrees(backend, 1, true, [pinned, read()]).await;
    }
}
