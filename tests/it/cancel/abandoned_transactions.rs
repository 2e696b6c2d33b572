//! Callers that go while the body of their transaction is at its end: rule 10. An abort takes effect only between two polls
//! of a task, and a body may reach its end, and its COMMIT, within one.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use nestling::{
    Error,
    native::rusqlite::functions::{Context, FunctionFlags},
    params,
};

use crate::harness::{Backend, insert, poll_once};

type Caller = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

test_on! {
    every_backend;

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
                        // It is put there right after its first poll, which has spawned this.
                        wait_while!(theirs.lock().unwrap().is_none(), by yielding);
                        let caller = theirs.lock().unwrap().take();
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

/// rule 10: a statement that runs on the spot, and cannot be dropped
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_caller_went_while_sqlite_was_at_work_is_rolled_back() {
    let backend = Backend::sqlite().await.with_items().await;
    let (begin, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let (leave, stays) = std::sync::mpsc::channel::<()>();
    let stays = Mutex::new(stays);
    let db = backend.db.clone();
    let call = tokio::spawn(async move {
        let own = db.clone();
        let body = move || async move {
            let made = own.with_sqlite(move |sqlite| {
                let wait = move |_: &Context<'_>| {
                    let _ = begin.send(());
                    // Until it is let go, or the test has failed.
                    let _ = stays.lock().unwrap().recv();
                    Ok(1)
                };
                Ok::<_, Error>(sqlite.create_scalar_function("wait", 0, FunctionFlags::SQLITE_UTF8, wait))
            });
            made.await?.expect("a function");
            insert(&own, 1, "lost").await?;
            own.execute("insert into item select 2, 'lost ' || wait()", ()).await
        };
        db.transaction(body).await
    });
    begun.recv().await.expect("it is at work");
    call.abort();
    assert!(call.await.expect_err("it was aborted").is_cancelled());
    leave.send(()).expect("it waits");
    backend.settled().await;
    assert!(backend.items().await.is_empty());
}
