//! What the documents say of SQLite: files, their modes, and what goes wrong with a file that is taken away.

use nestling::{Database, ErrorKind, params};

use crate::harness::{Backend, insert};

/// `Database::open`: which mode makes a file that is not there, and which may write
#[tokio::test]
async fn the_mode_of_the_url_tells_what_may_be_done_to_a_file() {
    let backend = Backend::sqlite().await;
    let file = backend.url().replace("test.db", "other.db");
    let path = file.strip_prefix("sqlite://").expect("a file").to_owned();
    let exists = || std::fs::exists(&path).expect("the folder is there");
    for mode in ["?mode=ro", "?mode=rw"] {
        let db = Database::open(&format!("{file}{mode}")).expect("a valid URL");
        let error = db.query("select 1", params![]).await.expect_err("there is no such file");
        assert_eq!((error.kind(), exists()), (ErrorKind::Connect, false), "{mode}");
    }
    for (mode, writes) in [("?mode=rwc", true), ("?mode=rw", true), ("?mode=ro", false), ("", true)] {
        let db = Database::open(&format!("{file}{mode}")).expect("a valid URL");
        db.query("select 1", params![]).await.unwrap_or_else(|error| panic!("{mode}: {error:?}"));
        let written = db.batch("create table if not exists thing (x integer); insert into thing values (1)").await;
        assert_eq!((written.is_ok(), exists()), (writes, true), "{mode}: {written:?}");
        db.close().await;
    }
}

/// limits: "A file that is deleted or replaced while it is open goes on being read and written", and `Ok` is told
#[tokio::test]
async fn what_is_written_to_a_file_that_was_deleted_is_gone_with_its_connections() {
    let backend = Backend::sqlite().await.with_items().await;
    let db = &backend.db;
    insert(db, 1, "before").await.expect("it writes");
    backend.observer().close().await;
    let path = backend.url().strip_prefix("sqlite://").expect("a file");
    for suffix in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{path}{suffix}")).expect("it is there");
    }
    insert(db, 2, "behind").await.expect("it goes on");
    db.atomic(|| insert(db, 3, "in a block")).await.expect("it goes on");
    assert_eq!(db.query("select * from item", params![]).await.expect("it reads").len(), 3);
    db.close().await;
    let again = Database::open(backend.url()).expect("a valid URL");
    let error = again.query("select * from item", params![]).await.expect_err("it is a new file");
    assert!(error.to_string().contains("no such table"), "{error}");
}

/// limits: "A runtime without tokio's timers or I/O makes tokio panic"
#[test]
fn a_runtime_without_timers_makes_tokio_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let file = std::env::temp_dir().join(format!("nestling_no_timers_{}.db", std::process::id()));
    let db = Database::open(&format!("sqlite://{}", file.display())).expect("a valid URL");
    let query = std::panic::AssertUnwindSafe(|| runtime.block_on(db.query("select 1", params![])));
    let panic = std::panic::catch_unwind(query).expect_err("there are no timers");
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let _ = std::fs::remove_file(&file);
    assert!(text.is_some_and(|text| text.contains("enable_time")), "{text:?}");
}

/// drivers.md: "In files the journal is WAL", and "`foreign_keys` is on", in memory too
#[tokio::test]
async fn files_have_a_write_ahead_log_and_foreign_keys_are_on() {
    let (file, memory) = (Backend::sqlite().await, Database::open("sqlite::memory:").expect("a database"));
    for (db, journal) in [(&file.db, "wal"), (&memory, "memory")] {
        let mode = db.query_one("pragma journal_mode", params![]).await.and_then(|row| row.get::<String>(0));
        assert_eq!(mode.expect("a mode"), journal);
        let keys = db.query_one("pragma foreign_keys", params![]).await.and_then(|row| row.get::<i64>(0));
        assert_eq!(keys.expect("a setting"), 1);
    }
}

/// rule 2; limits: "a text of several statements outside a block has the write lock from its first statement to its last"
#[tokio::test]
async fn a_text_of_several_statements_has_the_write_lock_until_its_last() {
    let backend = Backend::sqlite().await.with_items().await;
    let endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n";
    let text = format!("insert into item values (1, 'ahead'); {endless}; insert into item values (2, 'behind')");
    let db = backend.db.clone();
    let batch = tokio::spawn(async move { db.batch(&text).await });
    wait_while!(backend.items().await.is_empty(), by yielding);
    let error = insert(backend.observer(), 3, "other").await.expect_err("the text has the lock");
    assert!(error.is_timeout() && error.is_retryable(), "{error:?}");
    batch.abort();
    let is_locked = async || insert(backend.observer(), 3, "other").await.is_err_and(|error| error.is_timeout());
    wait_while!(is_locked().await, by yielding);
    assert_eq!(backend.items().await, ["ahead", "other"]);
}
