//! A server that is not what it was opened for: all connections to it are retired, and the error says that another attempt
//! may help. Rule 36.

use std::time::Duration;

use nestling::{Database, Error, ErrorKind, params};

use crate::{
    harness::Backend,
    test_servers::{Kind, PrivateServer, Setup},
    wire::statement,
};

const LONG: Duration = Duration::from_secs(60);

async fn session(db: &Database) -> i64 {
    let sql = match db.dialect() {
        nestling::Dialect::Mysql => "select cast(connection_id() as signed)",
        _ => "select pg_backend_pid()::bigint",
    };
    db.query_one(sql, params![]).await.and_then(|row| row.get(0)).expect("a session")
}

async fn write(db: &Database) -> Result<u64, Error> {
    db.execute("insert into item values (1)", params![]).await
}

/// Whether the next session only reads by default.
async fn reads_only(db: &Database) -> bool {
    let row = db.query_one("show default_transaction_read_only", params![]).await.expect("a setting");
    row.get::<String>(0).expect("a text") == "on"
}

/// rule 36: a primary that was demoted is left with the first error, by those that are idle and those that are in use
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connections_to_a_demoted_primary_are_given_up_for_the_new_one() {
    let servers = [PrivateServer::start(Kind::Postgres).await, PrivateServer::start(Kind::Postgres).await];
    let admins = servers.each_ref().map(|server| Database::open(&server.url()).expect("a valid URL"));
    for admin in &admins {
        admin.batch("create table item (id integer)").await.expect("a table");
    }
    let hosts = format!("{},{}", servers[0].addr(), servers[1].addr());
    let url = format!("postgres://postgres@{hosts}/nestling?target_session_attrs=read-write&application_name=pool");
    let db = Database::builder(&url).max_connections(4).acquire_timeout(LONG).build().expect("a valid URL");
    let sessions = async |at: usize| {
        let sql = "select count(*) from pg_stat_activity where application_name = 'pool'";
        admins[at].query_one(sql, params![]).await.and_then(|row| row.get::<i64>(0)).expect("a count")
    };
    // Two are in use, two are idle.
    let together = tokio::sync::Barrier::new(4);
    let (leave, both) = (tokio::sync::Semaphore::new(0), 2);
    let holds = (0..4).map(|number| {
        let (db, together, leave) = (&db, &together, &leave);
        db.connection(move || async move {
            statement(db).await?;
            together.wait().await;
            if number < both {
                leave.acquire().await.expect("it is never closed").forget();
            }
            statement(db).await
        })
    });
    let work = async {
        wait_while!(db.stats().idle != 2);
        assert_eq!((sessions(0).await, sessions(1).await), (4, 0));
        admins[0].execute("alter system set default_transaction_read_only = on", params![]).await.expect("a setting");
        admins[0].batch("select pg_reload_conf()").await.expect("it is read");
        wait_while!(!reads_only(&db).await);
        let error = db.atomic(|| write(&db)).await.expect_err("demoted");
        assert_eq!((error.kind(), error.code(), error.is_retryable()), (ErrorKind::Server, Some("25006"), true));
        db.atomic(|| write(&db)).await.expect("the new primary takes it");
        // The idle ones go.
        wait_while!(sessions(0).await != 2);
        leave.add_permits(2);
    };
    tokio::join!(async { futures_util::future::try_join_all(holds).await.expect("what is in use goes on") }, work);
    // So do the others, at their return.
    wait_while!(sessions(0).await > 0);
    for _ in 0..4 {
        db.atomic(|| write(&db)).await.expect("the new primary takes it");
        write(&db).await.expect("outside a block too");
    }
}

/// rule 36: also told outside a block, in a nested block, in a batch, a stream, and at an eager BEGIN's first statement
#[tokio::test]
async fn each_way_to_write_retires_the_connections_to_a_demoted_primary() {
    let server = PrivateServer::start(Kind::Postgres).await;
    let admin = Database::open(&server.url()).expect("a valid URL");
    admin.batch("create table item (id integer); create sequence numbers").await.expect("a table");
    admin.execute("alter system set default_transaction_read_only = on", params![]).await.expect("a setting");
    admin.batch("select pg_reload_conf()").await.expect("it is read");
    let db = Database::builder(&server.url()).max_connections(2).build().expect("a valid URL");
    wait_while!(!reads_only(&Database::open(&server.url()).expect("a valid URL")).await);
    for way in 0..6 {
        let before = session(&db).await;
        assert_eq!(session(&db).await, before);
        let outcome = match way {
            0 => write(&db).await.map(drop),
            1 => db.atomic(|| db.atomic(|| write(&db))).await.map(drop),
            2 => db.batch("insert into item values (1)").await,
            3 => db.build_transaction().eager().atomic(|| write(&db)).await.map(drop),
            4 => {
                async {
                    let mut rows = db.stream("select nextval('numbers')", params![]).await?;
                    rows.next().await.transpose().map(drop)
                }
                .await
            }
            _ => db.connection(|| write(&db)).await.map(drop),
        };
        let error = outcome.expect_err("it takes no writes");
        assert_eq!((error.code(), error.is_retryable()), (Some("25006"), true), "way {way}: {error}");
        assert_ne!(session(&db).await, before, "way {way}");
    }
}

/// rule 36: in a block that may not write it is the block's own doing
#[tokio::test]
async fn a_read_only_block_that_writes_retires_nothing() {
    let backend = Backend::postgres().await.with(|options| options.max_connections(1));
    let db = &backend.db;
    backend.observer().batch("create table item (id integer)").await.expect("a table");
    let before = session(db).await;
    let read_only = || db.build_transaction().read_only();
    for nested in [false, true] {
        let block =
            read_only().atomic(|| async { if nested { db.atomic(|| write(db)).await } else { write(db).await } });
        let error = block.await.expect_err("read only");
        assert_eq!((error.code(), error.is_retryable()), (Some("25006"), false));
    }
    assert_eq!(session(db).await, before);
}

/// rule 36: a server that ends its sessions
#[tokio::test]
async fn a_session_that_the_administrator_ends_retires_the_others() {
    let backend = Backend::postgres().await;
    let db = &backend.db;
    let error = db
        .atomic(|| async {
            let own = session(db).await;
            backend.observer().execute("select pg_terminate_backend($1::int)", params![own]).await?;
            statement(db).await
        })
        .await
        .expect_err("ended");
    assert_eq!((error.kind(), error.code(), error.is_retryable()), (ErrorKind::ConnectionLost, Some("57P01"), true));
    // Outside a block it may have taken effect.
    let ends_itself = db.query("select pg_terminate_backend(pg_backend_pid())", params![]).await;
    let error = ends_itself.expect_err("ended");
    assert_eq!((error.kind(), error.code(), error.is_retryable()), (ErrorKind::ConnectionLost, Some("57P01"), false));
    statement(db).await.expect("another connection");
}

for_every_kind! {
    of mysql:

    /// rule 36
    async fn a_server_that_was_switched_to_reading_is_left_and_taken_again(kind) {
        let sql = "create user 'plain'@'%' identified by ''; grant all privileges on nestling.* to 'plain'@'%'";
        let server = PrivateServer::start_with(kind, Setup { sql, ..Setup::default() }).await;
        let admin = Database::open(&server.url()).expect("a valid URL");
        admin.batch("create table item (id integer)").await.expect("a table");
        let url = server.url().replace("nestling@", "plain@");
        let db = Database::builder(&url).max_connections(2).build().expect("a valid URL");
        let before = session(&db).await;
        write(&db).await.expect("it takes writes");
        admin.batch("set global read_only = 1").await.expect("switched");
        let mut seen = before;
        for in_block in [true, false] {
            let outcome = if in_block { db.atomic(|| write(&db)).await } else { write(&db).await };
            let error = outcome.expect_err("it takes no writes");
            assert_eq!((error.code(), error.is_retryable()), (Some("1290"), true), "{error}");
            let now = session(&db).await;
            assert_ne!(now, seen);
            seen = now;
        }
        let read_only = db.build_transaction().read_only().atomic(|| write(&db)).await.expect_err("read only");
        assert!(!read_only.is_retryable(), "{read_only}");
        assert_eq!(session(&db).await, seen, "the block's own doing retires nothing");
        admin.batch("set global read_only = 0").await.expect("switched back");
        db.atomic(|| write(&db)).await.expect("it takes writes again");
        if kind == Kind::Mysql {
            // MariaDB waits for open transactions.
            let block = db.atomic(|| async {
                write(&db).await?;
                admin.batch("set global read_only = 1").await
            });
            let error = block.await.expect_err("the COMMIT is refused");
            assert_eq!((error.code(), error.is_retryable()), (Some("1290"), true), "{error}");
            assert_ne!(session(&db).await, seen);
            admin.batch("set global read_only = 0").await.expect("switched back");
            db.atomic(|| write(&db)).await.expect("it takes writes again");
        }
    }

    /// rule 36: error 1290 is about other options too
    async fn another_option_in_the_way_retires_nothing(kind) {
        let options: &[&str] = if kind == Kind::Mysql { &[] } else { &["secure-file-priv=/tmp"] };
        let server = PrivateServer::start_with(kind, Setup { options, ..Setup::default() }).await;
        let db = Database::builder(&server.url()).max_connections(1).build().expect("a valid URL");
        let before = session(&db).await;
        let error = db.execute("select 1 into outfile '/nowhere/x'", params![]).await.expect_err("no files");
        assert_eq!((error.code(), error.is_retryable()), (Some("1290"), false), "{error}");
        assert_eq!(session(&db).await, before);
    }
}
