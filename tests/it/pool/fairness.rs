//! The pool under load: everybody has a connection in the end, and in order of arrival (rule 59).

use std::{cell::RefCell, pin::pin};

use futures_util::{future::try_join_all, poll};
use nestling::{Database, Error, params};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, unconstrained},
    time::timeout,
};

use crate::{harness::Backend, support::waits::PATIENCE};

const CONNECTIONS: u32 = 8;
const ROUNDS: usize = 5;

fn small(backend: Backend) -> Backend {
    backend.with(|options| options.max_connections(CONNECTIONS).acquire_timeout(PATIENCE).busy_timeout(PATIENCE))
}

/// Holds `count` connections until `leave` has a permit for each.
async fn hold(db: &Database, count: usize, leave: &Semaphore) {
    let holds = (0..count).map(|_| {
        db.connection(|| async {
            db.query_one("select 1", params![]).await?;
            leave.acquire().await.expect("it is never closed").forget();
            Ok::<_, Error>(())
        })
    });
    try_join_all(holds).await.expect("connections to hold");
}

async fn all_held(db: &Database) {
    wait_while!(db.stats().connections < CONNECTIONS.into() || db.stats().idle > 0, by yielding);
}

test_on! {
    every_backend;

    /// rule 59
    async fn twice_as_many_users_as_connections_all_finish(backend) {
        let backend = small(backend).with_items().await;
        let mut users = JoinSet::new();
        for user in 0..i64::from(CONNECTIONS) * 2 {
            let db = backend.db.clone();
            users.spawn(async move {
                for round in 0..5 {
                    let id = user * 10 + round;
                    let block = db.atomic(|| async {
                        db.execute("insert into item values ($1, $2)", params![id, format!("name {id}")]).await?;
                        db.atomic(|| db.query("select * from item where id = $1", params![id])).await
                    });
                    assert_eq!(block.await?.len(), 1);
                }
                Ok::<_, Error>(())
            });
        }
        let all = timeout(PATIENCE, users.join_all()).await.expect("all finish");
        all.into_iter().collect::<Result<Vec<_>, _>>().expect("none is refused");
        assert_eq!(backend.items().await.len(), 80);
        let stats = backend.db.stats();
        assert!(stats.connections <= CONNECTIONS.into(), "{stats:?}");
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 59: bb8 alone lets a connection that is given back be taken again before whoever waits for it
    async fn sixty_four_users_in_a_loop_are_served_in_order_of_arrival(backend) {
        let backend = small(backend);
        let db = &backend.db;
        let (leave, served) = (Semaphore::new(0), RefCell::new(Vec::new()));
        let user = |number: u64| {
            let served = &served;
            async move {
                assert_eq!(db.stats().waiting, number, "the users arrive in this order");
                for _ in 0..ROUNDS {
                    let block = || async {
                        db.query_one("select 1", params![]).await?;
                        served.borrow_mut().push(number);
                        Ok::<_, Error>(())
                    };
                    // Those with a transaction and those without stand in the same queue.
                    if number.is_multiple_of(2) { db.atomic(block).await } else { db.connection(block).await }?;
                }
                Ok::<_, Error>(())
            }
        };
        // Out of budget, tokio's semaphore sends a waiter away without a place in the queue; so none has a budget.
        let users = || (0..64).map(|number| unconstrained(user(number)));
        let all = async {
            all_held(db).await;
            let free = async {
                assert_eq!(db.stats().waiting, 64);
                // One connection alone goes from hand to hand: so the order in which they answer is that of service.
                leave.add_permits(1);
                Ok(())
            };
            tokio::try_join!(try_join_all(users()), free).expect("none is refused");
            leave.add_permits(CONNECTIONS as usize - 1);
        };
        tokio::join!(hold(db, CONNECTIONS as usize, &leave), all);
        let round_and_round: Vec<u64> = (0..ROUNDS).flat_map(|_| 0..64).collect();
        assert_eq!(*served.borrow(), round_and_round);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 38 and 59: a connection that was handed to somebody who is dropped before he sees it goes to the next in turn
    async fn a_connection_handed_to_who_is_gone_goes_on_to_the_next(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        let db = &backend.db;
        let leave = Semaphore::new(0);
        let mut holds = pin!(hold(db, 1, &leave));
        wait_while!(db.stats().connections == 0 || db.stats().idle > 0, {
            assert!(poll!(&mut holds).is_pending());
            tokio::task::yield_now().await;
        });
        let [first, second, third] = [1, 2, 3].map(|number| db.query_one("select $1 + 0", params![number]));
        let (mut first, mut second, mut third) = (Box::pin(first), Box::pin(second), Box::pin(third));
        for waiter in [&mut first, &mut second, &mut third] {
            assert!(poll!(waiter).is_pending());
        }
        assert_eq!(db.stats().waiting, 3);
        // One leaves the queue, another after it was served.
        drop(second);
        leave.add_permits(1);
        holds.await;
        drop(first);
        assert_eq!(timeout(PATIENCE, third).await.expect("its turn comes").expect("a row").len(), 1);
        assert_eq!(db.stats().waiting, 0);
        backend.settled().await;
    }
}
