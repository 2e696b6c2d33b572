//! What is open now, as the program, its errors and its logs are told of it. Section M, rule 76.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use nestling::{
    Context, Database, Error, ErrorKind, params, scope,
    status::{BlockState, OpenBlock},
};
use tokio::sync::oneshot;

use crate::{dialects::endless, harness::Backend, recorder::Recorder, wire::statement};

/// Longer than any of these tests takes if nothing waits in vain.
const LONG: Duration = Duration::from_secs(60);

/// Waits until what is open on a database is so.
async fn until(db: &Database, what: &str, holds: impl Fn(&[OpenBlock]) -> bool) -> Vec<OpenBlock> {
    let start = Instant::now();
    loop {
        let open = db.open_blocks();
        if holds(&open) {
            return open;
        }
        assert!(start.elapsed() < LONG, "in vain: {what}: {open:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn is_here(at: Option<&'static std::panic::Location<'static>>, line: u32) -> bool {
    at.is_some_and(|at| at.file().ends_with("open_blocks.rs") && at.line() == line)
}

/// A text that is longer than what is kept of it.
fn long_text() -> String {
    format!("select 'ä{}'", "ö".repeat(300))
}

test_on! {
    every_backend;

    /// rule 76
    async fn a_transaction_is_listed_with_where_it_was_opened(backend) {
        let db = &backend.db;
        let (outer, inner) = (line!() + 1, line!() + 5);
        let work = db.build_transaction().name("nightly report").atomic(|| async {
            // What has sent nothing holds nothing.
            assert!(db.open_blocks().is_empty());
            statement(db).await?;
            let work = db.atomic(|| async {
                db.query("select 1 + 1", params![]).await?;
                Ok::<_, Error>(db.open_blocks())
            });
            let nested = work.await?;
            db.query(&long_text(), params![]).await?;
            Ok::<_, Error>((nested, db.open_blocks()))
        });
        let (nested, after) = work.await.expect("a transaction");
        let [nested, after] = [&nested[..], &after[..]].map(|open| match open {
            [block] => block.clone(),
            other => panic!("one is open: {other:?}"),
        });
        assert!(is_here(nested.opened_at, outer) && is_here(nested.innermost_opened_at, inner), "{nested:?}");
        assert!(is_here(after.innermost_opened_at, outer), "{after:?}");
        assert_eq!((nested.depth, nested.statements, nested.state), (2, 2, BlockState::Idle));
        assert_eq!((after.depth, after.statements, after.id), (1, 3, nested.id));
        assert_eq!((nested.name.as_deref(), nested.last_statement.as_deref()), (Some("nightly report"), Some("select 1 + 1")));
        let kept = after.last_statement.as_deref().expect("a text");
        assert!(kept.chars().count() <= 200 && kept.ends_with("ö…") && kept.starts_with("select 'äö"), "{kept}");
        assert!(after.last_statement_ago <= Some(after.age) && after.age >= nested.age, "{after:?}");
        let line = nested.to_string();
        let begin = format!("#{} \"nightly report\", opened at {}:{outer}, ", nested.id, file!());
        let middle = format!(" ago, depth 2 (innermost opened at {}:{inner}), idle, 2 statements, last `select 1 + 1` ", file!());
        assert!(line.starts_with(&begin) && line.contains(&middle) && line.ends_with(" ago"), "{line}");
        assert!(db.open_blocks().is_empty(), "it has ended");
    }

    /// rule 76: each of the calls that open something notes its caller
    async fn every_call_notes_its_caller(backend) {
        let db = &backend.db;
        let seen = || async {
            statement(db).await?;
            let open = db.open_blocks();
            let innermost = open[0].innermost_opened_at.expect("a place");
            Ok::<_, Error>((open[0].depth, innermost.line()))
        };
        let start = line!();
        assert_eq!(db.atomic(seen).await.expect("a block"), (1, start + 1));
        assert_eq!(db.read_only(seen).await.expect("a block"), (1, start + 2));
        assert_eq!(db.connection(seen).await.expect("a pin"), (0, start + 3));
        assert_eq!(db.sandbox(seen).await.expect("a sandbox"), (0, start + 4));
        assert_eq!(db.build_transaction().atomic(seen).await.expect("a block"), (1, start + 5));
        let nested = db.atomic(|| async {
            assert_eq!(db.savepoint(seen).await?, (2, start + 7));
            assert_eq!(db.savepoint_named("own", seen).await?, (2, start + 8));
            Ok::<_, Error>(())
        });
        nested.await.expect("a block");
        let own = db.clone();
        let spawned = db.transaction(move || async move {
            statement(&own).await?;
            Ok::<_, Error>(own.open_blocks()[0].opened_at.expect("a place").line())
        });
        assert_eq!(spawned.await.expect("a transaction"), start + 13);
    }

    /// rule 76: and so is what waits for the pool, whose error names what it waits for
    async fn a_wait_for_a_connection_is_told_and_its_error_names_the_holder(backend) {
        let options = backend.builder().name("reports").max_connections(1);
        let db = options.acquire_timeout(Duration::from_millis(300)).build().expect("valid");
        // It has that time for connecting too.
        wait_while!(db.connect().await.is_err());
        let (held, is_held) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let holder = db.clone();
        let line = line!() + 2;
        let holder = tokio::spawn(async move {
            let work = holder.build_transaction().name("nightly report").atomic(|| async {
                statement(&holder).await?;
                let _ = held.send(holder.open_blocks()[0].id);
                let _ = gone.await;
                Ok::<_, Error>(())
            });
            work.await
        });
        let id = is_held.await.expect("a connection is free");
        let mut waiting = pin!(db.atomic(|| statement(&db)));
        let open = tokio::select! {
            // It waits when one looks, whatever the time.
            biased;
            out = &mut waiting => panic!("none is free, but {out:?}"),
            open = until(&db, "both are listed", |open| open.len() == 2) => open,
        };
        assert_eq!((open[0].id, open[1].state, open[1].statements), (id, BlockState::WaitingForConnection, 0));
        assert_eq!(open[0].database, "reports");
        let errors = [waiting.await, statement(&db).await, scope(statement(&db)).await];
        let begin = format!(
            "none of the 1 connections of \"reports\" came free within 300ms: 1 in blocks (oldest #{id} \"nightly report\", opened at {}:{line}, ",
            file!()
        );
        for error in errors.map(|result| result.expect_err("none is free")) {
            assert_eq!(error.kind(), ErrorKind::PoolTimeout);
            let text = error.to_string();
            assert!(text.starts_with(&begin) && text.contains(" ago, last `select ") && text.ends_with(" ago)"), "{text}");
        }
        drop(go);
        holder.await.expect("no panic").expect("it commits");
        assert!(db.open_blocks().is_empty());
    }

    /// rule 76: an error of a turn names the transaction that the list has
    async fn a_wait_for_a_turn_is_told_and_its_error_names_the_transaction(backend) {
        let db = &backend.builder().turn_timeout(Duration::from_millis(300)).build().expect("valid options");
        let work = db.atomic(|| async {
            statement(db).await?;
            let outer = Context::current();
            let error = db.atomic(|| async {
                statement(db).await?;
                let late = outer.clone().enter(statement(db));
                let seen = until(db, "a statement waits", |open| open[0].state == BlockState::WaitingForTurn);
                let (late, open) = tokio::join!(late, seen);
                Ok::<_, Error>((late.expect_err("the inner block has the turn"), open[0].id))
            });
            error.await
        });
        let (error, id) = work.await.expect("a block");
        assert_eq!(error.kind(), ErrorKind::TurnTimeout);
        let end = format!("for its turn in the block at depth 1 of #{id}, which the block at depth 2 holds");
        assert!(error.to_string().ends_with(&end), "{error}");
    }

    /// rule 76
    async fn blocks_of_blocking_handles_are_listed(backend) {
        let (db, sync) = (backend.db.clone(), backend.db.sync());
        let line = line!() + 1;
        let work = move || sync.atomic(|| {
            sync.query("select 1", params![])?;
            Ok::<_, Error>(db.open_blocks())
        });
        let open = tokio::task::spawn_blocking(work).await.expect("no panic").expect("a block");
        assert_eq!((open.len(), open[0].depth, open[0].statements), (1, 1, 1));
        assert!(is_here(open[0].opened_at, line), "{open:?}");
    }
}

test_on! {
    every_server;

    /// rule 76
    async fn a_statement_under_way_is_told(backend) {
        let (db, endless) = (backend.db.clone(), endless(backend.db.dialect()));
        let other = db.clone();
        let task = tokio::spawn(async move { other.atomic(|| other.query(endless, params![])).await });
        let open = until(&db, "a statement is under way", |open| {
            open.first().is_some_and(|block| block.state == BlockState::InStatement && block.statements > 0)
        })
        .await;
        assert!(endless.starts_with(open[0].last_statement.as_deref().expect("a text").trim_end_matches('…')));
        assert_eq!(open[0].statements, 1);
        task.abort();
        until(&db, "it is gone", <[OpenBlock]>::is_empty).await;
        backend.settled().await;
    }
}

test_on! {
    sqlite;

    /// rule 76
    async fn a_writer_that_waits_for_another_is_told(backend) {
        let backend = backend.with_items().await.with(|builder| builder.busy_timeout(LONG));
        let db = backend.db.clone();
        let work = db.atomic(|| async {
            db.execute("insert into item values (1, 'a')", params![]).await?;
            let other = db.clone();
            let second = tokio::spawn(async move {
                other.atomic(|| other.execute("insert into item values (2, 'b')", params![])).await
            });
            let is_waiting = |open: &[OpenBlock]| open.iter().any(|block| block.state == BlockState::WaitingForLock);
            until(&db, "the second writer waits", is_waiting).await;
            Ok::<_, Error>(second)
        });
        let second = work.await.expect("the first writer");
        second.await.expect("no panic").expect("the second writer");
    }
}

test_on! {
    [postgres_on_one_thread mariadb_on_one_thread mysql9_on_one_thread sqlite_on_one_thread];

    /// rule 76: by the task of the database, on the thread on which the recorder listens
    async fn a_block_that_is_open_for_long_is_warned_of_once(backend) {
        let long = Duration::from_millis(40);
        let backend: Backend = backend.with(|builder| builder.warn_open_longer_than(long));
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        let warned = |name: &str| {
            let of = |line: &String| line.contains("a block is open for long") && line.contains(name);
            recorder.messages().iter().filter(|line| of(line)).count()
        };
        let work = db.build_transaction().name("first").atomic(|| async {
            statement(db).await?;
            wait_while!(warned("\"first\"") == 0);
            let inner = scope(db.build_transaction().name("second").read_only().atomic(|| async {
                statement(db).await?;
                wait_while!(warned("\"second\"") == 0);
                Ok::<_, Error>(())
            }));
            inner.await
        });
        work.await.expect("a block");
        let start = Instant::now();
        db.build_transaction().name("short").atomic(|| statement(db)).await.expect("a short block");
        // On a busy machine it may be no short one.
        let was_long = start.elapsed() >= long && warned("\"short\"") == 1;
        assert_eq!((warned("\"first\""), warned("\"second\""), warned("")), (1, 1, 2 + usize::from(was_long)));
    }
}
