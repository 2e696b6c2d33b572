//! Who may log in, and what a server may not ask for.

use nestling::{Database, ErrorKind, params};

use super::value;
use crate::harness::Backend;

/// Logs in, twice as the second time may go another way, and tells who it is.
async fn log_in(backend: &Backend, user: &str, password: &str) {
    let (_, host) = backend.url().rsplit_once('@').expect("a URL with a user");
    for _ in 0..2 {
        let db = Database::open(&format!("mysql://{user}:{password}@{host}")).expect("a valid URL");
        let me: String = value(&db, "select current_user()", params![]).await;
        assert!(me.starts_with(user), "{me}");
        // The helper that ends statements logs in as the same user.
        tokio::select! {
            _ = db.query("select sleep(600)", params![]) => panic!("it takes long"),
            () = backend.runs_at_server("sleep", true) => {}
        }
        backend.runs_at_server("sleep", false).await;
    }
    let wrong = Database::open(&format!("mysql://{user}:not-{password}@{host}")).expect("a valid URL");
    let refused = wrong.connect().await.expect_err("the wrong password");
    assert_eq!(refused.kind(), ErrorKind::Connect);
    assert!(!format!("{refused} {refused:?}").contains(password), "{refused:?}");
}

/// Makes a user of the test's own, whose name is returned.
pub(super) async fn create_user(backend: &Backend, plugin: &str, identified: &str) -> String {
    let user = format!("{}_{plugin}", backend.name().replace("nestling", "u"));
    let sql = format!(
        "drop user if exists '{user}'@'%'; create user '{user}'@'%' identified {identified};
         grant all on {}.* to '{user}'@'%'",
        backend.name()
    );
    backend.observer().batch(&sql).await.expect("a user");
    user
}

async fn with_user(backend: &Backend, plugin: &str, identified: &str) {
    let user = create_user(backend, plugin, identified).await;
    log_in(backend, &user, "pa55word").await;
    backend.observer().batch(&format!("drop user '{user}'@'%'")).await.expect("it goes");
}

test_on! {
    mysql_and_mariadb;

    /// rule 57: the authentication that each server has by default, and MariaDB's better one
    async fn users_with_passwords_log_in(backend) {
        if backend.is_mariadb().await {
            with_user(&backend, "native", "via mysql_native_password using password('pa55word')").await;
            with_user(&backend, "ed25519", "via ed25519 using password('pa55word')").await;
        } else {
            with_user(&backend, "sha2", "with caching_sha2_password by 'pa55word'").await;
        }
    }

    /// issue: LOCAL INFILE is off unless asked for
    async fn a_server_is_given_no_file(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        // Where the server's own switch is on, it is the client that refuses.
        backend.observer().batch("set global local_infile = 1").await.expect("an administrator may");
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let load = format!("load data local infile '{file}' into table item (name)");
        for _ in 0..2 {
            let refused = db.execute(&load, params![]).await.expect_err("no file is given");
            assert!(matches!(refused.kind(), ErrorKind::Unsupported), "{refused:?}");
        }
        let inside = db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![1, "before"]).await?;
            db.execute(&load, params![]).await.expect_err("no file is given");
            db.execute("insert into item values ($1, $2)", params![2, "behind"]).await
        });
        let error = inside.await.expect_err("the connection goes with it");
        assert!(error.is_connection_lost(), "{error:?}");
        assert!(backend.items().await.is_empty());
        backend.settled().await;
    }
}
