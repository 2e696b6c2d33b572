//! What a native client leaves open on a pinned connection outside any block.

use nestling::{Database, Error, ErrorKind};

use crate::harness::{Backend, insert};

/// Runs texts by the native client. Errors of the server are no matter.
async fn natively(backend: &Backend, db: &Database, texts: &'static [&'static str]) -> Result<(), Error> {
    if backend.is_postgres() {
        return db
            .with_postgres(|client| async move {
                for text in texts {
                    let _ = client.batch_execute(text).await;
                }
                Ok(())
            })
            .await;
    }
    if backend.is_mysql() {
        use nestling::native::mysql_async::prelude::Queryable as _;
        return db
            .with_mysql(|mut client| async move {
                for text in texts {
                    let _ = client.query_drop(*text).await;
                }
                Ok(())
            })
            .await;
    }
    db.with_sqlite(move |client| {
        for text in texts {
            let _ = client.execute_batch(text);
        }
        Ok(())
    })
    .await
}

test_on! {
    every_backend;

    /// rule 36, fault 3.3: later statements would say `Ok`, and be rolled back in silence with the end of the pin
    async fn a_transaction_that_a_native_client_leaves_open_on_a_pinned_connection_is_told(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let opened: [&[&str]; 3] = [
            &["begin"],
            &["begin", "insert into item values (1, 'native')"],
            &["begin", "insert into item values (1, 'native')", "select no_such_column"],
        ];
        for (id, texts) in (10..).zip(opened) {
            let pinned = db.connection(|| async {
                let told = natively(&backend, db, texts).await.expect_err("it has left a transaction open");
                assert_eq!(told.kind(), ErrorKind::RolledBack, "{texts:?}: {told:?}");
                insert(db, id, &format!("behind {id}")).await.map(|_| ())
            });
            pinned.await.expect("the connection is good");
            let wanted: Vec<_> = (10..=id).map(|id| format!("behind {id}")).collect();
            assert_eq!(backend.items().await, wanted, "what says Ok is kept");
        }
        let ended = db.connection(|| async {
            natively(&backend, db, &["begin", "insert into item values (1, 'a native one')", "commit"]).await?;
            natively(&backend, db, &["select no_such_column"]).await?;
            insert(db, 2, "and another").await.map(|_| ())
        });
        ended.await.expect("nothing was left open");
        assert_eq!(backend.items().await[..2], ["a native one", "and another"]);
        backend.settled().await;
    }
}
