//! What outlives its transaction, where each transaction may be in another session: refused where it is known, and harmless
//! to the pooler's other clients. Rule 36.

use nestling::{Error, ErrorKind, params};

use super::{Kind, Pooled};

const REFUSED: [&str; 7] = [
    "set statement_timeout = 1",
    "listen news",
    "select pg_advisory_lock(1)",
    "select set_config('a.b', 'c', false)",
    "create temporary table mine (x int4)",
    "prepare mine as select 1",
    "deallocate all",
];

/// rule 36: in blocks too, as the setting would stay behind
#[tokio::test]
async fn what_would_reach_other_clients_is_refused() {
    let pooled = Pooled::new(Kind::Older, true).await;
    let db = &pooled.backend.db;
    for sql in REFUSED {
        let refused = |error: Error| assert_eq!(error.kind(), ErrorKind::Unsupported, "{sql}: {error:?}");
        refused(db.execute(sql, ()).await.expect_err(sql));
        refused(db.batch(sql).await.expect_err(sql));
        refused(db.atomic(|| db.execute(sql, ())).await.expect_err(sql));
        refused(db.connection(|| db.execute(sql, ())).await.expect_err(sql));
    }
    let left =
        "select current_setting('statement_timeout'), count(*) from pg_locks join pg_database d on d.oid = database
                where locktype = 'advisory' and datname = current_database()";
    let row = db.query_one(left, ()).await;
    assert_eq!(row.and_then(|row| row.to::<(String, i64)>()).unwrap(), ("0".to_owned(), 0));
}

/// rules 36 and 55: what ends with its transaction is not refused, nor what may leave nothing behind
#[tokio::test]
async fn what_ends_with_its_transaction_is_not_refused() {
    let pooled = Pooled::new(Kind::Older, true).await;
    let db = &pooled.backend.db;
    let block = db.atomic(|| async {
        db.execute("set local nestling.test = 'kept'", ()).await?;
        db.execute("select pg_advisory_xact_lock(1)", ()).await?;
        db.execute("create temporary table mine on commit drop as select 7 as x", ()).await?;
        db.execute("do $$ begin perform 1; end $$", ()).await?;
        let row = db.query_one("select current_setting('nestling.test'), x from mine", ()).await?;
        row.to::<(String, i32)>()
    });
    assert_eq!(block.await.expect("a block"), ("kept".to_owned(), 7));
    db.execute("do $$ begin perform 1; end $$", ()).await.expect("a block of code");
    let left = "select coalesce(current_setting('nestling.test', true), ''), to_regclass('mine')::text";
    let row = db.query_one(left, ()).await.and_then(|row| row.to::<(String, Option<String>)>());
    assert_eq!(row.unwrap(), (String::new(), None));
    pooled.backend.settled().await;
}

/// rule 36: the session of a statement that may have changed it is another client's by now, and is not reset
#[tokio::test]
async fn another_clients_session_is_not_reset() {
    let pooled = Pooled::new(Kind::Older, true).await;
    let (pooled, proxy) = pooled.behind_proxy();
    let db = &pooled.backend.db;
    proxy.reset();
    db.execute("do $$ begin perform 1; end $$", ()).await.expect("a block of code");
    db.query_one("select 1", ()).await.expect("a row");
    let counts = proxy.counts();
    let queries: Vec<_> = counts.sequence();
    assert!(!queries.iter().any(|sql| sql.contains("RESET") || sql.contains("DISCARD")), "{queries:?}");
}

/// rule 3: the native client is in the block's session
#[tokio::test]
async fn the_native_client_is_in_the_transaction_of_its_block() {
    let pooled = Pooled::new(Kind::Older, true).await;
    let pooled = Pooled { backend: pooled.backend.with_items().await, ..pooled };
    let db = &pooled.backend.db;
    for (round, name) in ["a", "b", "c"].into_iter().enumerate() {
        let occupied = pooled.occupy(round).await;
        let block = db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![round as i64, name]).await?;
            let text = format!("update item set name = name || '!' where name = '{name}'");
            db.with_postgres(|client| async move {
                client.batch_execute(&text).await.expect("it sees the row");
                Ok::<_, Error>(())
            })
            .await?;
            db.query_one("select name from item where id = $1", params![round as i64]).await?.get::<String>(0)
        });
        assert_eq!(block.await.expect("a block"), format!("{name}!"));
        occupied.release().await;
    }
    assert_eq!(pooled.backend.items().await, ["a!", "b!", "c!"]);
}
