//! What a connection keeps of the texts that it ran is bounded in bytes: measured in a process of its own. Fault kind: a cache
//! that is bounded by number alone.

use nestling::{Error, params};

use crate::{
    harness::Backend,
    statements::stream_memory::{alone_in, resident},
};

/// How long each text is.
const SIZE: usize = 1 << 20;
/// How many are run before it is measured, and how many behind that.
const ROUNDS: [usize; 2] = [4, 24];
/// The most that the process may grow by. All the texts together are 24 MiB.
const LIMIT_KB: i64 = 12_000;

/// Runs texts that differ, one after the other, and tells by how much the process grew behind the first of them.
async fn growth(run: impl AsyncFn(String) -> Result<(), Error>) -> i64 {
    let text = |number: usize| format!("'{}{number}'", "x".repeat(SIZE));
    let mut seen = Vec::new();
    let mut number = 0;
    for rounds in ROUNDS {
        for _ in 0..rounds {
            run(text(number)).await.expect("it runs");
            number += 1;
        }
        seen.push(resident());
    }
    seen[1] - seen[0]
}

async fn measure(backend: Backend) {
    let backend = backend.with(|options| options.max_connections(1));
    let db = &backend.db;
    let batches = growth(async |text| db.batch(&format!("select {text}; select 1")).await).await;
    let statements = growth(async |text| {
        let rows = db.query(&format!("select $1 + 0, length({text})"), params![1]).await?;
        assert_eq!(rows.len(), 1);
        Ok(())
    });
    for (what, growth) in [("batches", batches), ("statements", statements.await)] {
        assert!(growth < LIMIT_KB, "{} {what} of {SIZE} bytes took {growth} kB", ROUNDS[1]);
    }
    backend.settled().await;
}

/// fault 2.5
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn long_texts_are_not_kept_for_postgres() {
    if alone_in(module_path!(), "long_texts_are_not_kept_for_postgres") {
        measure(Backend::postgres().await).await;
    }
}

/// fault 2.5
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn long_texts_are_not_kept_for_mariadb() {
    if alone_in(module_path!(), "long_texts_are_not_kept_for_mariadb") {
        measure(Backend::mariadb().await).await;
    }
}

/// fault 2.5
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn long_texts_are_not_kept_for_mysql9() {
    if alone_in(module_path!(), "long_texts_are_not_kept_for_mysql9") {
        measure(Backend::mysql().await).await;
    }
}

/// fault 2.5
#[tokio::test]
async fn long_texts_are_not_kept_for_sqlite() {
    if alone_in(module_path!(), "long_texts_are_not_kept_for_sqlite") {
        measure(Backend::sqlite().await).await;
    }
}
