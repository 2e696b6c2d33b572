//! Databases that are opened by their parts, without a URL, and passwords that a function gives.

use std::{
    error::Error as _,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use nestling::{
    Database, DatabaseBuilder, Error, ErrorKind,
    connect::{TlsMode, TlsRoots},
    params,
    types::FromCell,
};

use crate::{
    harness::Backend,
    test_servers::{Kind, PrivateServer, Setup},
};

/// What would have to be escaped in a URL.
const PASSWORD: &str = "p@ss:w/o?r&d#100%25 é";

async fn value<T: for<'c> FromCell<'c>>(db: &Database, sql: &str) -> T {
    db.query_one(sql, params![]).await.expect("a row").get(0).expect("a value")
}

/// A password that changes, and how often it was asked for.
#[derive(Clone, Default)]
struct Vault(Arc<(Mutex<String>, AtomicU32)>);

impl Vault {
    fn set(&self, password: &str) {
        password.clone_into(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn asked(&self) -> u32 {
        self.0.1.load(Ordering::SeqCst)
    }

    fn open(&self, builder: DatabaseBuilder) -> Database {
        let vault = self.clone();
        let ask = move || {
            vault.0.1.fetch_add(1, Ordering::SeqCst);
            let password = vault.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            async move { Ok::<_, io::Error>(password) }
        };
        builder.password_from(ask).build().expect("valid parts")
    }
}

/// A server that asks all users but its administrator for passwords, with one such user.
async fn postgres_with_user() -> (PrivateServer, Database) {
    let hba = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n".to_owned();
    let setup = Setup { files: vec![("pg_hba.conf", hba)], ..Setup::default() };
    let server = PrivateServer::start_with(Kind::Postgres, setup).await;
    let admin = Database::open(&server.url()).expect("a valid URL");
    admin.batch(&format!("create role \"o'app\" login password '{PASSWORD}'")).await.expect("a user");
    admin.batch("create database \"a/b?c\"").await.expect("a database");
    (server, admin)
}

/// issue 14, part 5
#[tokio::test]
async fn parts_of_postgresql_need_no_escapes() {
    let (server, _admin) = postgres_with_user().await;
    let parts = || Database::postgres().host("127.0.0.1").port(server.port()).user("o'app").password(PASSWORD);
    let db = parts().database("a/b?c").application_name("a name/of ours").build().unwrap();
    let sql = "select concat_ws(' | ', current_user, current_database(), current_setting('application_name'))";
    assert_eq!(value::<String>(&db, sql).await, "o'app | a/b?c | a name/of ours");
    let unnamed = parts().database("nestling").build().unwrap();
    assert_eq!(value::<String>(&unnamed, "select current_setting('application_name')").await, "nestling");
    let wrong = parts().password("wrong").database("a/b?c").build().unwrap().connect().await.unwrap_err();
    assert_eq!((wrong.kind(), wrong.sqlstate()), (ErrorKind::Connect, Some("28P01")));
    // Beside a URL they take the place of its own.
    let url = format!("postgres://nobody:nothing@127.0.0.1:{}/nestling?application_name=x", server.port());
    let beside = Database::builder(&url).user("o'app").password(PASSWORD).database("a/b?c").application_name("y");
    let shown = format!("{beside:?}");
    assert!(!shown.contains("o'app") && !shown.contains("p@ss"), "{shown}");
    assert_eq!(value::<String>(&beside.build().unwrap(), sql).await, "o'app | a/b?c | y");
}

/// issue 14, part 5
#[tokio::test]
async fn each_new_connection_to_postgresql_asks_for_the_password() {
    let (server, admin) = postgres_with_user().await;
    let vault = Vault::default();
    vault.set(PASSWORD);
    let parts = Database::postgres().host("127.0.0.1").port(server.port()).user("o'app").database("a/b?c");
    let db = vault.open(parts.max_connections(2));
    assert_eq!(vault.asked(), 0);
    let inside = db.atomic(|| async {
        assert_eq!(value::<i32>(&db, "select 1").await, 1);
        assert_eq!(vault.asked(), 1);
        admin.batch("alter role \"o'app\" password 'the next'").await?;
        let other = || nestling::scope(db.query("select 2", ()));
        let old = other().await.expect_err("the old password");
        assert_eq!((old.kind(), old.sqlstate()), (ErrorKind::Connect, Some("28P01")));
        vault.set("the next");
        other().await?;
        assert_eq!(vault.asked(), 3);
        other().await?;
        assert_eq!(vault.asked(), 3, "no new connection");
        Ok::<_, Error>(())
    });
    inside.await.unwrap();
}

/// issue 14, part 5
#[tokio::test]
async fn a_function_that_has_no_password_is_told() {
    for builder in [Database::postgres(), Database::mysql()] {
        let ask = || async { Err::<String, _>(io::Error::other("the vault is sealed")) };
        let error = builder.password_from(ask).build().unwrap().connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        let (mut source, mut texts) = (error.source(), Vec::new());
        while let Some(cause) = source {
            texts.push(cause.to_string());
            source = cause.source();
        }
        assert!(texts.iter().any(|text| text == "the vault is sealed"), "{texts:?}");
    }
}

test_on! {
    mysql_and_mariadb;

    /// issue 14, part 5: the helpers that end statements ask too
    async fn each_new_connection_to_mysql_asks_for_the_password(backend) {
        let user = &backend.name().replace("nestling", "v");
        let admin = backend.observer();
        let password = |word: &str| if word.is_empty() { String::new() } else { format!("identified by '{word}'") };
        let create = format!("create user '{user}'@'%' {}; grant all on {}.* to '{user}'@'%'", password(PASSWORD), backend.name());
        admin.batch(&create).await.expect("a user");
        let vault = Vault::default();
        vault.set(PASSWORD);
        let (_, address) = backend.url().rsplit_once('@').expect("a URL with a user");
        let port = address.split_once(':').and_then(|(_, rest)| rest.split('/').next()).expect("a port");
        let parts = Database::mysql().host("127.0.0.1").port(port.parse().expect("a port")).user(user);
        let db = vault.open(parts.database(backend.name()).application_name("o'ours").max_connections(1));
        let me: String = value(&db, "select current_user()").await;
        assert!(me.starts_with(user.as_str()), "{me}");
        if !backend.is_mariadb().await {
            let id: i64 = value(&db, "select connection_id()").await;
            let sql = format!(
                "select attr_value from performance_schema.session_connect_attrs
                    where attr_name = 'program_name' and processlist_id = {id}"
            );
            assert_eq!(value::<String>(admin, &sql).await, "o'ours");
        }
        let asked = vault.asked();
        admin.batch(&format!("alter user '{user}'@'%' {}", password("the next"))).await.expect("it changes");
        vault.set("the next");
        tokio::select! {
            _ = db.query("select sleep(300)", params![]) => panic!("it takes long"),
            () = backend.runs_at_server("sleep", true) => {}
        }
        backend.runs_at_server("sleep", false).await;
        assert!(vault.asked() > asked, "the helper has asked");
        assert_eq!(value::<i64>(&db, "select 1").await, 1);
        admin.batch(&format!("drop user '{user}'@'%'")).await.expect("it goes");
    }
}

/// issue 14, part 5
#[tokio::test]
async fn a_socket_is_a_part_too() {
    let backend = Backend::postgres().await;
    let folders: String = value(backend.observer(), "select current_setting('unix_socket_directories')").await;
    let (_, port) = backend.url().rsplit_once(':').expect("a port");
    let port = port.split('/').next().and_then(|port| port.parse().ok()).expect("a port");
    let parts = Database::postgres().port(port).user("postgres").database("nestling");
    let folder = folders.split(',').next().expect("a folder").trim();
    let db = parts.socket(folder).build().unwrap();
    assert!(value::<bool>(&db, "select inet_client_addr() is null").await, "{folder}");
}

test_on! {
    sqlite;

    /// issue 14, part 5
    async fn each_connection_to_sqlite_runs_its_pragmas(backend) {
        let (_, path) = backend.url().split_once("//").expect("a file");
        let folder = std::path::Path::new(path).parent().expect("a folder").join("50% of #1? über");
        std::fs::create_dir(&folder).expect("a folder");
        let builder = Database::sqlite(folder.join("a b.db")).max_connections(2);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let db = builder
            .pragma("journal_mode", "delete")
            .pragma("cache_size", "-1234")
            .pragma("foreign_keys", "off")
            .after_connect(move |connection| {
                let kept = Arc::clone(&kept);
                async move {
                    let size: i64 = connection.query("pragma cache_size", params![]).await?[0].get(0)?;
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(size);
                    Ok::<_, Error>(())
                }
            })
            .build()
            .unwrap();
        let all = async || {
            let mode: String = value(&db, "pragma journal_mode").await;
            let (size, keys): (i64, i64) = (value(&db, "pragma cache_size").await, value(&db, "pragma foreign_keys").await);
            (mode, size, keys)
        };
        let wanted = ("delete".to_owned(), -1234, 0);
        let both = db.connection(|| async {
            let first = all().await;
            Ok::<_, Error>((first, nestling::scope(all()).await))
        });
        assert_eq!(both.await.unwrap(), (wanted.clone(), wanted));
        assert_eq!(*seen.lock().unwrap_or_else(PoisonError::into_inner), [-1234, -1234], "ahead of after_connect");
        assert!(folder.join("a b.db").exists());
    }

    /// issue 14, part 5: its one connection is reset, and has them again
    async fn a_database_in_memory_keeps_its_pragmas(_backend) {
        let db = Database::sqlite(":memory:").pragma("foreign_keys", "off").build().unwrap();
        assert_eq!(value::<i64>(&db, "pragma foreign_keys").await, 0);
        db.execute("pragma foreign_keys = on", ()).await.unwrap();
        assert_eq!(value::<i64>(&db, "pragma foreign_keys").await, 0);
    }
}

/// issue 14, part 5
#[tokio::test]
async fn parts_that_do_not_go_together_are_refused() {
    let kind = |builder: DatabaseBuilder| builder.build().map(drop).map_err(|error| error.kind());
    let config = [
        Database::postgres().host("a").socket("/b"),
        Database::mysql().password("x").password_from(|| async { Ok::<_, Error>(String::new()) }),
        Database::builder("postgres://h/db").host("other"),
        Database::builder("mysql://h/db").port(1),
        Database::sqlite(""),
        Database::sqlite(":memory:").pragma("a b", "1"),
        Database::sqlite(":memory:").pragma("busy_timeout", "1"),
        Database::postgres().tls(TlsMode::VerifyFull).tls_roots(TlsRoots::Pem(b"nothing".to_vec())),
        Database::mysql().tls_roots(TlsRoots::Pem(b"nothing".to_vec())),
    ];
    for builder in config {
        assert_eq!(kind(builder.clone()), Err(ErrorKind::Config), "{builder:?}");
    }
    let unsupported = [
        Database::postgres().pragma("x", "1"),
        Database::mysql().pragma("x", "1"),
        Database::sqlite(":memory:").host("h"),
        Database::builder("sqlite::memory:").user("u"),
        Database::sqlite(":memory:").tls(TlsMode::Disable),
    ];
    for builder in unsupported {
        assert_eq!(kind(builder.clone()), Err(ErrorKind::Unsupported), "{builder:?}");
    }
}
