//! Hooks of blocks whose caller is dropped, or that panic: rules 37, 40, 41, 46 and 51.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use nestling::{Database, Error};
use tokio::sync::oneshot;

use super::Diary;
use crate::drops::{all_is_well, drop_at_every_await, drop_at_every_message, insert};

/// A block with a block inside, each with hooks of all kinds.
async fn block(db: Database, name: String, diary: Diary) -> Result<(), Error> {
    async fn register(db: &Database, diary: &Diary) -> Result<(), Error> {
        let (hooked, told) = (db.clone(), diary.clone());
        db.on_commit(move || async move {
            hooked.ping().await?;
            told.add("commit");
            Ok::<_, Error>(())
        })
        .await?;
        let (hooked, told) = (db.clone(), diary.clone());
        db.on_rollback(move || async move {
            hooked.query_one("select 1", nestling::params![]).await?;
            told.add("rollback");
            Ok::<_, Error>(())
        })?;
        let told = diary.clone();
        db.after_completion(move |outcome| async move { told.add(format!("{outcome:?}")) })
    }
    db.atomic(|| async {
        register(&db, &diary).await?;
        insert(&db, &name).await?;
        let inside = (db.clone(), format!("{name}'"));
        db.before_commit(move || async move { insert(&inside.0, &inside.1).await })?;
        db.atomic(|| async {
            insert(&db, &format!("{name}\"")).await?;
            register(&db, &diary).await
        })
        .await
    })
    .await
}

/// Checks what the hooks have told against what is committed.
async fn check(backend: &crate::harness::Backend, diary: &Diary, name: &str, out: Option<Result<(), Error>>) {
    diary.settled().await;
    all_is_well(backend, name).await;
    let ended = out.is_some();
    out.unwrap_or(Ok(())).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let items = backend.items().await;
    let kept = [name.to_owned(), format!("{name}'"), format!("{name}\"")].map(|item| items.contains(&item));
    assert!(kept.iter().all(|each| *each == kept[0]), "{name}: half of the block is kept");
    assert!(kept[0] || !ended, "{name} has committed");
    if kept[0] {
        assert_eq!(diary.take(), ["commit", "commit", "Committed", "Committed"], "{name}");
    } else {
        // Dropped ahead of a registration, there is nothing to tell.
        let told = diary.take();
        let count = told.iter().filter(|entry| *entry == "rollback").count();
        let outcomes = told.iter().filter(|entry| *entry == "RolledBack").count();
        assert_eq!((count + outcomes, outcomes), (told.len(), count), "{name}: {told:?}");
        assert!(count <= 2, "{name}: {told:?}");
    }
}

test_on! {
    every_backend;

    /// rules 37, 40, 46 and 51: at each await point
    async fn hooks_run_as_the_block_ended_wherever_it_is_dropped(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let name = |point: usize| format!("point {point}");
        let diaries: Vec<Diary> = std::iter::repeat_with(Diary::default).take(crate::drops::TOO_MANY).collect();
        drop_at_every_await(
            |point| block(backend.db.clone(), name(point), diaries[point].clone()),
            async |point, out| check(&backend, &diaries[point], &name(point), out).await,
        )
        .await;
    }

    /// rules 41 and 46: a panic of the body; the hooks run in a task of their own
    async fn a_panic_in_the_body_runs_the_hooks_on_rollback(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        let hooked = (db.clone(), diary.clone());
        let block = db.atomic(|| async {
            insert(db, "outer").await?;
            db.on_commit(diary.entry("never")).await?;
            db.on_rollback(move || async move {
                assert!(!hooked.0.in_transaction());
                insert(&hooked.0, "by the hook").await?;
                hooked.1.add("outer");
                Ok::<_, Error>(())
            })?;
            db.atomic(|| async {
                insert(db, "inner").await?;
                db.on_rollback(diary.entry("inner"))?;
                if db.depth() == 2 { panic!("in the body") } else { Ok::<_, Error>(()) }
            })
            .await
        });
        AssertUnwindSafe(block).catch_unwind().await.expect_err("it panics");
        let mut told = diary.comes_to(2).await;
        told.sort();
        assert_eq!(told, ["inner", "outer"]);
        backend.settled().await;
        assert_eq!(backend.items().await, ["by the hook"]);
    }

    /// rules 37 and 46: a nested block that is dropped; its hooks are not part of the transaction around it
    async fn hooks_of_a_dropped_nested_block_run_outside(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        db.atomic(|| async {
            insert(db, "outer").await?;
            let hooked = (db.clone(), diary.clone());
            let (at, reached) = oneshot::channel::<()>();
            let dropped = db.atomic(|| async {
                insert(db, "inner").await?;
                db.on_rollback(move || async move { hooked.1.add(format!("depth {}", hooked.0.depth())) })?;
                at.send(()).expect("the test waits");
                std::future::pending::<Result<(), Error>>().await
            });
            tokio::select! {
                out = dropped => panic!("it waits for ever: {out:?}"),
                inside = reached => inside.expect("it is inside"),
            }
            insert(db, "after").await
        })
        .await
        .unwrap();
        assert_eq!(diary.comes_to(1).await, ["depth 0"]);
        assert_eq!(backend.items().await, ["after", "outer"]);
    }

    /// rules 10, 40 and 45: the caller of a `transaction` is dropped while a hook runs: this one and the next run to their end
    async fn hooks_under_way_outlive_their_caller(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        let ((at, reached), (go, gone)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
        let (inner, told) = (db.clone(), diary.clone());
        let transaction = db.transaction(|| async move {
            insert(&inner, "committed").await?;
            let hooked = (inner.clone(), told.clone());
            inner
                .on_commit(move || async move {
                    at.send(()).expect("the test waits");
                    gone.await.expect("the test lets it go");
                    hooked.0.atomic(|| insert(&hooked.0, "by the hook")).await?;
                    hooked.1.add("first");
                    Ok::<_, Error>(())
                })
                .await?;
            inner.on_commit(told.entry("second")).await
        });
        tokio::select! {
            out = transaction => panic!("its hook waits: {out:?}"),
            inside = reached => inside.expect("the hook runs"),
        }
        go.send(()).expect("the hook waits");
        assert_eq!(diary.comes_to(2).await, ["first", "second"]);
        assert_eq!(backend.items().await, ["by the hook", "committed"]);
    }
}

test_on! {
    every_server;

    /// rules 37, 40, 46 and 51: at each message on the wire, COMMIT included
    async fn hooks_run_as_the_block_ended_whichever_message_is_held(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        block(backend.db.clone(), "warm".into(), Diary::default()).await.unwrap();
        backend.settled().await;
        let name = |message: usize| format!("message {message}");
        let diaries: Vec<Diary> = std::iter::repeat_with(Diary::default).take(crate::drops::TOO_MANY).collect();
        let dropped = drop_at_every_message(
            &proxy,
            |message| block(backend.db.clone(), name(message), diaries[message].clone()),
            async |message, out| check(&backend, &diaries[message], &name(message), out).await,
        )
        .await;
        assert!(dropped > 5, "held {dropped} times only");
    }
}
