//! `Stats::statements` counts what was sent: compared with what passes on the wire. Rule 77.

use nestling::{Error, params};

use crate::{
    harness::{Backend, insert},
    proxy::Proxy,
};

/// The statements about the table `item` that the server was sent, batches as one.
fn on_the_wire(proxy: &Proxy) -> u64 {
    proxy.counts().sequence().iter().filter(|text| text.contains("item")).count() as u64
}

async fn behind_proxy(backend: Backend) -> (Backend, Proxy) {
    backend.with_items().await.behind_proxy_with(|options| options.max_connections(1))
}

test_on! {
    [postgres postgres_without_names mariadb mysql9];

    /// rule 77
    async fn what_is_counted_is_what_passes_on_the_wire(backend) {
        let (backend, proxy) = behind_proxy(backend).await;
        let db = &backend.db;
        insert(db, 1, "alone").await.unwrap();
        insert(db, 1, "it fails at the server").await.unwrap_err();
        let block = db.atomic(|| async {
            insert(db, 2, "in a block").await?;
            db.atomic(|| insert(db, 3, "in a savepoint")).await
        });
        block.await.unwrap();
        db.batch("insert into item values (4, 'a'); insert into item values (5, 'b')").await.unwrap();
        let mut rows = db.stream("select id from item", ()).await.unwrap();
        while rows.next().await.transpose().unwrap().is_some() {}
        drop(rows);
        let (first, second) = tokio::join!(db.query("select id from item", ()), insert(db, 6, "at once"));
        first.unwrap();
        second.unwrap();
        assert_eq!((db.stats().statements, on_the_wire(&proxy)), (8, 8), "{:?}", proxy.counts().sequence());
    }

    /// rule 77
    async fn what_was_not_sent_is_not_counted(backend) {
        let (backend, proxy) = behind_proxy(backend).await;
        let db = &backend.db;
        let update = "update item set name = 'b' where id = $1";
        db.execute(update, params![1]).await.unwrap();
        db.execute(update, params![1, 2]).await.unwrap_err();           // too many
        db.execute("rollback", ()).await.unwrap_err();
        let refused = db.transaction({
            let db = db.clone();
            move || async move {
                insert(&db, 1, "once").await?;
                insert(&db, 1, "twice").await.unwrap_err();
                db.transaction(|| async { Err::<(), _>(Error::other("it marks the whole")) }).await.unwrap_err();
                insert(&db, 3, "behind the mark").await
            }
        });
        refused.await.unwrap_err();
        let holder = db.atomic(|| async {
            insert(db, 7, "the one connection is here").await?;
            nestling::scope(db.query("select id from item", ())).await
        });
        holder.await.unwrap_err();
        assert_eq!((db.stats().statements, on_the_wire(&proxy)), (4, 4), "{:?}", proxy.counts().sequence());
    }

    /// rule 77
    async fn what_is_sent_twice_is_counted_twice(backend) {
        let (backend, proxy) = behind_proxy(backend).await;
        let db = &backend.db;
        let mut runs = 0;
        let work = db.build_transaction().retry(nestling::blocks::Retry::retryable().when(|error| error.is_unique_violation()));
        insert(db, 1, "there").await.unwrap();
        let runs = &std::cell::Cell::new(std::mem::take(&mut runs));
        let done = work.atomic(|| async {
            runs.set(runs.get() + 1);
            insert(db, if runs.get() < 3 { 1 } else { 2 }, "retried").await
        });
        done.await.unwrap();
        assert_eq!((runs.get(), db.stats().statements, on_the_wire(&proxy)), (3, 4, 4), "{:?}", proxy.counts().sequence());
    }

    /// rule 77: a blocking handle has a count of its own
    async fn what_a_blocking_handle_sends_is_counted_by_it(backend) {
        let (backend, proxy) = behind_proxy(backend).await;
        let db = &backend.db;
        let sync = db.sync();
        let count = tokio::task::spawn_blocking(move || {
            sync.atomic(|| sync.execute("insert into item values (1, 'a')", ())).unwrap();
            sync.execute("insert into item values (1, 'a')", ()).unwrap_err();
            sync.stats().expect("it is a handle of its own").statements
        });
        assert_eq!((count.await.unwrap(), db.stats().statements, on_the_wire(&proxy)), (2, 0, 2));
    }
}
