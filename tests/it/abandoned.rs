//! Callers that go while the body of their transaction is at its end: rule 10. An abort takes effect only between two polls
//! of a task, and a body may reach its end, and its COMMIT, within one.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use nestling::{Error, params};

use crate::harness::{insert, poll_once};

type Caller = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

on_every_backend! {
    /// rule 10: the task looks for its caller immediately before COMMIT
    async fn a_transaction_whose_caller_went_in_the_last_poll_is_rolled_back(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for nested in [false, true] {
            // The body itself drops its caller, and goes on to its end without another await.
            let caller: Arc<Mutex<Option<Caller>>> = Arc::default();
            let (theirs, own) = (Arc::clone(&caller), db.clone());
            let (done, is_done) = tokio::sync::oneshot::channel();
            let mut call: Caller = Box::pin({
                let db = db.clone();
                async move {
                    db.transaction(move || async move {
                        if nested {
                            own.atomic(|| insert(&own, 1, "lost")).await?;
                        } else {
                            insert(&own, 1, "lost").await?;
                        }
                        let caller = loop {
                            // It is put there right after its first poll, which has spawned this.
                            if let Some(caller) = theirs.lock().unwrap().take() {
                                break caller;
                            }
                            tokio::task::yield_now().await;
                        };
                        drop(caller);
                        done.send(()).expect("it is waited for");
                        Ok(())
                    })
                    .await
                }
            });
            assert!(poll_once(call.as_mut()).await.is_pending());
            *caller.lock().unwrap() = Some(call);
            is_done.await.expect("the body has come to its end");
            backend.settled().await;
            assert!(backend.items().await.is_empty(), "nested: {nested}");
            db.execute("insert into item values ($1, $2)", params![2, "next"]).await.unwrap();
            db.execute("delete from item", ()).await.unwrap();
        }
    }
}
