//! The native client of PostgreSQL, inside the transaction and outside one: COPY, LISTEN, and what it may not do.

use std::{error::Error as StdError, future::poll_fn, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, TryStreamExt as _};
use nestling::{
    Database, Error, ErrorKind,
    native::{
        PostgresClient,
        tokio_postgres::{self, AsyncMessage, NoTls},
    },
    params,
};
use tokio::sync::mpsc;

use crate::{harness::Backend, proxy::Proxy, test_servers};

type Outcome<T> = Result<T, Box<dyn StdError + Send + Sync>>;

async fn copy_in(client: PostgresClient, from: i32, to: i32) -> Outcome<u64> {
    let sink = client.copy_in::<_, Bytes>("copy item (id, name) from stdin").await?;
    let mut sink = std::pin::pin!(sink);
    for id in from..to {
        sink.send(Bytes::from(format!("{id}\tn{id}\n"))).await?;
    }
    Ok(sink.finish().await?)
}

/// rules 3 and 14
#[tokio::test]
async fn copy_takes_part_in_the_transaction() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    let undone = db.atomic(|| async {
        db.execute("insert into item values (0, 'n0')", ()).await?;
        assert_eq!(db.with_postgres(|client| copy_in(client, 1, 100)).await?, 99);
        assert_eq!(db.query("select * from item", ()).await?.len(), 100);
        Err::<(), _>("no".into()) as Outcome<()>
    });
    assert_eq!(undone.await.unwrap_err().to_string(), "no");
    assert!(backend.items().await.is_empty());
    let kept = db.atomic(|| async {
        db.execute("insert into item values (0, 'n0')", ()).await?;
        let inner = db.atomic(|| async {
            db.with_postgres(|client| copy_in(client, 1, 5)).await?;
            Err::<(), _>("only the inner block".into()) as Outcome<()>
        });
        assert!(inner.await.is_err());
        db.with_postgres(|client| copy_in(client, 5, 7)).await?;
        let out = db.with_postgres(|client| async move {
            let parts: Vec<Bytes> = client.copy_out("copy item to stdout").await?.try_collect().await?;
            Ok(String::from_utf8(parts.concat())?) as Outcome<String>
        });
        out.await
    });
    assert_eq!(kept.await.unwrap(), "0\tn0\n5\tn5\n6\tn6\n");
    assert_eq!(backend.items().await, ["n0", "n5", "n6"]);
    assert_eq!(db.with_postgres(|client| copy_in(client, 7, 9)).await.unwrap(), 2, "outside a block");
    assert_eq!(backend.items().await.len(), 5);
    backend.settled().await;
}

/// rules 17 and 31: what fails in the client aborts the block as a statement would, and COMMIT never hides it
#[tokio::test]
async fn an_error_of_the_client_aborts_the_block() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    let block = db.atomic(|| async {
        db.execute("insert into item values (1, 'one')", ()).await?;
        let inner = db.atomic(|| async {
            let error = db.with_postgres(|client| copy_in(client, 0, 3)).await.unwrap_err();
            assert_eq!(error.downcast_ref::<tokio_postgres::Error>().unwrap().code().unwrap().code(), "23505");
            assert_eq!(db.query("select 1", ()).await.unwrap_err().kind(), ErrorKind::Aborted);
            Ok(()) as Outcome<()>
        });
        let error = inner.await.unwrap_err();
        assert_eq!(error.downcast_ref::<Error>().unwrap().kind(), ErrorKind::RolledBack);
        db.execute("insert into item values (2, 'two')", ()).await?;
        // An error that the closure swallows is found out all the same.
        db.with_postgres(|client| async move {
            client.batch_execute("select 1 / 0").await.unwrap_err();
            Ok(()) as Outcome<()>
        })
        .await
    });
    let error = block.await.unwrap_err();
    assert_eq!(error.downcast_ref::<Error>().unwrap().kind(), ErrorKind::Aborted);
    assert!(backend.items().await.is_empty());
    backend.settled().await;
}

/// rules 15 and 36: a client that ends the transaction behind our back is found out before anything autocommits
#[tokio::test]
async fn a_client_that_ends_the_transaction_is_found_out() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    for ending in ["rollback", "commit", "commit; begin", "rollback; begin"] {
        let block = db.atomic(|| async {
            db.execute("insert into item values (1, 'one') on conflict do nothing", ()).await?;
            let lent =
                db.with_postgres(|client| async move { Ok(client.batch_execute(ending).await?) as Outcome<()> }).await;
            let error = lent.unwrap_err();
            assert_eq!(error.downcast_ref::<Error>().unwrap().kind(), ErrorKind::Aborted, "{ending}");
            assert!(db.execute("insert into item values (2, 'behind')", ()).await.is_err(), "{ending}");
            Ok(()) as Outcome<()>
        });
        assert!(block.await.is_err(), "{ending}");
        assert!(!backend.items().await.contains(&"behind".into()), "{ending}");
        backend.settled().await;
    }
}

/// rule 36: outside a block whatever the client left open or set is gone before the next user has the connection
#[tokio::test]
async fn what_the_client_leaves_behind_is_not_the_next_users() {
    let backend = Backend::postgres().await.with_items().await.with(|options| options.max_connections(1));
    let db = &backend.db;
    let pid = |db: &Database| {
        let db = db.clone();
        async move { db.query_one("select pg_backend_pid()", ()).await.unwrap().get::<i32>(0).unwrap() }
    };
    let first = pid(db).await;
    let left = db.with_postgres(|client| async move {
        client
            .batch_execute(
                "set statement_timeout = 12345; create temporary table mine (x integer); listen gossip;
                 select pg_advisory_lock(77); prepare mine as select 1; declare c cursor with hold for select 1;
                 begin; insert into item values (1, 'open')",
            )
            .await?;
        Ok(()) as Outcome<()>
    });
    left.await.unwrap();
    let sql = "select current_setting('statement_timeout'), to_regclass('mine')::text,
                      (select count(*) from pg_listening_channels()),
                      (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
                      (select count(*) from pg_prepared_statements where from_sql), (select count(*) from pg_cursors where is_holdable)";
    let state: (String, Option<String>, i64, i64, i64, i64) = db.query_one(sql, ()).await.unwrap().to().unwrap();
    assert_eq!(state, ("0".into(), None, 0, 0, 0, 0));
    assert!(backend.items().await.is_empty(), "what it began is rolled back");
    assert_eq!(pid(db).await, first, "by clean-up, not by a new connection");
    backend.settled().await;
}

/// rules 14 and 45: a NOTIFY of the transaction is heard when it commits, and never when it rolls back
#[tokio::test]
async fn notify_is_heard_with_the_commit() {
    let backend = Backend::postgres().await;
    let db = &backend.db;
    let (listener, mut connection) = tokio_postgres::connect(backend.url(), NoTls).await.unwrap();
    let (heard, mut hears) = mpsc::unbounded_channel();
    let listening = tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(told) = message {
                let _ = heard.send(told.payload().to_owned());
            }
        }
    });
    let channel = format!("gossip_{}", std::process::id());
    listener.batch_execute(&format!("listen {channel}")).await.unwrap();
    let tell = |what: &'static str| {
        let channel = &channel;
        async move { db.execute("select pg_notify($1, $2)", params![channel, what]).await }
    };
    let undone = db.atomic(|| async {
        tell("rolled back").await?;
        Err::<(), Error>(db.query_one("select 1 where false", ()).await.unwrap_err())
    });
    undone.await.unwrap_err();
    let sql = format!("notify {channel}, 'native'");
    let kept = db.atomic(|| async {
        tell("committed").await?;
        db.with_postgres(|client| async move { Ok(client.batch_execute(&sql).await?) as Outcome<()> }).await
    });
    kept.await.unwrap();
    for expected in ["committed", "native"] {
        let told = tokio::time::timeout(Duration::from_secs(30), hears.recv()).await.expect("a notification in time");
        assert_eq!(told.as_deref(), Some(expected));
    }
    listening.abort();
}

/// rules 37 and 38: dropped in the middle of a COPY, the block is rolled back and the connection is clean
#[tokio::test]
async fn a_copy_dropped_half_way_leaves_nothing() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    let begun = tokio::sync::Notify::new();
    let half = db.atomic(|| async {
        db.with_postgres(|client| {
            let begun = &begun;
            async move {
                let sink = client.copy_in::<_, Bytes>("copy item (id, name) from stdin").await?;
                let mut sink = std::pin::pin!(sink);
                sink.send(Bytes::from("1\tone\n")).await?;
                begun.notify_one();
                std::future::pending::<Outcome<()>>().await
            }
        })
        .await
    });
    tokio::select! {
        _ = half => unreachable!("it never ends"),
        () = begun.notified() => {}
    }
    backend.settled().await;
    assert!(backend.items().await.is_empty());
    db.execute("insert into item values (1, 'next')", ()).await.unwrap();
    assert_eq!(backend.items().await, ["next"]);
}

/// rule 36: a handle that is kept beyond its closure is of no more use to anybody, as its connection goes
#[tokio::test]
async fn a_client_that_is_kept_costs_its_connection() {
    let backend = Backend::postgres().await;
    let db = &backend.db;
    let kept = db.with_postgres(|client| async move { Ok::<_, Error>(client) }).await.unwrap();
    assert!(format!("{kept:?}").contains("PostgresClient"));
    drop(kept);
    let pid = db.query_one("select pg_backend_pid()", ()).await.unwrap().get::<i32>(0).unwrap();
    assert!(pid > 0);
    backend.settled().await;
    assert_eq!(db.stats().connections, 1);
}

/// rule 3: what lending costs is known: two round trips more than what is done with it
#[tokio::test]
async fn lending_costs_two_round_trips() {
    let backend = Backend::postgres().await;
    let proxy = Proxy::before(&test_servers::postgres_url());
    let db = Database::open(&proxy.url_for(backend.url())).unwrap();
    db.query("select 1", ()).await.unwrap();
    let lend = || db.with_postgres(|client| async move { Ok(client.batch_execute("select 1").await?) as Outcome<()> });
    proxy.reset();
    db.atomic(lend).await.unwrap();
    assert_eq!(proxy.counts().flights, 4, "{:?}", proxy.counts().queries());
    let wrong = db.with_sqlite(|_| Ok::<_, Error>(())).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Unsupported);
}
