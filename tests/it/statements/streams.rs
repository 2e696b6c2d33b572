//! Streams of rows: they hold the turn of their block, give it back whenever they end, and hide no error.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use nestling::{Database, Dialect, Error, ErrorKind, params, row::RowStream};
use tokio::sync::Notify;

use crate::{dialects::numbers, harness::Backend, support::waits::PATIENCE};

async fn take(rows: &mut RowStream, count: usize) -> Vec<i64> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let row = rows.next().await.expect("there are more rows").expect("a row");
        taken.push(row.get(0).expect("a number"));
    }
    taken
}

/// A query that fails at the row `$1` of many.
fn failing(backend: &Backend) -> &'static str {
    if backend.is_postgres() {
        "select 1 / ($1 - x) from generate_series(1, 100000) x"
    } else if backend.is_mysql() {
        // One more than the greatest number, at that row.
        "with d(d) as (select 1 union all select 2 union all select 3 union all select 4 union all select 5
                       union all select 6 union all select 7 union all select 8 union all select 9 union all select 10)
         select (9223372036854775807 - cast($1 as signed) + 1) + cast(@n := @n + 1 as signed) as x
         from (select @n := 0) zero, d a, d b, d c, d d, d e"
    } else {
        "with recursive n(x) as (select 1 union all select x + 1 from n where x < 100000)
         select case when x = $1 then abs(-9223372036854775807 - 1) else x end from n"
    }
}

async fn insert(db: &Database, name: &str) -> Result<u64, Error> {
    db.execute("insert into item (id, name) select coalesce(max(id), 0) + 1, $1 from item", params![name]).await
}

test_on! {
    every_backend;

    /// rules 3 and 9
    async fn a_stream_dropped_half_way_gives_its_turn_back(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let block = db.atomic(|| async {
            insert(db, "before").await?;
            let mut rows = db.stream(numbers(db.dialect()), params![300_000]).await?;
            assert_eq!(take(&mut rows, 3).await, [1, 2, 3]);
            drop(rows);
            insert(db, "behind").await?;
            let unpolled = db.stream(numbers(db.dialect()), params![300_000]).await?;
            drop(unpolled);
            db.atomic(|| async {
                let mut rows = db.stream(numbers(db.dialect()), params![1_000]).await?;
                assert_eq!(take(&mut rows, 1).await, [1]);
                drop(rows);
                insert(db, "nested").await
            })
            .await
        });
        assert_eq!(block.await.unwrap(), 1);
        assert_eq!(backend.items().await, ["before", "behind", "nested"]);
        backend.settled().await;
        assert_eq!(db.stats().connections, 1, "the connection was not thrown away");
    }
}

test_on! {
    every_backend;

    /// rules 8 and 9: whatever else the block wants to do waits until the stream has ended
    async fn other_statements_and_blocks_wait_for_a_stream(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let (opened, log) = (Notify::new(), Mutex::new(Vec::new()));
        let note = |what: &str| log.lock().unwrap().push(what.to_owned());
        let streaming = async {
            let mut rows = db.stream(numbers(db.dialect()), params![5_000]).await?;
            opened.notify_waiters();
            assert_eq!(take(&mut rows, 2_000).await.len(), 2_000);
            note("stream");
            drop(rows);
            Ok(())
        };
        let statement = async {
            opened.notified().await;
            insert(db, "statement").await?;
            note("statement");
            Ok(())
        };
        let block = async {
            opened.notified().await;
            db.atomic(|| insert(db, "block")).await?;
            note("block");
            Ok::<_, Error>(())
        };
        let all = db.atomic(|| async { tokio::try_join!(statement, block, streaming).map(|_| ()) });
        all.await.unwrap();
        let log = log.into_inner().unwrap();
        // Which of the others comes first is up to `join!`.
        assert_eq!((log.len(), &*log[0]), (3, "stream"), "{log:?}");
        assert_eq!(backend.items().await, ["block", "statement"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 8: two streams of one block take turns, and their rows do not mix
    async fn joined_streams_take_turns(backend) {
        let db = &backend.db;
        let whole = |count: i64| async move {
            let mut rows = db.stream(numbers(db.dialect()), params![count]).await?;
            let mut sum = 0;
            while let Some(row) = rows.next().await {
                sum += row?.get::<i64>(0)?;
            }
            Ok::<_, Error>(sum)
        };
        let sums = || async { tokio::try_join!(whole(1_000), whole(10), whole(3_000)) };
        let expected = (500_500, 55, 4_501_500);
        assert_eq!(db.atomic(sums).await.unwrap(), expected);
        assert_eq!(sums().await.unwrap(), expected, "outside a block each has a connection");
        assert_eq!(db.connection(sums).await.unwrap(), expected);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 2 and 9: at its last row a stream lets go of everything, whether or not it is kept
    async fn a_stream_read_to_its_end_holds_nothing(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let mut rows = db.stream(numbers(db.dialect()), params![200]).await.unwrap();
        assert_eq!(take(&mut rows, 200).await.len(), 200);
        assert!(rows.next().await.is_none() && rows.next().await.is_none());
        insert(db, "outside").await.unwrap();
        let block = db.atomic(|| async {
            let mut rows = db.stream(numbers(db.dialect()), params![200]).await?;
            take(&mut rows, 200).await;
            assert!(rows.next().await.is_none());
            insert(db, "inside").await?;
            drop(rows);
            Ok::<_, Error>(())
        });
        block.await.unwrap();
        assert_eq!(backend.items().await, ["inside", "outside"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 2, 36 and 38: outside a block the server is asked to stop, and the connection is soon the next user's
    async fn outside_a_block_a_dropped_stream_is_cancelled(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let start = Instant::now();
        let mut rows = db.stream(numbers(db.dialect()), params![2_000_000_000]).await.unwrap();
        assert_eq!(take(&mut rows, 10).await.len(), 10);
        assert_eq!(db.stats().idle, 0, "the stream has the connection");
        drop(rows);
        // With one connection, this runs behind whatever is left of the stream.
        insert(db, "next").await.unwrap();
        assert!(start.elapsed() < PATIENCE, "the next user waited {:?}", start.elapsed());
        backend.settled().await;
        assert_eq!(db.stats().connections, 1);
        if backend.db.dialect() != Dialect::Sqlite {
            backend.none_running("%").await;
        }
        assert_eq!(backend.items().await, ["next"]);
    }
}

test_on! {
    every_backend;

    /// rules 31 and 32: the rows ahead of an error come first; it ends the stream, and aborts the block on PostgreSQL
    async fn an_error_half_way_comes_out_of_the_stream(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let block = db.atomic(|| async {
            insert(db, "before").await?;
            let mut rows = db.stream(failing(&backend), params![500]).await?;
            assert_eq!(take(&mut rows, 499).await.len(), 499);
            let error = rows.next().await.expect("an error").unwrap_err();
            assert_eq!((error.kind(), error.statement()), (ErrorKind::Server, Some(failing(&backend))));
            assert!(rows.next().await.is_none());
            let code = error.code().map(str::to_owned);
            match insert(db, "behind").await {
                Err(error) => {
                    assert_eq!((error.kind(), error.code()), (ErrorKind::Aborted, code.as_deref()));
                    assert!(backend.is_postgres());
                }
                Ok(_) => assert!(!backend.is_postgres()),
            }
            Ok::<_, Error>(code)
        });
        let result = block.await;
        if backend.is_postgres() {
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::RolledBack, Some("22012")));
            assert!(backend.items().await.is_empty());
        } else {
            result.unwrap();
            assert_eq!(backend.items().await, ["before", "behind"]);
        }
        let mut rows = db.stream(failing(&backend), params![500]).await.unwrap();
        assert_eq!(take(&mut rows, 499).await.len(), 499);
        assert_eq!(rows.next().await.expect("an error").unwrap_err().kind(), ErrorKind::Server);
        assert!(rows.next().await.is_none());
        backend.settled().await;
    }
}

/// rule 17: what fails behind the back of a dropped stream makes the COMMIT fail
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn an_error_behind_a_dropped_stream_is_never_committed_over() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    let leave = || async {
        let mut rows = db.stream(failing(&backend), params![100_000]).await?;
        take(&mut rows, 1).await;
        Ok::<_, Error>(())
    };
    let root = db.atomic(|| async {
        insert(db, "root").await?;
        leave().await
    });
    assert_eq!(root.await.unwrap_err().kind(), ErrorKind::RolledBack);
    let child = db.atomic(|| async {
        insert(db, "parent").await?;
        db.atomic(leave).await
    });
    assert_eq!(child.await.unwrap_err().kind(), ErrorKind::RolledBack);
    let told = db.atomic(|| async {
        insert(db, "parent").await?;
        leave().await?;
        insert(db, "behind").await
    });
    told.await.unwrap_err();
    assert!(backend.items().await.is_empty());
    // A savepoint around it that is rolled back clears it.
    let cleared = db.atomic(|| async {
        insert(db, "parent").await?;
        let child = db.atomic(|| async {
            leave().await?;
            insert(db, "behind").await
        });
        child.await.unwrap_err();
        insert(db, "other").await
    });
    cleared.await.unwrap();
    assert_eq!(backend.items().await, ["other", "parent"]);
    backend.settled().await;
}

test_on! {
    every_backend;

    /// rules 6 and 9: a stream that is carried out of its block keeps it from ending, and the block says so
    async fn a_stream_cannot_outlive_its_block(backend) {
        let backend = backend.with_items().await.with(|options| options.turn_timeout(Duration::from_millis(50)));
        let db = &backend.db;
        let block = db.build_transaction().name("leaky").atomic(|| async {
            insert(db, "lost").await?;
            db.stream(numbers(db.dialect()), params![100_000]).await
        });
        let error = block.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TurnTimeout);
        assert!(error.to_string().contains("leaky") && error.to_string().contains("a stream of rows"), "{error}");
        assert!(backend.items().await.is_empty());
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 13: a stream may be what begins the transaction, and may write
    async fn a_stream_can_be_the_first_statement_and_may_write(backend) {
        let backend = backend.with_items().await.with_put().await;
        let db = &backend.db;
        let sql = if backend.is_mysql() {
            "select put(x, concat('n', x)) from (select 1 as x union all select 2 union all select 3) n"
        } else {
            "insert into item select x, 'n' || x from (select 1 as x union all select 2 union all select 3) n returning id"
        };
        let undone = db.atomic(|| async {
            let mut rows = db.stream(sql, ()).await?;
            take(&mut rows, 3).await;
            assert!(rows.next().await.is_none());
            db.set_rollback_only()
        });
        undone.await.unwrap();
        assert!(backend.items().await.is_empty());
        let half = db.atomic(|| async {
            let mut rows = db.stream(sql, ()).await?;
            take(&mut rows, 1).await;
            Ok::<_, Error>(())
        });
        half.await.unwrap();
        assert_eq!(backend.items().await, ["n1", "n2", "n3"], "a statement takes effect as a whole");
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 37 and 38: a block dropped while it streams is rolled back, and its connection idle again
    async fn a_block_dropped_while_it_streams_is_rolled_back(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let begun = Notify::new();
        let block = db.atomic(|| async {
            insert(db, "lost").await?;
            let mut rows = db.stream(numbers(db.dialect()), params![2_000_000_000]).await?;
            take(&mut rows, 5).await;
            begun.notify_one();
            std::future::pending::<Result<(), Error>>().await
        });
        tokio::select! {
            _ = block => unreachable!("it never ends"),
            () = begun.notified() => {}
        }
        backend.settled().await;
        assert!(backend.items().await.is_empty());
        insert(db, "next").await.unwrap();
    }
}

/// rule 38: on SQLite the first row comes as soon as it is found, and a dropped stream ends at once however long its next row would take
#[tokio::test]
async fn sqlite_does_not_wait_for_slow_rows_to_hand_out_the_first_and_stops_at_the_drop() {
    let backend = Backend::sqlite().await.with_items().await;
    let db = &backend.db;
    let sql = "with recursive n(x) as (select 1 union all select x + 1 from n where x < 1000)
               select case when x = 1 then x else
                   (with recursive m(y) as (select 1 union all select y + 1 from m where y < 1000000000) select max(y + x) from m)
               end from n";
    let block = db.atomic(|| async {
        insert(db, "before").await?;
        let start = Instant::now();
        let mut rows = db.stream(sql, ()).await?;
        assert_eq!(take(&mut rows, 1).await, [1]);
        drop(rows);
        insert(db, "behind").await?;
        assert!(start.elapsed() < PATIENCE, "it took {:?}", start.elapsed());
        Ok::<_, Error>(())
    });
    block.await.unwrap();
    assert_eq!(backend.items().await, ["before", "behind"]);
    backend.settled().await;
}
