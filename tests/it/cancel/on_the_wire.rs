//! Futures dropped while a message of theirs, or the server's answer, is held on the wire: rules 37 to 40 and 43. On
//! PostgreSQL, MariaDB and MySQL.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use nestling::{Database, Error, params};

use crate::drops::{all_is_well, blocks, drop_at_every_message, insert, native, statements, transactions};

test_on! {
    every_server;

    /// rules 37, 38 and 40: BEGIN, SAVEPOINT, the statements and COMMIT, message by message, on a warm connection
    async fn a_block_is_kept_whole_or_not_at_all_whichever_message_is_held(backend) {
        let (backend, proxy) =
            backend.with_items().await.with_put().await.behind_proxy_with(|options| options.max_connections(1));
        for (what, call) in blocks().into_iter().chain(transactions()) {
            call(backend.db.clone(), format!("{what} warm")).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            backend.settled().await;
            let name = |message: usize| format!("{what} {message}");
            let dropped = drop_at_every_message(
                &proxy,
                |message| call(backend.db.clone(), name(message)),
                async |message, out| {
                    backend.settled().await;
                    // What passed until the block was dropped, and a COMMIT under way, which may have been the message held.
                    let committing = proxy.counts().queries().iter().any(|sql| sql.contains("COMMIT"));
                    let items = backend.items().await;
                    let kept = [name(message), format!("{}'", name(message))].map(|item| items.contains(&item));
                    assert_eq!(kept[0], kept[1], "{}: half of the block is kept", name(message));
                    assert!(!kept[0] || committing, "{}: kept without a COMMIT", name(message));
                    if let Some(out) = out {
                        out.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                        assert!(kept[0], "{what} has committed");
                    }
                    all_is_well(&backend, &name(message)).await;
                },
            )
            .await;
            // MySQL has fewer messages, as it has no pipeline.
            assert!(dropped > 5, "{what} was held {dropped} times only");
        }
    }

    /// rules 37 and 38: a statement outside any block
    async fn a_statement_alone_leaves_no_trace_whichever_message_is_held(backend) {
        let (backend, proxy) =
            backend.with_items().await.with_put().await.behind_proxy_with(|options| options.max_connections(1));
        for (what, call) in statements().into_iter().chain([native(backend.db.dialect())]) {
            let name = |message: usize| format!("{what} {message}");
            let dropped = drop_at_every_message(
                &proxy,
                |message| call(backend.db.clone(), name(message)),
                async |message, out| {
                    all_is_well(&backend, &name(message)).await;
                    backend.sessions_come_to(1).await;
                    if let Some(out) = out {
                        out.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                        assert!(backend.items().await.contains(&name(message)), "{what} ran to its end");
                    }
                },
            )
            .await;
            assert!(dropped > 1, "{what} was held {dropped} times only");
        }
    }

    /// rules 37 and 43: the child is dropped at each message of its own, and the parent goes on
    async fn a_parent_goes_on_whichever_message_of_its_child_is_held(backend) {
        let (backend, proxy) =
            backend.with_items().await.with_put().await.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        // What MySQL's native client is dropped in the middle of takes its connection along, and with it the parent.
        let native = (!backend.is_mysql()).then(|| native(db.dialect()));
        for (what, call) in statements().into_iter().chain(native).chain(blocks()) {
            for message in 1.. {
                let names = ["parent", "child", "call", "after"].map(|part| format!("{what} {message} {part}"));
                let [parent, child, inner, after] = &names;
                proxy.left_with(1).await;
                let parental = db.atomic(|| async {
                    insert(db, parent).await?;
                    proxy.stall_at(message);
                    let block = db.atomic(|| async {
                        insert(db, child).await?;
                        call(db.clone(), inner.clone()).await
                    });
                    let out = tokio::select! {
                        biased;
                        _ = proxy.stalled() => None,
                        out = block => Some(out),
                    };
                    proxy.release();
                    insert(db, after).await?;
                    out.transpose()
                });
                let ended = parental.await.unwrap_or_else(|error| panic!("{what} {message}: {error:?}")).is_some();
                if !ended {
                    let counts = proxy.counts();
                    let sequence = counts.sequence();
                    // The savepoint may have been held, and sent all the same: what was counted went out.
                    let paid = sequence.iter().rposition(|sql| sql.starts_with("ROLLBACK TO SAVEPOINT _n1"));
                    let paid = paid.unwrap_or_else(|| panic!("{what} {message}: not paid: {sequence:?}"));
                    assert!(sequence[paid..].iter().any(|sql| sql.starts_with("insert into item")), "{sequence:?}");
                }
                let items = backend.items().await;
                let kept = names.each_ref().map(|name| items.contains(name));
                assert_eq!(kept, [true, ended, ended, true], "{what} {message}");
                if ended {
                    assert!(message > 5, "{what} was held {message} times only");
                    break;
                }
            }
            all_is_well(&backend, what).await;
        }
    }

    /// rule 40: everything from the first message of a connection on, start-up included
    async fn a_connection_that_is_half_made_is_not_left_behind(backend) {
        type Make = fn(Database) -> futures_util::future::LocalBoxFuture<'static, Result<(), Error>>;
        let (backend, proxy) =
            backend.with_items().await.with_put().await.behind_proxy_with(|options| options.max_connections(1));
        let calls: [(&str, Make); 3] = [
            ("connect", |db| Box::pin(async move { db.connect().await })),
            ("query", |db| Box::pin(async move { db.query("select 1", params![]).await.map(|_| ()) })),
            ("atomic", |db| Box::pin(async move { db.atomic(|| insert(&db, "an item")).await })),
        ];
        let mut backend = backend;
        let url = proxy.url_for(backend.url());
        for (what, call) in calls {
            for message in 1.. {
                backend.db = Database::builder(&url).max_connections(1).build().expect("the proxy's URL");
                proxy.stall_at(message);
                let out = tokio::select! {
                    biased;
                    _ = proxy.stalled() => None,
                    out = call(backend.db.clone()) => Some(out),
                };
                proxy.release();
                backend.settled().await;
                backend.sessions_are_those_of(&backend.db).await;
                backend.observer().batch("delete from item").await.expect("the table is free");
                all_is_well(&backend, what).await;
                // What it has sent passes the proxy too, and must not be counted for the next one.
                backend.db.close().await;
                proxy.left_with(0).await;
                if let Some(out) = out {
                    out.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                    assert!(message > 5, "{what} was held {message} times only");
                    break;
                }
            }
        }
    }

    /// rule 57: one caller of `connect` is dropped, the other has its connection
    async fn a_dropped_connect_does_not_take_others_along(backend) {
        let (backend, proxy) = backend.behind_proxy_with(|options| options.max_connections(2));
        proxy.stall_at(3);
        let mut other = Box::pin(backend.db.connect());
        // Both are under way before the one is dropped: each branch is polled once before the first message is held.
        tokio::select! {
            biased;
            out = backend.db.connect() => panic!("it cannot have ended: {out:?}"),
            out = &mut other => panic!("nor can the other: {out:?}"),
            _ = proxy.stalled() => {}
        }
        proxy.release();
        other.await.expect("the other connects");
        assert!(backend.db.is_connected());
        assert_eq!(proxy.counts().connections, 1, "they shared one attempt");
    }

    /// rule 40: a COMMIT that is under way runs to its end
    async fn a_commit_under_way_runs_to_its_end(backend) {
        let (backend, proxy) =
            backend.with_items().await.with_put().await.behind_proxy_with(|options| options.max_connections(1));
        for round in 0..5 {
            let name = format!("round {round}");
            let ended = Arc::new(AtomicBool::new(false));
            proxy.reset();
            proxy.stall_when(|message| message.text.ends_with("COMMIT"));
            tokio::select! {
                biased;
                message = proxy.stalled() => assert_eq!(message.tag, 'Q', "the request itself is held"),
                out = backend.db.atomic(|| async {
                    insert(&backend.db, &name).await?;
                    ended.store(true, Ordering::SeqCst);
                    Ok::<_, Error>(())
                }) => panic!("it cannot have ended: {out:?}"),
            }
            assert!(ended.load(Ordering::SeqCst));
            assert_eq!(backend.db.stats().idle, 0, "the connection is nobody else's before the COMMIT is through");
            proxy.release();
            backend.settled().await;
            assert!(backend.items().await.contains(&name), "the COMMIT has run");
            assert_eq!(proxy.counts().cancels, 0, "nobody cancels a COMMIT");
        }
    }
}
