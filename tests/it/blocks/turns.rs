//! Several futures of one task in one frame: rules 8 and 9 of the specification.

use std::{pin::pin, sync::Mutex, time::Duration};

use futures_util::{
    StreamExt as _,
    future::{Either, join_all, select, select_all},
    stream::FuturesUnordered,
};
use nestling::{Database, Error, ErrorKind, params};

use crate::harness::{Backend, insert, poll_once};

/// A statement with an answer of its own.
async fn echo(db: &Database, number: i64) -> Result<(i64, i64), Error> {
    let rows = db.query("select $1 + 0 as one union all select $1 * 10", params![number]).await?;
    assert_eq!(rows.len(), 2);
    Ok((rows[0].get(0)?, rows[1].get(0)?))
}

test_on! {
    [postgres_on_one_thread];

    /// rule 8: a statement that is yet to be prepared holds up no other, though nobody polls it. (On one thread it cannot be
    /// prepared and sent by one poll.)
    async fn a_statement_that_is_prepared_does_not_wait_for_one_that_is_not(backend) {
        let db = &backend.db;
        let block = db.atomic(|| async {
            echo(db, 1).await?;
            let mut unprepared = pin!(db.query("select pg_sleep(600)", params![]));
            assert!(poll_once(unprepared.as_mut()).await.is_pending());
            assert_eq!(echo(db, 2).await?, (2, 20));
            Ok::<_, Error>(())
        });
        let result = tokio::time::timeout(Duration::from_secs(60), block).await.expect("it does not wait");
        // The other one was dropped on its way.
        assert_eq!(result.expect_err("nothing is kept").kind(), ErrorKind::RolledBack);
    }
}

test_on! {
    every_backend;

    /// rule 8
    async fn results_of_statements_that_are_joined_never_mix(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            let joined = join_all((0..100).map(|number| echo(db, number))).await;
            for (number, result) in (0..).zip(joined) {
                assert_eq!(result?, (number, number * 10));
            }
            let mut unordered: FuturesUnordered<_> =
                (0..100).map(|number| async move { (number, echo(db, number).await) }).collect();
            let mut seen = 0;
            while let Some((number, result)) = unordered.next().await {
                assert_eq!(result?, (number, number * 10));
                seen += 1;
            }
            assert_eq!(seen, 100);
            // Whoever is first, the others go on.
            let mut racing: Vec<_> = (0..20).map(|number| Box::pin(async move { (number, echo(db, number).await) })).collect();
            while !racing.is_empty() {
                let ((number, result), _, rest) = select_all(racing).await;
                assert_eq!(result?, (number, number * 10));
                racing = rest;
            }
            // Writes among the reads: each tells its own count.
            let writes = join_all((1..=30).map(|id| async move {
                match id % 3 {
                    0 => db.execute("update item set name = name where id < $1", params![0]).await,
                    _ => insert(db, id, &format!("item {id}")).await,
                }
            }));
            for (id, affected) in (1..).zip(writes.await) {
                assert_eq!(affected?, u64::from(id % 3 != 0));
            }
            Ok::<_, Error>(())
        });
        work.await.expect("it commits");
        assert_eq!(backend.items().await.len(), 20);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 8: one of two that are selected wins, and the loser is awaited later
    async fn a_statement_that_lost_a_race_keeps_its_own_answer(backend) {
        let db = &backend.db;
        let work = db.atomic(|| async {
            for round in 0..20 {
                let (one, two) = (pin!(echo(db, round)), pin!(echo(db, -round)));
                let (one, two) = match select(one, two).await {
                    Either::Left((one, late)) => (one?, late.await?),
                    Either::Right((two, late)) => (late.await?, two?),
                };
                assert_eq!((one, two), ((round, round * 10), (-round, -round * 10)));
            }
            Ok::<_, Error>(())
        });
        work.await.expect("it commits");
    }
}

/// rule 8: in flight together
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn joined_statements_of_a_frame_share_one_round_trip() {
    let (backend, proxy) = Backend::postgres().await.behind_proxy_with(|options| options.max_connections(1));
    let db = &backend.db;
    echo(db, 1).await.expect("the statement is warm now");
    // Behind a delay no answer comes between two requests of one poll, however busy the machine is.
    proxy.set_delay(Duration::from_millis(500));
    proxy.reset();
    let work = db.atomic(|| async {
        let (one, two, three, four) = tokio::join!(echo(db, 1), echo(db, 2), echo(db, 3), echo(db, 4));
        Ok::<_, Error>([one?, two?, three?, four?])
    });
    assert_eq!(work.await.expect("it commits"), [(1, 10), (2, 20), (3, 30), (4, 40)]);
    assert_eq!(proxy.counts().flights, 2, "and the COMMIT: {:?}", proxy.counts().sequence());
}

test_on! {
    every_backend;

    /// rule 9
    async fn joined_blocks_complete_one_after_the_other(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let log = Mutex::new(Vec::new());
        let note = |what: &str, who: i64| log.lock().expect("no panic").push(format!("{what} {who}"));
        let sibling = |who: i64| db.atomic(move || async move {
            note("enter", who);
            insert(db, who, &format!("item {who}")).await?;
            tokio::task::yield_now().await;
            db.atomic(|| async { insert(db, 10 * who, &format!("item {who} inside")).await }).await?;
            note("leave", who);
            if who == 2 { db.query_one("select 1 where 1 = 2", params![]).await.map(|_| ()) } else { Ok(()) }
        });
        let parent = || async {
            let seen = db.query("select id from item", params![]).await?.len();
            note("parent", 0);
            Ok::<_, Error>(seen)
        };
        let work = db.atomic(|| async {
            let (one, two, seen, three) = tokio::join!(sibling(1), sibling(2), parent(), sibling(3));
            one?;
            assert_eq!(two.expect_err("its own").kind(), ErrorKind::NoRow);
            assert_eq!(seen?, 2, "the parent's statement came in order: after the first, and what the second undid");
            three
        });
        work.await.expect("it commits");
        let order = ["enter 1", "leave 1", "enter 2", "leave 2", "parent 0", "enter 3", "leave 3"];
        assert_eq!(*log.lock().expect("no panic"), order);
        assert_eq!(backend.items().await, ["item 1", "item 1 inside", "item 3", "item 3 inside"]);
        backend.settled().await;
    }
}

/// rule 9: the wire itself
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn savepoints_of_joined_blocks_never_interleave_on_the_wire() {
    let (backend, proxy) = Backend::postgres().await.behind_proxy_with(|options| options.max_connections(1));
    let db = &backend.db;
    let statement = |name: &'static str| async move { db.batch(&format!("select '{name}'")).await };
    let block = |one, two| {
        db.atomic(move || async move {
            statement(one).await?;
            tokio::task::yield_now().await;
            statement(two).await
        })
    };
    let work = db.atomic(|| async {
        let (one, two, parent) = tokio::join!(block("a1", "a2"), block("b1", "b2"), statement("parent"));
        one.and(two).and(parent)
    });
    work.await.expect("it commits");
    assert_eq!(
        proxy.counts().sequence(),
        [
            "BEGIN; SAVEPOINT _n1",
            "select 'a1'",
            "select 'a2'",
            "RELEASE SAVEPOINT _n1; SAVEPOINT _n1",
            "select 'b1'",
            "select 'b2'",
            "RELEASE SAVEPOINT _n1",
            "select 'parent'",
            "COMMIT",
        ]
    );
}

test_on! {
    every_backend;

    /// rule 9: a child that nobody polls
    async fn a_turn_that_cannot_come_ends_in_a_timeout_that_names_both_blocks(backend) {
        let backend = backend.with_items().await.with(|options| options.turn_timeout(Duration::from_millis(40)));
        let db = &backend.db;
        let result = db.build_transaction().name("checkout").atomic(|| async {
            insert(db, 1, "kept").await?;
            let child = db.build_transaction().name("gift").atomic(|| async {
                insert(db, 2, "lost").await?;
                std::future::pending::<Result<(), Error>>().await
            });
            let mut child = Box::pin(child);
            wait_while!(db.stats().statements < 2, {
                assert!(poll_once(child.as_mut()).await.is_pending());
            });
            for _ in 0..3 {
                assert!(poll_once(child.as_mut()).await.is_pending());
            }
            let late = insert(db, 3, "late").await.expect_err("the child has the turn");
            let block = db.atomic(|| insert(db, 4, "late")).await.expect_err("the child has the turn");
            for error in [&late, &block] {
                assert_eq!(error.kind(), ErrorKind::TurnTimeout);
                assert!(error.is_timeout());
                let text = error.to_string();
                assert!(text.contains("\"checkout\"") && text.contains("\"gift\""), "{text}");
            }
            drop(child);
            insert(db, 5, "kept too").await
        });
        result.await.expect("the block itself is whole");
        assert_eq!(backend.items().await, ["kept", "kept too"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 9: the parent ends while its child is open and is not polled
    async fn a_block_cannot_commit_while_a_child_of_it_is_open(backend) {
        let backend = backend.with_items().await.with(|options| options.turn_timeout(Duration::from_millis(40)));
        let db = &backend.db;
        let mut child = None;
        let result = db.atomic(|| async {
            insert(db, 1, "lost").await?;
            let mut open = Box::pin(db.atomic(|| async {
                insert(db, 2, "lost too").await?;
                tokio::task::yield_now().await;
                insert(db, 3, "never").await
            }));
            wait_while!(db.stats().statements < 2, {
                assert!(poll_once(open.as_mut()).await.is_pending());
            });
            child = Some(open);
            Ok::<_, Error>(())
        });
        let error = result.await.expect_err("the child is open still");
        assert_eq!(error.kind(), ErrorKind::TurnTimeout);
        // The child is not polled, and yet keeps nothing open.
        wait_while!(backend.open_at_server().await > 0);
        let late = child.expect("it was carried out").await.expect_err("its parent has ended");
        assert_eq!(late.kind(), ErrorKind::FrameClosed);
        assert!(backend.items().await.is_empty());
        backend.settled().await;
    }
}
