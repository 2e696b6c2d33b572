//! The options of a transaction: isolation, read only, deferrable, durable. Sections B, C and G, rules 25, 30, 55.

use nestling::{Database, Error, ErrorKind, Isolation, TransactionBuilder, params, scope};
use tokio::sync::Notify;

use crate::{
    harness::Backend,
    wire::{Wire, statement},
};

/// What the server says of the transaction that is open: isolation, read only, deferrable.
async fn modes(db: &Database) -> nestling::Result<[String; 3]> {
    let sql = "select current_setting('transaction_isolation'), current_setting('transaction_read_only'), \
               current_setting('transaction_deferrable')";
    let (isolation, read_only, deferrable) = db.query_one(sql, params![]).await?.to()?;
    Ok([isolation, read_only, deferrable])
}

async fn insert(db: &Database, id: i64) -> nestling::Result<u64> {
    db.execute("insert into item values ($1, $2)", params![id, id.to_string()]).await
}

fn expect_kind<T: std::fmt::Debug>(result: nestling::Result<T>, kind: ErrorKind) -> String {
    let error = result.expect_err("it is refused");
    assert_eq!(error.kind(), kind, "{error}");
    error.to_string()
}

type Options = for<'d> fn(TransactionBuilder<'d>) -> TransactionBuilder<'d>;

/// rule 55: the server has what was asked for, and the connection's next user has not
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn modes_are_really_set_and_gone_with_the_transaction() {
    let wire = Wire::open().await;
    let db = &wire.db;
    let usual = ["read committed", "off", "off"];
    let cases: [(Options, [&str; 3]); 8] = [
        (|o| o, usual),
        (|o| o.isolation(Isolation::ReadUncommitted), ["read uncommitted", "off", "off"]),
        (|o| o.isolation(Isolation::ReadCommitted), usual),
        (|o| o.isolation(Isolation::RepeatableRead), ["repeatable read", "off", "off"]),
        (|o| o.isolation(Isolation::Serializable), ["serializable", "off", "off"]),
        (|o| o.read_only(), ["read committed", "on", "off"]),
        (|o| o.read_only().isolation(Isolation::Serializable).deferrable(), ["serializable", "on", "on"]),
        (|o| o.read_only().read_write(), usual),
    ];
    for (options, expected) in cases {
        let build = || options(db.build_transaction());
        assert_eq!(build().atomic(|| modes(db)).await.expect("lazy"), expected);
        assert_eq!(build().eager().atomic(|| modes(db)).await.expect("eager"), expected);
        let below = build().atomic(|| async { db.atomic(|| db.savepoint(|| modes(db))).await });
        assert_eq!(below.await.expect("two savepoints down"), expected);
        let joined = build().atomic(|| async { tokio::try_join!(modes(db), modes(db), modes(db)) });
        let (one, two, three) = joined.await.expect("joined");
        assert!([one, two, three].iter().all(|modes| *modes == expected));
        let pinned =
            db.connection(|| async { Ok::<_, Error>((build().atomic(|| modes(db)).await?, modes(db).await?)) });
        let (inside, after) = pinned.await.expect("pinned");
        assert_eq!((inside, after), (expected.map(String::from), usual.map(String::from)));
        let undone = build().atomic(|| async {
            assert_eq!(modes(db).await?, expected);
            db.query_one("select 1 where false", params![]).await
        });
        expect_kind(undone.await, ErrorKind::NoRow);
        assert_eq!(modes(db).await.expect("the connection's next user"), usual);
    }
    assert_eq!(wire.proxy.counts().connections, 1);
}

/// rule 55: asked for, a transaction may write where the server's default is that it may not
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn read_write_overrides_the_servers_default() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    let work = db.connection(|| async {
        db.execute("set default_transaction_read_only = on", params![]).await?;
        let refused = db.atomic(|| insert(db, 1)).await.expect_err("read only by default");
        assert_eq!(refused.code(), Some("25006"));
        db.build_transaction().read_write().atomic(|| insert(db, 2)).await?;
        db.execute("reset default_transaction_read_only", params![]).await
    });
    work.await.expect("read and write");
    assert_eq!(backend.items().await, ["2"]);
}

test_on! {
    every_backend;

    /// rule 55: nothing can be written in a read-only transaction, and the next user of the connection may write. MySQL
    /// commits a read-only transaction too with DDL, and runs it (rule 35): nothing of that kind is tried there.
    async fn read_only_is_enforced_and_ends_with_the_transaction(backend) {
        let backend = backend.with_items().await.with(|builder| builder.max_connections(1));
        let db = &backend.db;
        let code = backend.choose("25006", "1792", "8");
        let refused = |error: Error| assert_eq!(error.code(), Some(code), "{error}");
        let read_only = || db.build_transaction().read_only();

        refused(read_only().atomic(|| insert(db, 1)).await.expect_err("read only"));
        insert(db, 2).await.expect("outside it, after an error");
        refused(read_only().eager().atomic(|| insert(db, 3)).await.expect_err("read only"));
        db.atomic(|| insert(db, 4)).await.expect("another transaction may write");
        read_only().atomic(|| statement(db)).await.expect("reading");
        insert(db, 5).await.expect("outside it, after a commit");
        refused(read_only().atomic(|| db.atomic(|| db.savepoint(|| insert(db, 6)))).await.expect_err("read only"));

        let swallowed = read_only().atomic(|| async {
            refused(db.atomic(|| insert(db, 7)).await.expect_err("read only"));
            let write = backend.choose("drop table item", "delete from item", "drop table item");
            refused(db.atomic(|| db.batch(write)).await.expect_err("read only"));
            statement(db).await
        });
        swallowed.await.expect("the savepoints were rolled back");
        let pinned = db.connection(|| async {
            insert(db, 8).await?;
            refused(read_only().atomic(|| insert(db, 9)).await.expect_err("read only"));
            insert(db, 10).await?;
            db.atomic(|| insert(db, 11)).await
        });
        pinned.await.expect("outside it, on the same connection");
        assert_eq!(backend.items().await, ["10", "11", "2", "4", "5", "8"]);
        backend.settled().await;
        assert_eq!(db.stats().connections, 1);
    }

    /// rules 37, 55: also if it was dropped where it stood
    async fn a_dropped_read_only_transaction_leaves_nothing_behind(backend) {
        let backend = backend.with_items().await.with(|builder| builder.max_connections(1));
        let db = &backend.db;
        for id in 0..2 {
            let (begun, has_begun) = tokio::sync::oneshot::channel();
            let own = db.clone();
            let task = tokio::spawn(async move {
                own.build_transaction().read_only().atomic(|| async {
                    statement(&own).await?;
                    let _ = begun.send(());
                    std::future::pending::<nestling::Result<()>>().await
                })
                .await
            });
            has_begun.await.expect("the transaction is open");
            task.abort();
            assert!(task.await.expect_err("aborted").is_cancelled());
            insert(db, id).await.expect("the next user may write");
        }
        let pinned = db.connection(|| async {
            let begun = Notify::new();
            let open = db.build_transaction().read_only().atomic(|| async {
                statement(db).await?;
                begun.notify_one();
                std::future::pending::<nestling::Result<()>>().await
            });
            tokio::select! {
                _ = open => unreachable!("it never ends"),
                () = begun.notified() => {}
            }
            insert(db, 2).await
        });
        pinned.await.expect("so may the same user, on the same connection");
        assert_eq!(backend.items().await, ["0", "1", "2"]);
    }

    /// rule 25
    async fn a_durable_block_is_the_outermost_one(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let durable = || db.build_transaction().durable();
        let never = || async { panic!("the body must not run") as nestling::Result<()> };
        durable().atomic(|| insert(db, 1)).await.expect("nothing is open");
        db.connection(|| durable().atomic(|| insert(db, 2))).await.expect("a pinned connection is no block");
        let named = db.build_transaction().name("checkout").atomic(|| async {
            let text = expect_kind(durable().atomic(never).await, ErrorKind::NotDurable);
            assert_eq!(text, "a durable block must be the outermost one, and the block \"checkout\" at depth 1 is open");
            expect_kind(durable().transaction(never).await, ErrorKind::NotDurable);
            db.atomic(|| async {
                let text = expect_kind(durable().atomic(never).await, ErrorKind::NotDurable);
                assert!(text.contains("the block at depth 2 is open"), "{text}");
                Ok::<_, Error>(())
            })
            .await?;
            scope(durable().atomic(|| async { Ok::<_, Error>(()) })).await?;
            insert(db, 3).await
        });
        named.await.expect("refusing a block does not harm the one around it");
        assert_eq!(backend.items().await, ["1", "2", "3"]);
    }

    /// rule 30
    async fn other_settings_than_the_open_ones_are_refused(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let never = || async { panic!("the body must not run") as nestling::Result<()> };
        let serializable: Options = |options| options.isolation(Isolation::Serializable);
        let wrong: [(Options, &str); 3] = [
            (|o| o.isolation(Isolation::ReadCommitted), "isolation level READ COMMITTED was asked for, the open transaction has SERIALIZABLE"),
            (|o| o.read_only(), "a read-only transaction was asked for, the open one is read-write"),
            (|o| o.deferrable(), "a transaction deferrable was asked for, the open one is not"),
        ];
        let outer = serializable(db.build_transaction()).name("report").atomic(|| async {
            for (options, text) in wrong {
                let owed = db.stats().steps_owed;
                let text = format!("{text} (the block \"report\" at depth 1 is open)");
                assert_eq!(expect_kind(options(db.build_transaction()).atomic(never).await, ErrorKind::SettingsMismatch), text);
                assert_eq!(expect_kind(options(db.build_transaction()).transaction(never).await, ErrorKind::SettingsMismatch), text);
                assert_eq!(db.stats().steps_owed, owed);
            }
            serializable(db.build_transaction()).read_write().atomic(|| insert(db, 1)).await?;
            db.atomic(|| serializable(db.build_transaction()).atomic(|| insert(db, 2))).await
        });
        outer.await.expect("the same settings are fine, and refusals do no harm");
        let usual = db.atomic(|| async {
            let text = expect_kind(serializable(db.build_transaction()).atomic(never).await, ErrorKind::SettingsMismatch);
            assert!(text.starts_with("isolation level SERIALIZABLE was asked for, the open transaction has the server's default"));
            insert(db, 3).await
        });
        usual.await.expect("a refusal does no harm");
        assert_eq!(backend.items().await, ["1", "2", "3"]);
    }
}
