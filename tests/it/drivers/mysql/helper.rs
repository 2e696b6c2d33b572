//! The connection that carries a KILL QUERY: it may hang, and nobody waits for it without a bound.

use std::time::Duration;

use nestling::{Error, params};
use tokio::time::timeout;

use super::value;
use crate::{
    harness::Backend,
    proxy::{Proxy, Side},
    support::waits::PATIENCE,
};

/// Holds what the server says first on the next connection.
fn hold_the_next_connection(proxy: &Proxy) {
    let mut known = None;
    proxy.stall_when(move |message| {
        let known = *known.get_or_insert(message.connection);
        message.connection != known && message.from == Side::Server
    });
}

/// A statement that waits for a lock which the observer has once it has run it, and the one by which the observer gives it back.
fn lock(backend: &Backend) -> [String; 2] {
    let name = backend.name();
    [format!("select get_lock('{name}', 600)"), format!("select release_lock('{name}')")]
}

test_on! {
    mysql_and_mariadb;

    /// fault 1.4: a statement that was dropped in a block, and a helper that hangs
    async fn a_block_goes_on_though_the_first_helper_hangs(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        let work = db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![1, "before"]).await?;
            hold_the_next_connection(&proxy);
            let inner = db.atomic(|| db.query("select sleep(600)", params![]));
            tokio::select! {
                out = inner => panic!("it takes for ever, but {:?}", out.map(|rows| rows.len())),
                () = backend.runs_at_server("sleep", true) => {}
            }
            db.execute("insert into item values ($1, $2)", params![2, "behind"]).await
        });
        timeout(PATIENCE, work).await.expect("it does not hang").expect("it commits");
        assert_eq!(backend.items().await, ["before", "behind"]);
        proxy.release();
        backend.settled().await;
    }

    /// fault 1.4: a statement that ends by itself is not kept waiting for its helper
    async fn the_end_of_the_statement_is_enough(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let (db, observer, [wait, end]) = (&backend.db, backend.observer(), lock(&backend));
        let work = db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![1, "before"]).await?;
            let session: u64 = value(db, "select connection_id()", params![]).await;
            hold_the_next_connection(&proxy);
            let inner = db.atomic(|| db.query(&wait, params![]));
            tokio::select! {
                out = inner => panic!("it waits, but {:?}", out.map(|rows| rows.len())),
                () = backend.runs_at_server("get_lock", true) => {}
            }
            proxy.stalled().await;
            observer.query(&end, params![]).await?;
            // No request was sent, so that there is nothing to be afraid of.
            assert_eq!(value::<u64>(db, "select connection_id()", params![]).await, session);
            Ok::<_, Error>(())
        });
        let work = observer.connection(|| async {
            observer.query(&wait, params![]).await?;
            work.await
        });
        timeout(PATIENCE, work).await.expect("it does not hang").expect("it commits");
        proxy.release();
        backend.settled().await;
    }

    /// fault 1.4: the rest of a dropped stream
    async fn a_dropped_stream_holds_nobody_up_though_its_helper_hangs(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        db.batch("insert into item values (1, 'a'), (2, 'b'), (3, 'c')").await.expect("rows");
        // All rows take more than 100 s.
        let slow = "select a.id, sleep(0.05) from item a, item b, item c, item d, item e, item f, item g";
        for in_block in [true, false] {
            hold_the_next_connection(&proxy);
            let work = async {
                let mut rows = db.stream(slow, params![]).await?;
                assert!(timeout(Duration::from_millis(60), rows.next()).await.is_err(), "its first rows take longer");
                drop(rows);
                assert_eq!(value::<i64>(db, "select $1 + 0", params![7]).await, 7);
                Ok::<_, Error>(())
            };
            let work = async { if in_block { db.atomic(|| work).await } else { work.await } };
            timeout(PATIENCE, work).await.expect("it does not hang").expect("it goes on");
            proxy.release();
        }
        backend.settled().await;
    }

    /// rule 38: a request whose answer does not come may still hit what comes next: that session is nobody's any more
    async fn a_request_without_an_answer_costs_the_session(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let (db, observer, [wait, end]) = (&backend.db, backend.observer(), lock(&backend));
        let session: u64 = value(db, "select connection_id()", params![]).await;
        // Of all texts, the proxy does not tell that one.
        proxy.stall_when(|message| message.from == Side::Client && message.tag == 'Q' && message.text.is_empty());
        let work = observer.connection(|| async {
            observer.query(&wait, params![]).await?;
            tokio::select! {
                out = db.query(&wait, params![]) => panic!("it waits, but {:?}", out.map(|rows| rows.len())),
                () = backend.runs_at_server("get_lock", true) => {}
            }
            proxy.stalled().await;
            observer.query(&end, params![]).await?;
            Ok::<_, Error>(value::<u64>(db, "select connection_id()", params![]).await)
        });
        let other = timeout(PATIENCE, work).await.expect("the answer is not waited for").expect("the observer's lock");
        assert_ne!(other, session);
        proxy.release();
        backend.settled().await;
    }
}
