//! What statements cost on the wire behind a pooler: one round trip each, steps included. Rules 13 and 56.

use nestling::{Database, Error, params};

use super::{Pooled, through_every_pooler};
use crate::{harness::Backend, proxy::Proxy};

async fn statement(db: &Database) -> Result<(), Error> {
    db.query_one("select $1::int4 + 1", params![1]).await.map(drop)
}

/// A block with a nested one, of four statements.
async fn block(db: &Database) -> Result<(), Error> {
    db.atomic(|| async {
        statement(db).await?;
        db.atomic(|| async {
            statement(db).await?;
            statement(db).await
        })
        .await?;
        statement(db).await
    })
    .await
}

/// How many round trips a statement takes, and a block, once they are known; and whether they were parsed anew.
async fn counted(db: &Database, proxy: &Proxy) -> ([usize; 2], bool) {
    for _ in 0..2 {
        statement(db).await.expect("a statement");
        block(db).await.expect("a block");
    }
    proxy.reset();
    statement(db).await.expect("a statement");
    let alone = proxy.counts().flights;
    proxy.reset();
    block(db).await.expect("a block");
    let counts = proxy.counts();
    ([alone, counts.flights], counts.messages.contains_key(&'P'))
}

through_every_pooler! {
    /// rule 56: a known statement is one round trip, and a block of n statements is n + 1
    async fn a_known_statement_is_one_round_trip(pooled) {
        let (pooled, proxy): (Pooled, Proxy) = pooled.behind_proxy();
        let (flights, parses) = counted(&pooled.backend.db, &proxy).await;
        assert_eq!(flights, [1, 5]);
        assert_eq!(parses, !pooled.keeps_names(), "what has no name is parsed each time");
    }

    /// rule 56: the pool's first statement costs no more than it does without a pooler
    async fn what_is_asked_of_the_pooler_costs_no_round_trip(pooled) {
        let (pooled, proxy): (Pooled, Proxy) = pooled.behind_proxy();
        let db = &pooled.backend.db;
        db.connect().await.expect("the pooler is there");
        proxy.reset();
        statement(db).await.expect("a statement");
        assert_eq!(proxy.counts().flights, 2, "it is described, and run");
    }
}

/// rule 56: the same without a pooler, where no statement is to be kept
#[tokio::test]
async fn without_a_cache_a_known_statement_is_one_round_trip() {
    let backend = Backend::postgres().await;
    let (backend, proxy) = backend.behind_proxy_with(|options| options.max_connections(1).statement_cache_capacity(0));
    assert_eq!(counted(&backend.db, &proxy).await, ([1, 5], true));
}
