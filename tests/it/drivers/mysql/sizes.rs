//! What is too large for the server is refused ahead of sending, and harms nobody.

use nestling::{Error, ErrorKind, Isolation, Params, Value, params};

use super::value;
use crate::harness::{Backend, insert};

/// The server's limit for one message.
async fn limit(backend: &Backend) -> usize {
    usize::try_from(value::<u64>(backend.observer(), "select @@max_allowed_packet", params![]).await).expect("a size")
}

test_on! {
    mysql_and_mariadb;

    /// fault 2.2: the connection was lost, its block with it, and the statement was sent four times
    async fn a_statement_that_is_too_large_is_not_sent(backend) {
        let limit = limit(&backend).await;
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        insert(db, 1, "warm").await.expect("a row");
        let too_large = async || {
            let text = "x".repeat(limit + 1);
            let (one, two) = (vec![1_u8; limit + 1], Params::from(vec![Value::I64(1); 65_536]));
            proxy.reset();
            let errors = [
                db.execute("select length($1)", params![text.clone()]).await.expect_err("a text"),
                db.query("select length(?)", params![one.clone()]).await.expect_err("bytes"),
                db.stream("select length($1)", params![one]).await.map(|_| ()).expect_err("of a stream"),
                db.execute(&format!("select length('{text}')"), params![]).await.expect_err("a statement"),
                db.query(&format!("select length('{text}')"), params![]).await.expect_err("a query"),
                db.batch(&format!("do length('{text}'); do 1")).await.expect_err("a batch"),
                db.query(&format!("select 1 in ({})", vec!["?"; 65_536].join(",")), two).await.expect_err("parameters"),
            ];
            for (place, error) in errors.iter().enumerate() {
                assert_eq!(error.kind(), ErrorKind::Parameter, "{place}: {error}");
                assert!(!error.is_connection_lost() && !error.is_retryable(), "{place}: {error}");
                assert!(error.to_string().len() < 200, "{place}: no value stands in it");
                assert!(error.to_string().contains("max_allowed_packet") || error.to_string().contains("65535"), "{error}");
            }
            assert!(proxy.counts().bytes < 10_000, "{} bytes were sent", proxy.counts().bytes);
        };
        too_large().await;
        let block = db.atomic(|| async {
            insert(db, 2, "outer").await?;
            db.atomic(|| async {
                insert(db, 3, "inner").await?;
                too_large().await;
                insert(db, 4, "behind").await
            })
            .await
        });
        block.await.expect("nothing was lost");
        assert_eq!(backend.items().await, ["behind", "inner", "outer", "warm"]);
        assert_eq!(proxy.open_connections(), 1, "it is the first one still");
        backend.settled().await;
    }

    /// fault 2.2: what the limit allows goes through, to the last byte
    async fn what_is_just_small_enough_is_sent(backend) {
        let limit = limit(&backend).await;
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let session: u64 = value(db, "select connection_id()", params![]).await;
        // The driver sends each value in pieces of 16 MiB.
        let longest = if limit > 1 << 24 { limit } else { limit - 8 };
        let text = "x".repeat(longest);
        assert_eq!(value::<u64>(db, "select length($1)", params![text.clone()]).await, longest as u64);
        let head = "do length('')".len();
        let fits = format!("do length('{}')", &text[..limit - 2 - head]);
        db.execute(&fits, params![]).await.expect("a statement");
        db.execute(&format!("{fits} "), params![]).await.expect_err("one byte more");
        // The steps ahead do not make it too large: they go before it.
        db.atomic(|| db.atomic(|| db.batch(&fits))).await.expect("a batch in blocks");
        db.build_transaction().isolation(Isolation::ReadCommitted).atomic(|| db.execute(&fits, params![])).await.expect("a block");
        assert_eq!(value::<u64>(db, "select connection_id()", params![]).await, session);
        backend.settled().await;
    }

    /// fault 2.2: the URL may allow less
    async fn the_limit_of_the_url_holds(backend) {
        let mut backend = backend.with_items().await;
        let join = if backend.url().contains('?') { '&' } else { '?' };
        let url = format!("{}{join}max_allowed_packet=20000", backend.url());
        backend.db = nestling::Database::open(&url).expect("a valid URL");
        let db = &backend.db;
        let done = db.atomic(|| async {
            insert(db, 1, "a").await?;
            let error = db.query("select $1", params!["x".repeat(20_000)]).await.expect_err("too large");
            assert_eq!(error.kind(), ErrorKind::Parameter, "{error:?}");
            assert_eq!(value::<String>(db, "select $1", params!["x".repeat(15_000)]).await.len(), 15_000);
            Ok::<_, Error>(())
        });
        done.await.expect("nothing was lost");
        assert_eq!(backend.items().await, ["a"]);
    }
}
