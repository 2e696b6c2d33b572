//! What transactions cost: round trips counted on the wire by a proxy, and the same by `stats()`, on PostgreSQL with
//! statements that are prepared already; and by `stats()` alone on SQLite.

use std::time::Duration;

use nestling::{Database, Error, Isolation};

use crate::wire::{Cost, STATEMENT, Wire, statement, steps_in};

type Result = nestling::Result<()>;

/// `levels` savepoints inside one another, with a statement in each.
async fn nested(db: &Database, levels: u32) -> Result {
    if levels == 0 {
        return Ok(());
    }
    db.atomic(|| async {
        statement(db).await?;
        Box::pin(nested(db, levels - 1)).await
    })
    .await
}

/// `levels` blocks inside one another, with nothing in them.
async fn empty(db: &Database, levels: u32) -> Result {
    if levels == 0 {
        return Ok(());
    }
    db.atomic(|| async { Box::pin(empty(db, levels - 1)).await }).await
}

/// A root with savepoints inside one another.
async fn root_with_nested(db: &Database, levels: u32) -> Result {
    db.atomic(|| nested(db, levels)).await
}

/// A root with savepoints beside one another.
async fn root_with_siblings(db: &Database, count: u32) -> Result {
    db.atomic(|| async {
        for _ in 0..count {
            db.atomic(|| statement(db)).await?;
        }
        Ok(())
    })
    .await
}

/// A root with statements and nothing else.
async fn flat(db: &Database, count: u32) -> Result {
    db.atomic(|| async {
        for _ in 0..count {
            statement(db).await?;
        }
        Ok(())
    })
    .await
}

/// An inner block that is rolled back, between two statements of its parent.
async fn undone_inside(db: &Database) -> Result {
    db.atomic(|| async {
        statement(db).await?;
        let undone = db.atomic(|| async {
            statement(db).await?;
            Err::<(), _>(Undo)
        });
        assert!(undone.await.is_err());
        statement(db).await
    })
    .await
}

#[derive(Debug)]
struct Undo;

impl From<Error> for Undo {
    fn from(error: Error) -> Self {
        panic!("{error}")
    }
}

fn ok(result: Result) {
    result.expect("the work succeeds");
}

/// rules 13, 56: n statements in a transaction cost n + 1 round trips
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn statements_in_a_transaction_cost_one_round_trip_each_and_one_for_commit() {
    let wire = Wire::open().await;
    for count in [1, 4] {
        let (counts, cost) = wire.warm(async || ok(flat(&wire.db, count).await)).await;
        let statements = u64::from(count);
        assert_eq!(counts.flights as u64, statements + 1);
        let expected = Cost { statements, flights: statements + 1, owed: 2, cancelled: 0, sent: 2 };
        assert_eq!(cost, expected);
        assert_eq!(steps_in(&counts), ["BEGIN", "COMMIT"]);
        let mut sequence = vec!["BEGIN"];
        sequence.extend(std::iter::repeat_n(STATEMENT, count as usize));
        sequence.push("COMMIT");
        assert_eq!(counts.sequence(), sequence);
    }
}

/// rules 13, 22: savepoints inside one another are free, and are called _n1, _n2 and so on
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn savepoints_inside_one_another_cost_nothing_beyond_their_statements() {
    let wire = Wire::open().await;
    for levels in [1_u32, 2, 5, 10] {
        let (counts, cost) = wire.warm(async || ok(root_with_nested(&wire.db, levels).await)).await;
        let k = u64::from(levels);
        assert_eq!(counts.flights as u64, k + 1, "{levels} levels");
        // BEGIN, the savepoints and COMMIT are sent; the releases are void with COMMIT.
        assert_eq!(cost, Cost { statements: k, flights: k + 1, owed: 2 * k + 2, cancelled: k, sent: k + 2 });
        let mut sequence = vec!["BEGIN; SAVEPOINT _n1".to_owned(), STATEMENT.to_owned()];
        for level in 2..=levels {
            sequence.extend([format!("SAVEPOINT _n{level}"), STATEMENT.to_owned()]);
        }
        sequence.push("COMMIT".to_owned());
        assert_eq!(counts.sequence(), sequence);
        assert_eq!(steps_in(&counts).len() as u64, cost.sent);
    }
}

/// rules 13, 22: so are savepoints beside one another; the release of one rides with the savepoint of the next
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn ten_sibling_savepoints_cost_eleven_round_trips() {
    let wire = Wire::open().await;
    let (counts, cost) = wire.warm(async || ok(root_with_siblings(&wire.db, 10).await)).await;
    assert_eq!(counts.flights, 11);
    assert_eq!(cost, Cost { statements: 10, flights: 11, owed: 22, cancelled: 1, sent: 21 });
    let mut sequence = vec!["BEGIN; SAVEPOINT _n1", STATEMENT];
    for _ in 1..10 {
        sequence.extend(["RELEASE SAVEPOINT _n1; SAVEPOINT _n1", STATEMENT]);
    }
    sequence.push("COMMIT");
    assert_eq!(counts.sequence(), sequence);
}

/// rule 56: a block without statements sends not one byte
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn empty_blocks_send_nothing() {
    let wire = Wire::open().await;
    ok(statement(&wire.db).await);
    for levels in [1, 5] {
        let (counts, cost) = wire.warm(async || ok(empty(&wire.db, levels).await)).await;
        assert_eq!((counts.bytes, counts.flights, counts.connections), (0, 0, 0), "{levels} levels");
        let steps = u64::from(levels) * 2;
        // The root's COMMIT is never owed: only its BEGIN is.
        assert_eq!(cost, Cost { statements: 0, flights: 0, owed: steps - 1, cancelled: steps - 1, sent: 0 });
    }
}

/// rule 8: statements of one block that run together share a round trip, and COMMIT is the second
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn four_joined_statements_cost_one_round_trip_together() {
    let wire = Wire::open().await;
    let joined = async || {
        let db = &wire.db;
        let body =
            || async { tokio::try_join!(statement(db), statement(db), statement(db), statement(db)).map(|_| ()) };
        ok(db.atomic(body).await);
    };
    joined().await;
    wire.backend.settled().await;
    // However slow this machine is, no answer comes before all of them were sent.
    wire.proxy.set_delay(Duration::from_millis(500));
    let (counts, cost) = wire.cold(joined).await;
    assert_eq!(counts.flights, 2);
    // Those that cannot know yet whether BEGIN has succeeded do not run outside a transaction.
    let guard = "SAVEPOINT _n0; RELEASE SAVEPOINT _n0";
    let sequence = ["BEGIN", STATEMENT, guard, STATEMENT, guard, STATEMENT, guard, STATEMENT, "COMMIT"];
    assert_eq!(counts.sequence(), sequence);
    // A flight of the statistics is a message that was waited for, whoever else was waiting at that time.
    assert_eq!(cost, Cost { statements: 4, flights: 5, owed: 2, cancelled: 0, sent: 2 });
}

/// rules 2, 60: taking a connection out of the pool, and putting it back, cost nothing
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_query_outside_a_block_costs_one_round_trip() {
    let wire = Wire::open().await;
    let (counts, cost) = wire.warm(async || ok(statement(&wire.db).await)).await;
    assert_eq!((counts.flights, counts.connections), (1, 0));
    assert_eq!(counts.sequence(), [STATEMENT]);
    assert_eq!(cost, Cost { statements: 1, flights: 1, owed: 0, cancelled: 0, sent: 0 });
    // A connection that has been idle for longer is not asked whether it lives either.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (counts, _) = wire.cold(async || ok(statement(&wire.db).await)).await;
    assert_eq!((counts.flights, counts.sequence()), (1, vec![STATEMENT]));
}

/// rule 55: settings of a transaction are free
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn settings_ride_with_begin() {
    let wire = Wire::open().await;
    let db = &wire.db;
    let settings = async || {
        let options = db.build_transaction().isolation(Isolation::RepeatableRead).read_only();
        ok(options.set_local("app.tenant", "7").set_local("statement_timeout", "9s").atomic(|| statement(db)).await);
    };
    let (counts, cost) = wire.warm(settings).await;
    assert_eq!(counts.flights, 2);
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
                 SELECT set_config($1, $2, true), set_config($3, $4, true)";
    assert_eq!(counts.sequence(), [begin, STATEMENT, "COMMIT"]);
    assert_eq!(cost, Cost { statements: 1, flights: 2, owed: 2, cancelled: 0, sent: 2 });
}

/// rule 13: rolling an inner block back is free, as the parent's next statement pays it
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn an_inner_rollback_costs_nothing_more() {
    let wire = Wire::open().await;
    let (counts, cost) = wire.warm(async || ok(undone_inside(&wire.db).await)).await;
    assert_eq!(counts.flights, 4);
    let undo = "ROLLBACK TO SAVEPOINT _n1; RELEASE SAVEPOINT _n1";
    let sequence = ["BEGIN", STATEMENT, "SAVEPOINT _n1", STATEMENT, undo, STATEMENT, "COMMIT"];
    assert_eq!(counts.sequence(), sequence);
    assert_eq!(steps_in(&counts).len(), 5);
    assert_eq!(cost, Cost { statements: 3, flights: 4, owed: 5, cancelled: 0, sent: 5 });
}

/// rule 13: a root that is rolled back costs what one that is committed costs
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_rollback_costs_one_round_trip() {
    let wire = Wire::open().await;
    let undone = async || {
        let work = async || {
            statement(&wire.db).await?;
            Err::<(), _>(Undo)
        };
        assert!(wire.db.atomic(work).await.is_err());
    };
    let (counts, cost) = wire.warm(undone).await;
    assert_eq!((counts.flights, counts.sequence()), (2, vec!["BEGIN", STATEMENT, "ROLLBACK"]));
    assert_eq!(cost, Cost { statements: 1, flights: 2, owed: 2, cancelled: 0, sent: 2 });
}

/// A statement that the connection has not prepared costs one round trip more, and that one carries the owed steps.
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn preparing_costs_one_round_trip_once() {
    let wire = Wire::open().await;
    ok(wire.db.connect().await);
    let (counts, cost) = wire.cold(async || ok(flat(&wire.db, 2).await)).await;
    assert_eq!((counts.flights as u64, cost.flights, cost.statements), (4, 4, 2));
    assert_eq!(counts.sequence(), ["BEGIN", STATEMENT, STATEMENT, "COMMIT"]);
    let first: Vec<_> = counts.steps.iter().filter(|step| step.flight == 1).map(|step| step.text.as_str()).collect();
    assert_eq!(first, ["BEGIN", STATEMENT]);
}

test_on! {
    every_backend;

    /// rules 13, 56: the same counts on every back end, but for MySQL's flights: what is owed ahead of a prepared statement
    /// goes in a message of its own
    async fn statistics_count_what_was_done(backend) {
        let db = &backend.db;
        // `paying`: how many statements have steps ahead of them.
        let cost = |statements, paying, owed, cancelled, sent| {
            let ahead = if backend.is_mysql() { paying } else { 0 };
            let ends = u64::from(sent > 0);
            Cost { statements, flights: ahead + statements + ends, owed, cancelled, sent }
        };
        assert_eq!(Cost::of(db, async || ok(statement(db).await)).await, cost(1, 0, 0, 0, 0));
        assert_eq!(Cost::of(db, async || ok(flat(db, 1).await)).await, cost(1, 1, 2, 0, 2));
        assert_eq!(Cost::of(db, async || ok(flat(db, 4).await)).await, cost(4, 1, 2, 0, 2));
        for k in [1, 2, 5, 10] {
            let levels = u64::from(k);
            let expected = cost(levels, levels, 2 * levels + 2, levels, levels + 2);
            assert_eq!(Cost::of(db, async || ok(root_with_nested(db, k).await)).await, expected);
        }
        assert_eq!(Cost::of(db, async || ok(root_with_siblings(db, 10).await)).await, cost(10, 10, 22, 1, 21));
        assert_eq!(Cost::of(db, async || ok(empty(db, 1).await)).await, cost(0, 0, 1, 1, 0));
        assert_eq!(Cost::of(db, async || ok(empty(db, 5).await)).await, cost(0, 0, 9, 9, 0));
        assert_eq!(Cost::of(db, async || ok(undone_inside(db).await)).await, cost(3, 3, 5, 0, 5));
        let read_only = async || ok(db.build_transaction().read_only().atomic(|| statement(db)).await);
        assert_eq!(Cost::of(db, read_only).await, cost(1, 1, 2, 0, 2));
        backend.settled().await;
        let stats = db.stats();
        assert_eq!((stats.connections, stats.idle, stats.waiting, stats.transactions), (1, 1, 0, 0));
    }
}
