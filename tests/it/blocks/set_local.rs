//! Settings of the server for one transaction, by `set_local`. Section G, rule 55.

use nestling::{Database, Error, ErrorKind, params};

use crate::{
    harness::Backend,
    wire::{STATEMENT, Wire, statement},
};

/// What the server has for a setting now.
async fn setting(db: &Database, key: &str) -> nestling::Result<Option<String>> {
    db.query_one("select nullif(current_setting($1, true), '')", params![key]).await?.get(0)
}

/// Texts that break out wherever something is put between quotes without care.
const HOSTILE: [&str; 14] = [
    "",
    "'",
    "''",
    "\\",
    "\\'",
    "\\\\'; drop table item; --",
    "', true); drop table item; --",
    "'; commit; drop table item; begin; --",
    "E'\\''",
    "$$; drop table item; $$",
    "a;b\nc\td\u{1}",
    "/* \" */ -- \"",
    "ünï©ode \u{1F41F} \u{202E} \u{2019}\u{ff07}",
    "%s {} $1 ?",
];

/// rule 55
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn local_settings_hold_inside_and_are_gone_outside() {
    let wire = Wire::open().await;
    let db = &wire.db;
    let tenant = || db.build_transaction().set_local("app.tenant", "seven").set_local("work_mem", "77kB");
    let expect = async || {
        assert_eq!(setting(db, "app.tenant").await?.as_deref(), Some("seven"));
        assert_eq!(setting(db, "work_mem").await?.as_deref(), Some("77kB"));
        Ok::<_, Error>(())
    };
    let gone = async || {
        assert_eq!(setting(db, "app.tenant").await.expect("a setting"), None);
        assert_ne!(setting(db, "work_mem").await.expect("a setting").as_deref(), Some("77kB"));
    };
    gone().await;
    tenant().atomic(expect).await.expect("lazy");
    gone().await;
    tenant().eager().atomic(expect).await.expect("eager");
    gone().await;
    tenant().atomic(|| db.atomic(|| db.savepoint(expect))).await.expect("below savepoints");
    gone().await;
    tenant().atomic(|| async { tokio::try_join!(expect(), expect(), expect()) }).await.expect("joined");
    gone().await;
    let after_rollback = async || {
        let undone = db.atomic(|| async {
            statement(db).await?;
            db.query_one("select 1 where false", params![]).await.map(|_| ())
        });
        undone.await.expect_err("no row");
        expect().await
    };
    tenant().atomic(after_rollback).await.expect("a savepoint that was rolled back does not take them along");
    gone().await;
    let undone = tenant().atomic(|| async {
        expect().await?;
        db.query_one("select 1 / 0", params![]).await.map(|_| ())
    });
    assert_eq!(undone.await.expect_err("it fails").code(), Some("22012"));
    gone().await;
    let pinned = db.connection(|| async {
        tenant().atomic(expect).await?;
        gone().await;
        Ok::<_, Error>(())
    });
    pinned.await.expect("pinned");
    let same = db.build_transaction().set_local("app.tenant", "six").set_local("APP.Tenant", "seven");
    let last = same.atomic(|| async { setting(db, "app.tenant").await }).await;
    assert_eq!(last.expect("of two for one key the later counts").as_deref(), Some("seven"));
    assert_eq!(wire.proxy.counts().connections, 1);
}

/// rule 55: a value is a value, whatever it looks like
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn hostile_values_arrive_as_they_are() {
    let mut wire = Wire::open().await;
    wire.backend = wire.backend.with_items().await;
    let db = &wire.db;
    for conforming in ["on", "off"] {
        db.connection(|| async {
            db.batch(&format!("set standard_conforming_strings = {conforming}; set backslash_quote = off")).await?;
            for value in HOSTILE {
                let inside = db.build_transaction().set_local("app.hostile", value).atomic(|| async {
                    db.query_one("select current_setting('app.hostile')", params![]).await?.get::<String>(0)
                });
                assert_eq!(inside.await.expect(value), value);
            }
            db.batch("reset standard_conforming_strings; reset backslash_quote").await
        })
        .await
        .expect("every value is taken");
    }
    assert!(wire.backend.items().await.is_empty(), "the table is still there");
    wire.backend.settled().await;
}

/// rules 19, 55: a key that the server does not take fails the block, and nothing of it has run
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn hostile_keys_fail_closed() {
    let mut wire = Wire::open().await;
    wire.backend = wire.backend.with_items().await;
    let db = &wire.db;
    for key in HOSTILE.into_iter().filter(|key| !key.is_empty()) {
        for prefix in ["", "app."] {
            let key = format!("{prefix}{key}");
            let insert = || db.execute("insert into item values (1, 'leaked')", params![]);
            let lazy = db.build_transaction().set_local(&key, "x").atomic(insert).await.expect_err(&key);
            assert_eq!(lazy.kind(), ErrorKind::Server, "{key}: {lazy}");
            let eager = db.build_transaction().eager().set_local(&key, "x").atomic(insert).await.expect_err(&key);
            assert_eq!((eager.kind(), eager.code()), (ErrorKind::Server, lazy.code()), "{key}");
            assert_eq!(db.depth(), 0);
        }
    }
    db.build_transaction().set_local("work_mem", "lots").atomic(|| statement(db)).await.expect_err("no size");
    assert!(wire.backend.items().await.is_empty(), "the table is still there, and empty");
    wire.backend.settled().await;
    wire.proxy.reset();
    db.atomic(|| statement(db)).await.expect("the next one has nothing of it");
    assert_eq!(wire.proxy.counts().executed(), [STATEMENT]);
}

test_on! {
    every_backend;

    /// rule 55: what cannot be sent is refused before anything is
    async fn settings_that_cannot_be_are_refused_first(backend) {
        let db = &backend.db;
        let never = || async { panic!("the body must not run") as nestling::Result<()> };
        let cases = [("", "x"), ("app.a\0b", "x"), ("app.a", "x\0y"), ("app.a", "x")];
        // A dot is in no name of a variable of MySQL; SQLite has no settings.
        let bad = if backend.is_postgres() { &cases[..3] } else { &cases[..] };
        let kind = backend.choose(ErrorKind::Config, ErrorKind::Config, ErrorKind::Unsupported);
        for (key, value) in bad {
            let builder = || db.build_transaction().set_local(key, value);
            assert_eq!(builder().atomic(never).await.expect_err("refused").kind(), kind);
            assert_eq!(builder().eager().atomic(never).await.expect_err("refused").kind(), kind);
            assert_eq!(builder().transaction(never).await.expect_err("refused").kind(), kind);
        }
        assert_eq!((db.stats().connections, db.stats().steps_owed), (0, 0));
    }
}

/// rules 53, 55: the time of a statement is the server's affair, and over, it is a timeout
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_statement_timeout_is_told_as_one() {
    let backend = Backend::postgres().await.with_items().await.with(|builder| builder.max_connections(1));
    let db = &backend.db;
    let slow = db.build_transaction().set_local("statement_timeout", "30ms").atomic(|| async {
        db.execute("insert into item values (1, 'undone')", params![]).await?;
        db.execute("select pg_sleep(20)", params![]).await
    });
    let error = slow.await.expect_err("its time is over");
    assert_eq!((error.code(), error.is_timeout(), error.is_retryable()), (Some("57014"), true, false));
    let own: String =
        db.query_one("show statement_timeout", params![]).await.and_then(|row| row.get(0)).expect("a row");
    assert_eq!(own, "0");
    let writer = db.clone();
    let other = backend.builder().build().expect("valid options");
    let locked = writer.atomic(|| async {
        db.execute("insert into item values (1, 'kept')", params![]).await?;
        let waits = other
            .build_transaction()
            .set_local("lock_timeout", "30ms")
            .atomic(|| async { other.execute("insert into item values (1, 'late')", params![]).await });
        let error = waits.await.expect_err("the lock is another's");
        assert_eq!((error.code(), error.is_timeout()), (Some("55P03"), true));
        Ok::<_, Error>(())
    });
    locked.await.expect("the writer is not disturbed");
    assert_eq!(backend.items().await, ["kept"]);
}
