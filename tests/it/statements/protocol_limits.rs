//! Limits of PostgreSQL and its protocol that are known before anything is sent: the call fails, and nothing else. Fault
//! kind: what goes beyond a limit cost the connection, and the block with it.

use nestling::{Database, Error, ErrorKind, Params, Value, params};

use crate::{harness::insert, wire::Wire};

/// The most parameters that a statement can have.
const MOST: usize = 65_535;

fn many(count: usize) -> Params {
    Params::from(vec![Value::from(7); count])
}

async fn sum(db: &Database, count: usize) -> Result<i64, Error> {
    // Listed in full: each of them is used.
    let list: Vec<_> = (1..=count).map(|number| format!("(${number}::bigint)")).collect();
    let sql = format!("select sum(x)::bigint from (values {}) as v (x)", list.join(", "));
    db.query_one(&sql, many(count)).await?.get(0)
}

/// rules 31, 33: of 65,536 parameters none is sent, and nothing is lost
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_parameters_than_the_protocol_can_count_are_refused_before_anything_is_sent() {
    let mut wire = Wire::open().await;
    wire.backend = wire.backend.with_items().await;
    let db = &wire.db;
    let work = db.atomic(|| async {
        insert(db, 1, "kept").await?;
        let nested = db.atomic(|| async {
            insert(db, 2, "kept too").await?;
            wire.proxy.reset();
            for count in [MOST + 1, MOST + 2, 2 * (MOST + 1), 200_000] {
                let error = db.execute("select $1::bigint", many(count)).await.expect_err("too many");
                assert_eq!(error.kind(), ErrorKind::Parameter, "{error:?}");
                assert!(error.to_string().contains("65535"), "{error}");
                assert_eq!(sum(db, MOST + 1).await.expect_err("too many").kind(), ErrorKind::Parameter);
            }
            assert_eq!(wire.proxy.counts().flights, 0, "nothing was sent");
            Ok::<_, Error>(())
        });
        nested.await?;
        sum(db, MOST).await
    });
    assert_eq!(work.await.expect("all that can be counted is taken"), 7 * MOST as i64);
    assert_eq!(wire.backend.items().await, ["kept", "kept too"]);
}

/// rules 31, 33: the server takes messages of less than 1 GiB
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_larger_than_the_server_takes_is_refused_before_it_is_sent() {
    let mut wire = Wire::open().await;
    wire.backend = wire.backend.with_items().await;
    let db = &wire.db;
    let half = vec![0_u8; 1 << 29];
    let sql = "select length($1::bytea) + length($2::bytea)";
    db.query(sql, params![vec![0_u8], vec![0_u8]]).await.expect("it is prepared");
    let work = db.atomic(|| async {
        insert(db, 1, "kept").await?;
        let bytes = wire.proxy.counts().bytes;
        let error = db.query(sql, params![half.clone(), half.clone()]).await.expect_err("1 GiB in all");
        assert_eq!(error.kind(), ErrorKind::Parameter, "{error:?}");
        assert!(error.to_string().contains("1 GiB"), "{error}");
        assert_eq!(wire.proxy.counts().bytes, bytes, "not a byte of it was sent");
        insert(db, 2, "kept too").await
    });
    work.await.expect("nothing was lost");
    assert_eq!(wire.backend.items().await, ["kept", "kept too"]);
}
