//! Files that can only be read, and blocks that only read.

use std::{path::PathBuf, time::Duration};

use futures_util::future::try_join_all;
use nestling::{Database, Error, ErrorKind, params};
use tokio::{sync::Barrier, time::timeout};

use crate::harness::{Backend, insert};

fn path(backend: &Backend, suffix: &str) -> PathBuf {
    format!("{}{suffix}", backend.url().strip_prefix("sqlite://").expect("a file")).into()
}

/// A file in WAL mode with one item, which nobody has open.
async fn file(backend: Backend) -> Backend {
    let backend = backend.with_items().await;
    insert(&backend.db, 1, "one").await.expect("it writes");
    backend.db.close().await;
    backend.observer().close().await;
    wait_while!(path(&backend, "-wal").exists());
    backend
}

async fn can_only_be_read(db: &Database) {
    let read = || async { db.query_one("select name from item", params![]).await?.get::<String>(0) };
    assert_eq!(read().await.expect("it reads"), "one");
    assert_eq!(db.atomic(read).await.expect("it reads"), "one");
    assert_eq!(db.read_only(read).await.expect("it reads"), "one");
    let mut rows = db.stream("select name from item", params![]).await.expect("it reads");
    rows.next().await.expect("a row").expect("it reads");
    drop(rows);
    for error in [insert(db, 2, "two").await, db.atomic(|| insert(db, 2, "two")).await] {
        assert!(error.expect_err("it only reads").to_string().contains("readonly database"));
    }
}

test_on! {
    sqlite_on_every_thread;

    /// kind: a file that can only be read is refused although it can be read
    async fn a_file_in_wal_mode_is_read_by_who_may_not_write(backend) {
        let backend = file(backend).await;
        can_only_be_read(&Database::open(&format!("{}?mode=ro", backend.url())).expect("a valid URL")).await;
    }

    /// the same kind: nothing can be made beside the file, as on read-only media
    async fn a_file_in_wal_mode_is_read_where_nothing_can_be_made_beside_it(backend) {
        let backend = file(backend).await;
        // A link that leads nowhere: there can be no index, whoever runs this test.
        let index = path(&backend, "-shm");
        std::os::unix::fs::symlink(index.join("nowhere"), &index).expect("a link");
        let url = format!("{}?mode=ro", backend.url());
        can_only_be_read(&Database::open(&url).expect("a valid URL")).await;
        // What is in the log and cannot be read is not passed over.
        std::fs::write(path(&backend, "-wal"), [0; 64]).expect("a log");
        let db = Database::open(&url).expect("a valid URL");
        let error = db.query("select name from item", params![]).await.expect_err("a part of it is in the log");
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    }

    /// kind: readers exclude each other; the one word for it
    async fn blocks_that_only_read_run_together(backend) {
        let backend = backend.with_items().await;
        let (db, all) = (&backend.db, Barrier::new(8));
        insert(db, 1, "one").await.expect("it writes");
        let read = || db.read_only(|| async {
            let before = db.query("select * from item", params![]).await?.len();
            all.wait().await;
            // The writer beside them waits for none, and they do not see it.
            all.wait().await;
            assert_eq!(db.query("select * from item", params![]).await?.len(), before);
            Ok::<_, Error>(())
        });
        let write = async {
            all.wait().await;
            insert(db, 2, "two").await?;
            all.wait().await;
            Ok(())
        };
        let together = async { tokio::join!(try_join_all((0..7).map(|_| read())), write) };
        let (reads, write) = timeout(Duration::from_secs(30), together).await.expect("nobody waits for another");
        reads.map(|_| ()).and(write).expect("all succeed");
        let refused = db.read_only(|| insert(db, 3, "three")).await.expect_err("it only reads");
        assert_eq!(refused.kind(), ErrorKind::Server, "{refused}");
        let inside = db.atomic(|| db.read_only(|| async { Ok::<_, Error>(()) })).await;
        assert_eq!(inside.expect_err("the block may write").kind(), ErrorKind::SettingsMismatch);
        backend.settled().await;
    }
}

/// kind: a slip of the pen makes a file without a word (fault 2.8)
#[tokio::test]
async fn a_database_in_memory_that_is_misspelt_is_no_file() {
    for url in ["sqlite::memory", "sqlite:memory:", "sqlite://:memory", "sqlite::MEMORY:", "sqlite:file::memory:"] {
        let error = Database::open(url).map(drop).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Config, "{url}: {error}");
        assert!(error.to_string().contains("sqlite::memory:"), "it tells how it is spelt: {error}");
    }
}
