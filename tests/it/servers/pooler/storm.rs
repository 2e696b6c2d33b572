//! The storm of cancellations behind poolers: 32 tasks, each with a connection of its own, on four server sessions. Rules 36
//! to 39 and 43. `NESTLING_SUITE_SECONDS` says how long it goes on.

use std::sync::Arc;

use super::{Pooled, through_every_pooler};
use crate::suites::{seed::Cases, storm};

const TASKS: u32 = 32;

through_every_pooler! {
    /// no error that a server would not have given
    async fn whoever_is_not_dropped_sees_nothing_of_it(pooled) {
        let mut cases = Cases::new(1);
        let (kind, is_told) = (pooled.kind, pooled.is_told);
        let backend = storm::prepared(pooled.backend).await;
        let pooled = Arc::new(Pooled { backend, kind, is_told });
        cases
            .run(1, |seed| {
                let pooled = Arc::clone(&pooled);
                async move {
                    // A pool that is new: what it has to learn, it learns in the storm.
                    let options = nestling::Database::builder(&pooled.url()).max_connections(TASKS);
                    let db = options.build().expect("valid options");
                    let result = storm::behind_pooler(&pooled.backend, &db, seed, i64::from(TASKS)).await;
                    db.close().await;
                    result
                }
            })
            .await;
    }
}
