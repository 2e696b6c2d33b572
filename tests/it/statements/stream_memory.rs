//! A stream holds memory flat, however many rows it has: measured in a process of its own, as other tests would be measured
//! with it.

use std::process::Command;

use nestling::{Database, Dialect, Error, FromRow, Manager, params, raw};

use crate::{dialects::numbers, harness::Backend};

const ROWS: i64 = 400_000;
/// The most that the process may grow by. All the rows together are more than 100 MB.
const LIMIT_KB: i64 = 30_000;
const ALONE: &str = "NESTLING_TEST_ALONE";

/// What the system tells of the memory of this process, in kB.
fn told(name: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux machine");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it is told");
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number of kB")
}

/// The most memory that this process has ever had, in kB.
fn peak() -> i64 {
    told("VmHWM")
}

/// The memory that this process has, in kB.
pub(crate) fn resident() -> i64 {
    told("VmRSS")
}

/// Runs a test of this module once more, alone in a process, which then measures itself.
fn alone(test: &str) -> bool {
    alone_in(module_path!(), test)
}

/// Runs a test once more, alone in a process, which then measures itself.
pub(crate) fn alone_in(module: &str, test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let program = std::env::current_exe().expect("the tests are a program");
    let name = format!("{}::{test}", module.split_once("::").expect("a module of the tests").1);
    let output = Command::new(program).args(["--exact", &name, "--nocapture"]).env(ALONE, "1").output();
    let output = output.expect("the test runs once more");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&output.stderr));
    false
}

/// Reads all rows of a query, and tells by how much the process grew meanwhile.
async fn growth(db: &Database, sql: &str) -> Result<i64, Error> {
    let mut warm = db.stream(sql, params![1_000]).await?;
    while let Some(row) = warm.next().await {
        row?;
    }
    let before = peak();
    let mut rows = db.stream(sql, params![ROWS]).await?;
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = rows.next().await {
        bytes += row?.get::<&str>("filler")?.len();
        count += 1;
    }
    assert_eq!((count, bytes), (ROWS, 100_000_000), "all together are more than 100 MB");
    Ok(peak() - before)
}

/// As [`growth`], with rows that the manager makes of them.
async fn typed_growth(db: &Database, sql: &str) -> Result<i64, Error> {
    #[derive(FromRow)]
    struct Filler {
        x: i64,
        filler: String,
    }

    let objects = Manager::new(db.clone());
    let before = peak();
    let mut rows = objects.iterate(raw::<Filler>(sql, params![ROWS])).await?;
    let (mut highest, mut bytes) = (0, 0);
    while let Some(row) = rows.next().await {
        let Filler { x, filler } = row?;
        highest = highest.max(x);
        bytes += filler.len();
    }
    assert_eq!((highest, bytes), (ROWS, 100_000_000));
    Ok(peak() - before)
}

/// Streams alone, and by the manager inside a block.
async fn measure(backend: &Backend, sql: &str) {
    let db = &backend.db;
    for growth in [growth(db, sql).await.unwrap(), db.atomic(|| typed_growth(db, sql)).await.unwrap()] {
        assert!(growth < LIMIT_KB, "a stream of {ROWS} rows took {growth} kB");
    }
    backend.settled().await;
}

/// rule 8: the rows of a stream are never all there at once
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn many_rows_of_postgres_take_no_more_memory_than_a_thousand() {
    if alone("many_rows_of_postgres_take_no_more_memory_than_a_thousand") {
        measure(&Backend::postgres().await, "select x, repeat('x', 250) as filler from generate_series(1, $1) x").await;
    }
}

async fn measure_mysql(backend: Backend) {
    let sql = numbers(Dialect::Mysql).replace(" as x\n", " as x, repeat('x', 250) as filler\n");
    measure(&backend, &sql).await;
}

/// rule 8: the rows of a stream are never all there at once
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn many_rows_of_mariadb_take_no_more_memory_than_a_thousand() {
    if alone("many_rows_of_mariadb_take_no_more_memory_than_a_thousand") {
        measure_mysql(Backend::mariadb().await).await;
    }
}

/// rule 8: the rows of a stream are never all there at once
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn many_rows_of_mysql9_take_no_more_memory_than_a_thousand() {
    if alone("many_rows_of_mysql9_take_no_more_memory_than_a_thousand") {
        measure_mysql(Backend::mysql().await).await;
    }
}

/// rule 8: the rows of a stream are never all there at once
#[tokio::test]
async fn many_rows_of_sqlite_take_no_more_memory_than_a_thousand() {
    if alone("many_rows_of_sqlite_take_no_more_memory_than_a_thousand") {
        let sql = "with recursive n(x) as (select 1 union all select x + 1 from n where x < $1)
                   select x, printf('%250d', x) as filler from n";
        measure(&Backend::sqlite().await, sql).await;
    }
}
