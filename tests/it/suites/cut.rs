//! The cut at every byte of a conversation: rules 16, 33, 36 and 60. A conversation with the server (connecting, blocks in one
//! another, prepared statements with parameters, COMMIT, goodbye) goes through a wire that is cut behind a byte of either
//! direction. What the program was told of each step is compared with the rows that are there.
//!
//! The seed says behind which byte and in which way; as many seeds in a row as there are bytes, times the ways, try each of
//! them once. On SQLite there is no wire: see `killed.rs`.

mod conversation;
mod wire;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use nestling::{Database, params};
use tokio::time::timeout;

use self::{
    conversation::{Conversation, Said, Step},
    wire::{Cut, Side, WAYS, Way, Wire},
};
use super::seed::Cases;
use crate::harness::Backend;

/// How long a conversation may take: far longer than any does that does not hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// A prime above any number of cuts, so that seeds in a row are spread over the conversation, and meet each cut once.
const STRIDE: u64 = 1_000_003;

/// How many bytes a whole conversation has in each direction.
#[derive(Debug, Clone, Copy)]
struct Length {
    up: u64,
    down: u64,
}

impl Length {
    fn cuts(self) -> u64 {
        (self.up + self.down + 2) * WAYS.len() as u64
    }

    /// The cut that a seed stands for; behind byte 0 is before the first.
    fn cut(self, seed: u64) -> Cut {
        let index = (u128::from(seed) * u128::from(STRIDE) % u128::from(self.cuts())) as u64;
        let (byte, way) = (index / WAYS.len() as u64, WAYS[(index % WAYS.len() as u64) as usize]);
        match byte.checked_sub(self.up + 1) {
            None => Cut { side: Side::Client, after: byte, way },
            Some(byte) => Cut { side: Side::Server, after: byte, way },
        }
    }
}

/// One conversation over a wire of its own.
async fn converse(backend: &Backend, cut: Option<Cut>) -> Result<Length, String> {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    let wire = Wire::before(backend.url(), cut).await;
    let options = Database::builder(&wire.url_for(backend.url())).max_connections(1);
    let db = options.build().expect("the wire's URL");
    let conversation = Conversation { db: db.clone(), number: NEXT.fetch_add(1, Ordering::Relaxed) };
    let said = async {
        let said = conversation.hold().await;
        let stats = db.stats();
        db.close().await;
        (said, stats)
    };
    let (said, stats) = timeout(PATIENCE, said).await.map_err(|_| format!("{cut:?}: the conversation hangs"))?;
    let agrees = agrees(backend, conversation.number, &said).await;
    agrees.map_err(|reason| format!("{cut:?}: {reason}\n{said:#?}"))?;
    if (stats.transactions, stats.waiting, stats.connections - stats.idle) != (0, 0, 0) {
        return Err(format!("{cut:?}: the pool is not whole: {stats:?}"));
    }
    let (up, down) = wire.passed();
    Ok(Length { up, down })
}

/// Compares what was told of each step with the rows that it was about.
async fn agrees(backend: &Backend, number: i64, said: &[(Step, Said)]) -> Result<(), String> {
    let sql = "select step, part from entry where conversation = $1 order by part";
    let rows = backend.observer().query(sql, params![number]).await.map_err(|error| format!("{error:?}"))?;
    let mut found: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for row in rows {
        let (step, part) = row.to().map_err(|error| format!("{error:?}"))?;
        found.entry(step).or_default().push(part);
    }
    for (step, said) in said {
        let parts = found.remove(&(*step as i64)).unwrap_or_default();
        let (whole, none) = (parts == step.parts(), parts.is_empty());
        let agrees = match said {
            Said::Done => whole,
            Said::Unknown => whole || none,
            // Nobody knows of a statement that commits by itself.
            Said::Failed(_) => none || (whole && *step == Step::Alone),
            Said::Deadlocked => none && backend.is_mysql(),
            Said::Wrong(_) => false,
        };
        if !agrees {
            return Err(format!("{step:?} was {said:?}, and its parts {parts:?} are there"));
        }
    }
    // The wire is cut once: whatever comes next works.
    let failed = said.iter().filter(|(_, said)| !matches!(said, Said::Done | Said::Deadlocked)).count();
    match failed {
        0 | 1 if found.is_empty() => Ok(()),
        _ => Err(format!("{failed} steps have failed, and there is {found:?}")),
    }
}

async fn cuts(backend: Backend) {
    let cases = Cases::new(60);
    let table = "create table entry (conversation bigint not null, step bigint not null, part bigint not null)";
    backend.observer().batch(table).await.expect("the table of the test");
    let backend = Arc::new(backend);
    let length = converse(&backend, None).await.expect("a conversation that nobody cuts");
    assert!(length.up > 500 && length.down > 500, "{length:?}");
    let mut cases = cases.at_most(length.cuts());
    cases
        .run(4, |seed| {
            let backend = Arc::clone(&backend);
            async move { converse(&backend, Some(length.cut(seed))).await.map(drop) }
        })
        .await;
    backend.settled().await;
    backend.sessions_come_to(0).await;
    assert_eq!(backend.locks_at_server().await, 0);
}

test_on! { every_server_and_runtime; cuts }

test_on! {
    every_server;

    /// rule 36: a server that hears half a message says so, and hangs up. The connection is lost, and nobody's any more.
    async fn half_a_message_ends_its_connection(backend) {
        let wire = Wire::before(backend.url(), None).await;
        let db = Database::builder(&wire.url_for(backend.url())).max_connections(1).build().expect("the wire's URL");
        for bytes in 1..12 {
            db.query("select 1", params![]).await.expect("a connection");
            wire.cut_in(bytes, Way::Half);
            // What only reads may have been sent again, unseen (rule 60).
            if let Err(error) = db.query("select 2", params![]).await {
                assert!(error.is_connection_lost(), "behind {bytes} bytes: {error:?}");
            }
            db.query("select 3", params![]).await.unwrap_or_else(|error| panic!("behind {bytes} bytes: {error:?}"));
        }
    }
}
