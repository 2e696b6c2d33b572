//! Statements that are dropped behind a pooler: the server stops what was dropped, and nothing of another client's. Rules 37
//! and 38. Each test closes its database: PgBouncer 1.18 does not survive a cancel request whose client leaves too early.

use std::time::Duration;

use nestling::{Error, params};
use tokio::time::timeout;

use super::through_every_pooler;
use crate::suites::seed::Dice;

/// How long what is dropped would run if it was not stopped.
const LONG: &str = "select pg_sleep(60)::text";

through_every_pooler! {
    /// rule 38
    async fn a_statement_that_is_dropped_is_stopped_at_the_server(pooled) {
        let db = &pooled.backend.db;
        db.query_one("select 1", ()).await.expect("a row");
        for in_block in [false, true] {
            let long = async {
                if in_block { db.atomic(|| db.query(LONG, ())).await } else { db.query(LONG, ()).await }
            };
            let running = async {
                wait_while!(pooled.backend.count_running("%pg_sleep%").await == 0);
            };
            tokio::select! {
                ended = long => panic!("it does not end: {ended:?}"),
                () = running => {}
            }
            let gone = async {
                wait_while!(pooled.backend.count_running("%pg_sleep%").await > 0);
            };
            timeout(Duration::from_secs(20), gone).await.expect("the server has stopped it");
            pooled.backend.settled().await;
            assert_eq!(db.query_one("select 2", ()).await.expect("a row").get::<i32>(0).unwrap(), 2);
        }
        db.close().await;
    }

    /// rule 38: sixteen tasks drop what they run while sixteen others run statements that must not be hit
    async fn no_statement_of_others_is_stopped(pooled) {
        let pooled = pooled.with(|options| options.max_connections(32));
        let db = &pooled.backend.db;
        let victims = (0..16_i64).map(|task| async move {
            for round in 0..12 {
                let sql = "select $1::int8 from pg_sleep(0.005)";
                let one = db.query_one(sql, params![task * 100 + round]);
                let row = if round % 2 == 0 { one.await? } else { db.atomic(|| one).await? };
                assert_eq!(row.get::<i64>(0)?, task * 100 + round);
            }
            Ok::<_, Error>(())
        });
        let droppers = (0..16_u64).map(|task| async move {
            let mut dice = Dice::new(task);
            for round in 0..12 {
                let time = Duration::from_micros(dice.below(12_000));
                let sleep = db.query_one("select pg_sleep(0.02)::text", ());
                if round % 2 == 0 {
                    let _ = timeout(time, sleep).await;
                } else {
                    let _ = timeout(time, db.atomic(|| sleep)).await;
                }
            }
        });
        let (victims, _) = tokio::join!(
            futures_util::future::try_join_all(victims),
            futures_util::future::join_all(droppers),
        );
        victims.expect("nobody has dropped these");
        pooled.backend.settled().await;
        db.close().await;
    }
}
