//! Load on the bank, with a third of the clients hanging up half-way: no money is lost or made, no answer promises what is not
//! there, and nothing is left open. For two seconds, or as many as `NESTLING_SUITE_SECONDS` says.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nestling::params;
use serde_json::json;
use tokio::task::JoinSet;

use super::{Bank, client::Patience, stopped};

/// A sequence of numbers by a seed, of which tests ask for chances.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

const CLIENTS: u64 = 12;
const ACCOUNTS: usize = 6;

test_on! {
    [postgres sqlite];

    /// rules 36 and 37
    async fn clients_that_hang_up_leave_nothing_half_done(backend) {
        let seconds = env::var("NESTLING_SUITE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
        let bank = Arc::new(Bank::open(backend).await);
        let mut accounts = Vec::new();
        for _ in 0..ACCOUNTS {
            accounts.push(bank.account("acme", 1000).await);
        }
        let end = Instant::now() + Duration::from_secs(seconds);
        let hung_up = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for number in 0..CLIENTS {
            let (bank, accounts, hung_up) = (Arc::clone(&bank), accounts.clone(), Arc::clone(&hung_up));
            tasks.spawn(async move {
                let (mut chance, mut promised) = (Chance(number), Vec::new());
                for request in 0.. {
                    if Instant::now() >= end {
                        break;
                    }
                    let mut pick = || accounts[usize::try_from(chance.below(ACCOUNTS as u64)).unwrap()];
                    let (from, to) = (pick(), pick());
                    let body = json!({ "from": from, "to": to, "amount": 1 + chance.below(20) }).to_string();
                    let key = format!("client {number} request {request}");
                    let patience = if chance.below(3) == 0 {
                        hung_up.fetch_add(1, Ordering::Relaxed);
                        let behind = usize::try_from(chance.below(2) * 1000 + chance.below(200)).unwrap();
                        Patience::HangsUp { behind, after: Duration::from_micros(chance.below(8000)) }
                    } else {
                        Patience::Reads
                    };
                    let answer = bank.client.ask("POST", "/transfers", "acme", Some(&key), &body, patience).await;
                    match answer {
                        Some((201, _)) => promised.push(key),
                        Some((409 | 422 | 503, _)) | None => {}
                        Some((status, answer)) => panic!("{key}: {status} {answer}"),
                    }
                }
                promised
            });
        }
        let mut promised = Vec::new();
        while let Some(keys) = tasks.join_next().await {
            promised.extend(keys.unwrap());
        }
        assert!(!promised.is_empty() && hung_up.load(Ordering::Relaxed) > 0);
        let bank = Arc::into_inner(bank).expect("the clients have ended");
        let Bank { backend, objects, client: _, worker, stop, server } = bank;
        // Who has hung up may have left a request behind that is yet to be served.
        stop.send(()).unwrap();
        server.await.unwrap();
        backend.settled_with(objects.database()).await;
        let observer = backend.observer();
        let number = async |sql: &str| -> i64 { observer.query_one(sql, params![]).await.unwrap().get(0).unwrap() };
        let total = i64::try_from(ACCOUNTS).unwrap() * 1000;
        assert_eq!(number("select cast(sum(balance) as bigint) from account").await, total);
        assert_eq!(number("select cast(sum(amount) as bigint) from entry").await, 0);
        let kept = observer.query("select \"key\" from request where status = 201", params![]).await.unwrap();
        let kept: std::collections::HashSet<String> = kept.iter().map(|row| row.get(0).unwrap()).collect();
        let lost: Vec<&String> = promised.iter().filter(|key| !kept.contains(*key)).collect();
        assert!(lost.is_empty(), "answered with 201, and not there: {lost:?}");
        let transfers = i64::try_from(kept.len()).unwrap();
        assert_eq!(number("select count(*) from entry").await, 2 * transfers, "two entries for each transfer");
        assert_eq!(number("select count(*) from request").await, transfers, "no key of a request that was undone");
        let letters = i64::try_from(stopped(worker).await).unwrap();
        assert_eq!(letters, transfers, "a letter for each transfer that is committed, and for no other");
        backend.settled_with(objects.database()).await;
        objects.close().await;
    }
}
