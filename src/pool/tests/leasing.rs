//! Which connection is leased at once, which is looked at first, and which is never leased again: rules 36, 59, 60 and 61.

use std::{sync::Arc, time::Duration};

use super::{
    super::{
        connection::{Connector, PoolEntry, ServerEpoch},
        generation::Generation,
        usage::Usage,
        wait_queue::Slot,
    },
    fake::{FakeDriver, options},
};
use crate::{
    driver::Driver,
    error::{Error, ErrorKind},
    instruments::Instruments,
};

/// Longer than a connection is trusted without a look at it.
const LONG: Duration = Duration::from_secs(1);

fn generation(max_connections: u32, min_connections: u32) -> (Arc<Generation>, Arc<FakeDriver>) {
    let driver = Arc::new(FakeDriver::default());
    let shared: Arc<dyn Driver> = Arc::clone(&driver) as _;
    let options = options(max_connections, min_connections);
    let (wait, session) = (options.connect_timeout, options.session.clone());
    let usage = Arc::new(Usage::new(Instruments::new("none", "test", None, (None, None))));
    let connector =
        Connector::new(shared, max_connections, wait, session, Arc::new(ServerEpoch::default()), Arc::clone(&usage));
    (Arc::new(Generation::new(options, usage, connector)), driver)
}

fn entry(lease: &Slot) -> &PoolEntry {
    lease.pooled.as_ref().expect("a lease has its connection")
}

fn was_at_rest(lease: &Slot) -> bool {
    entry(lease).was_at_rest
}

/// The number of a connection that is leased.
async fn number(lease: &Slot, driver: &FakeDriver) -> usize {
    let mark = crate::driver::Query::new("which", &[]);
    drop(entry(lease).connection.run(&(), mark, crate::driver::Want::Count).await);
    let asked = |number: &usize| driver.session(*number).take_asked().last().is_some_and(|sql| sql == "which");
    (0..driver.made()).find(asked).expect("one of the driver's")
}

/// Waits, without a clock, until something is so that another task does.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// rule 60: nothing is asked of a connection that was used just now
#[tokio::test]
async fn a_connection_that_was_used_just_now_is_at_hand() {
    let (generation, driver) = generation(2, 0);
    assert!(generation.try_lease(0).is_none(), "there is none yet");
    drop(generation.lease(0).await.unwrap());
    generation.wait_queue.stay_fresh();
    let lease = generation.try_lease(0).expect("it lies ready");
    assert!(generation.try_lease(0).is_none(), "it is in use");
    assert_eq!((number(&lease, &driver).await, driver.made()), (0, 1));
    assert!(was_at_rest(&lease));
}

/// rule 60: one that is seen to be dead is thrown away, and another one is made
#[tokio::test]
async fn a_dead_connection_is_not_leased() {
    let (generation, driver) = generation(2, 0);
    drop(generation.lease(0).await.unwrap());
    driver.session(0).break_seen();
    assert!(generation.try_lease(0).is_none());
    assert_eq!((generation.wait_queue.ready(), generation.connector.count()), (0, 0), "it is gone");
    let lease = generation.lease(0).await.unwrap();
    assert_eq!(number(&lease, &driver).await, 1);
    assert!(driver.session(0).take_asked().is_empty());
}

/// rule 36: one that was made before the server was found to be another is leased to nobody, and not even asked
#[tokio::test]
async fn a_connection_of_an_older_epoch_is_not_leased() {
    let (generation, driver) = generation(3, 0);
    let (used, idle) = (generation.lease(0).await.unwrap(), generation.lease(0).await.unwrap());
    drop(idle);
    assert!(generation.connector.epoch.mark_stale(entry(&used).made));
    assert!(!generation.connector.epoch.mark_stale(entry(&used).made), "it is known by now");
    assert!(generation.try_lease(0).is_none());
    let newer = generation.lease(0).await.unwrap();
    assert_eq!(number(&newer, &driver).await, 2);
    drop((used, newer));
    assert_eq!(generation.wait_queue.ready(), 1, "the one that was in use is not kept");
    generation.wait_queue.stay_fresh();
    assert_eq!(number(&generation.try_lease(0).expect("the newer one"), &driver).await, 2);
    assert!(driver.session(0).take_asked().is_empty() && driver.session(1).take_asked().is_empty());
}

/// rule 60: once another was found dead, a connection must answer before it is leased
#[tokio::test]
async fn a_connection_is_asked_first_if_another_was_found_dead() {
    for answers in [true, false] {
        let (generation, driver) = generation(1, 0);
        drop(generation.lease(0).await.unwrap());
        generation.connector.epoch.mark_unverified();
        if !answers {
            driver.session(0).break_unseen();
        }
        assert!(generation.try_lease(0).is_none());
        let lease = generation.lease(0).await.unwrap();
        assert_eq!(driver.session(0).take_asked(), ["SELECT 1"]);
        assert_eq!(number(&lease, &driver).await, usize::from(!answers));
        drop(lease);
        generation.wait_queue.stay_fresh();
        assert!(generation.try_lease(0).is_some(), "it is trusted from now on");
    }
}

/// rule 60: a connection that was idle for long costs no round trip, but the runtime may see first that its server has gone
#[tokio::test]
async fn a_connection_that_was_idle_for_long_is_looked_at_first() {
    for dies in [false, true] {
        let (generation, driver) = generation(1, 0);
        drop(generation.lease(0).await.unwrap());
        generation.wait_queue.age(LONG);
        assert!(generation.try_lease(0).is_none());
        let session = driver.session(0);
        // The socket's news come by another task, which runs when this one lets it.
        let seen = dies.then(|| tokio::spawn(async move { session.break_seen() }));
        let lease = generation.lease(0).await.unwrap();
        assert!(seen.is_none_or(|seen| seen.is_finished()));
        assert_eq!(number(&lease, &driver).await, usize::from(dies));
        assert!(driver.session(0).take_asked().is_empty(), "there is no round trip");
        assert_eq!(was_at_rest(&lease), !dies);
    }
}

/// rule 61: a task that has all connections is refused another one, be it that one lies ready
#[tokio::test]
async fn a_task_that_holds_all_connections_gets_no_other() {
    let (generation, driver) = generation(1, 0);
    drop(generation.lease(0).await.unwrap());
    generation.wait_queue.stay_fresh();
    for held in [1, 2] {
        assert!(generation.try_lease(held).is_none());
        let refused: Error = generation.lease(held).await.expect_err("it would wait for itself");
        assert_eq!(refused.kind(), ErrorKind::PoolTimeout);
        assert!(refused.to_string().contains(&format!("holds {held} of the 1 connections")), "{refused}");
    }
    assert!(generation.try_lease(0).is_some());
    assert_eq!(driver.made(), 1);
}

/// Connections are made ahead of their use from the first lease on, and from the first one on each later runtime.
#[test]
fn the_first_lease_on_a_runtime_begins_to_make_connections_ahead() {
    let (generation, driver) = generation(3, 2);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(async {
        assert!(generation.try_lease(0).is_none());
        let lease = generation.lease(0).await.unwrap();
        until(|| generation.wait_queue.ready() == 2).await;
        generation.wait_queue.stay_fresh();
        assert!(generation.try_lease(0).is_some(), "there is a task that makes them");
        drop(lease);
    });
    assert_eq!((generation.wait_queue.ready(), driver.made()), (3, 3));
    runtime().block_on(async {
        generation.wait_queue.stay_fresh();
        // That task went with its runtime.
        assert!(generation.try_lease(0).is_none(), "although one lies ready");
        let leases = [generation.lease(0).await.unwrap(), generation.try_lease(0).expect("there is a task again")];
        for lease in &leases {
            driver.session(number(lease, &driver).await).break_seen();
        }
        drop(leases);
        until(|| generation.wait_queue.ready() == 2).await;
    });
    assert_eq!(driver.made(), 4, "one more, as one of the first was left");
}
