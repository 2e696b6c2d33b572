//! What the pages of the options say: their defaults, and settings that a database does not have.

use nestling::{Database, Error, ErrorKind, Isolation, MySQLDatabase, PostgresqlDatabase, SqliteDatabase, params};

use crate::harness::{Backend, insert};

/// `DatabaseBuilder`: what each option defaults to
#[test]
fn the_defaults_are_those_that_the_pages_tell() {
    let told = format!("{:?}", Database::builder("sqlite://nowhere.db"));
    for default in [
        "max_connections: 16",
        "min_connections: 0",
        "acquire_timeout: 30s",
        "turn_timeout: 60s",
        "connect_timeout: 10s",
        "close_timeout: 5s",
        "idle_timeout: Some(600s)",
        "max_lifetime: Some(1800s)",
        "autoconnect: None",
        "statement_cache: 256",
        "busy_timeout: 5s",
        "register_hstore: true",
    ] {
        assert!(told.contains(default), "{default} is not in {told}");
    }
}

/// `PostgresqlDatabase::open` and its kin: `Config` if the URL names another sort of database
#[test]
fn a_database_of_a_name_takes_urls_of_its_own_sort() {
    let urls = ["postgres://u@h/d", "postgresql://u@h/d", "mysql://u@h/d", "mariadb://u@h/d", "sqlite:x.db", "no url"];
    let kinds = urls.map(|url| {
        [PostgresqlDatabase::open(url), MySQLDatabase::open(url), SqliteDatabase::open(url)]
            .map(|opened| opened.map_or_else(|error| error.kind() != ErrorKind::Config, |_| true))
    });
    let (postgres, mysql, sqlite) = ([true, false, false], [false, true, false], [false, false, true]);
    assert_eq!(kinds, [postgres, postgres, mysql, mysql, sqlite, [false; 3]]);
}

test_on! {
    every_backend;

    /// rule 55; `TransactionBuilder`: "Elsewhere it changes nothing", and "SQLite is serializable whatever is asked for"
    async fn isolation_and_deferrable_are_taken_by_every_database(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        insert(db, 1, "one").await.expect("an item");
        for isolation in [
            Isolation::ReadUncommitted, Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable,
        ] {
            let options = || db.build_transaction().isolation(isolation).deferrable();
            options().atomic(|| db.execute("update item set name = 'two'", params![])).await.expect("it writes");
            let read = options().read_only().atomic(|| db.query("select * from item", params![])).await;
            assert_eq!(read.expect("it reads").len(), 1, "{isolation:?}");
        }
        assert_eq!(backend.items().await, ["two"]);
    }

    /// rule 55; `TransactionBuilder::atomic`: `Unsupported` for settings that the database does not have
    async fn a_local_setting_is_refused_where_there_is_none(backend) {
        let backend = backend.with_items().await;
        let (db, key) = (&backend.db, backend.choose("lock_timeout", "lock_wait_timeout", "anything"));
        let root = db.build_transaction().set_local(key, "7").atomic(|| insert(db, 1, "in a root")).await;
        let nested = db.atomic(|| async {
            insert(db, 2, "around").await?;
            let inner = db.build_transaction().set_local(key, "7").atomic(|| insert(db, 3, "nested")).await;
            Ok::<_, Error>(inner.err().map(|error| error.kind()))
        });
        let (root, nested) = (root.err().map(|error| error.kind()), nested.await.expect("the block around goes on"));
        let told = backend.choose(None, None, Some(ErrorKind::Unsupported));
        assert_eq!((root, nested), (told, told));
        let all = backend.choose(3, 3, 1);
        assert_eq!(backend.items().await.len(), all);
    }
}

/// limits: "A URL's certificate file is read when the database is opened"
#[test]
fn a_certificate_file_that_is_not_there_is_told_when_the_database_is_opened() {
    for url in [
        "postgres://u@127.0.0.1:1/d?sslmode=verify-full&sslrootcert=/nowhere/root.pem",
        "mysql://u@127.0.0.1:1/d?ssl-mode=VERIFY_IDENTITY&ssl-ca=/nowhere/root.pem",
    ] {
        let error = Database::open(url).expect_err("there is no such file");
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("/nowhere/root.pem"), "{error}");
    }
}

/// `Database::connection`: "Where a connection is pinned or a transaction open already, the body runs on that"
#[tokio::test]
async fn a_pin_inside_a_block_or_a_pin_is_that_connection() {
    let backend = Backend::postgres().await.with_items().await.with(|options| options.max_connections(1));
    let db = &backend.db;
    let session = || async { db.query_one("select pg_backend_pid()", params![]).await?.get::<i32>(0) };
    let block = db.atomic(|| async {
        insert(db, 1, "one").await?;
        let pinned = db.connection(|| async {
            insert(db, 2, "two").await?;
            db.connection(session).await
        });
        Ok::<_, Error>((session().await?, pinned.await?))
    });
    let (outer, inner) = block.await.expect("there is no other connection");
    assert_eq!(outer, inner);
    let undone = db.atomic(|| async {
        db.connection(|| insert(db, 3, "three")).await?;
        db.set_rollback_only()
    });
    undone.await.expect("it is rolled back");
    assert_eq!(backend.items().await, ["one", "two"]);
}
