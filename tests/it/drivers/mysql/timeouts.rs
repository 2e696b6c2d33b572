//! A lock that does not come in time: the statement alone fails, or the whole transaction where the server is set so.

use nestling::{Database, Error, ErrorKind, native::mysql_async::prelude::Queryable as _, params};

use crate::{
    harness::Backend,
    test_servers::{PrivateServer, Setup},
};

/// A block that writes, waits in vain in a block of its own, and tries to write on.
async fn wait_in_vain(backend: &Backend) -> (Error, Result<u64, Error>, Result<(), Error>) {
    let (db, holder) = (&backend.db, backend.observer());
    db.batch("insert into item values (1, 'held')").await.expect("a row");
    holder
        .atomic(|| async {
            holder.execute("update item set name = 'holder' where id = 1", params![]).await?;
            let (mut late, mut later) = (None, None);
            let options = db.build_transaction().set_local("innodb_lock_wait_timeout", "1");
            let result = options.atomic(|| async {
                db.execute("insert into item values ($1, $2)", params![2, "before"]).await?;
                let inner = db.atomic(|| db.execute("update item set name = $1 where id = $2", params!["mine", 1]));
                late = inner.await.err();
                later = Some(db.execute("insert into item values ($1, $2)", params![3, "behind"]).await);
                Ok::<_, Error>(())
            });
            let result = result.await;
            Ok::<_, Error>((late.expect("the row is locked"), later.expect("it was tried"), result))
        })
        .await
        .expect("the holder commits")
}

test_on! {
    mysql_and_mariadb;

    /// rule 32
    async fn a_lock_that_does_not_come_fails_the_statement_alone(backend) {
        let backend = backend.with_items().await;
        let (late, later, result) = wait_in_vain(&backend).await;
        assert!(late.is_timeout() && !late.is_deadlock() && !late.is_retryable(), "{late:?}");
        assert_eq!(late.code(), Some("1205"));
        later.expect("the transaction is alive");
        result.expect("it commits");
        assert_eq!(backend.items().await, ["before", "behind", "holder"]);
        backend.settled().await;
    }
}

for_every_kind! {
    of mysql:
    /// rule 32, with innodb_rollback_on_timeout
    async fn a_lock_that_does_not_come_fails_the_transaction_where_the_server_is_set_so(kind) {
        let setup = Setup { options: &["innodb-rollback-on-timeout=ON"], ..Setup::default() };
        let server = PrivateServer::start_with(kind, setup).await;
        let backend = Backend::of_mysql(&server.url()).await.with_items().await;
        let (late, later, result) = wait_in_vain(&backend).await;
        assert!(late.is_timeout(), "{late:?}");
        assert_eq!(late.code(), Some("1205"));
        let later = later.expect_err("it is gone");
        assert_eq!(later.kind(), ErrorKind::Aborted);
        assert!(later.is_timeout() || later.code() == Some("1205"), "{later:?}");
        assert_eq!(result.expect_err("nothing to commit").kind(), ErrorKind::RolledBack);
        assert_eq!(backend.items().await, ["holder"], "nothing was kept, nothing autocommitted");
        backend.settled().await;
    }

    /// rules 36 and 55: sessions are UTC, strict and UTF-8 whatever the server's defaults, and stay so
    async fn a_server_with_other_defaults_is_no_matter(kind) {
        let options = &["sql-mode=", "character-set-server=latin1", "default-time-zone=+05:00"];
        let server = PrivateServer::start_with(kind, Setup { options, ..Setup::default() }).await;
        let backend = Backend::of_mysql(&server.url()).await.with(|options| options.max_connections(1));
        let db = &backend.db;
        db.batch("create table note (id int, t varchar(4) character set utf8mb4, at timestamp(6) null)").await.expect("a table");
        check_session(db).await;
        let options = db.build_transaction().set_local("time_zone", "+02:00").set_local("sql_mode", "");
        let options = options.set_local("collation_connection", "latin1_swedish_ci");
        let inside = options.atomic(|| async { db.query_one("select @@time_zone", params![]).await?.get(0) });
        assert_eq!(inside.await.map(|zone: String| zone).expect("a zone"), "+02:00");
        for _ in 0..2 {
            check_session(db).await;
            let spoilt = db.with_mysql(|mut client| async move {
                let spoil = "set names latin1, time_zone = '+03:00', sql_mode = ''";
                client.query_drop(spoil).await.expect("it is set");
                Ok::<_, Error>(())
            });
            spoilt.await.expect("lent and given back");
        }
        check_session(db).await;
        backend.settled().await;
    }
}

async fn check_session(db: &Database) {
    let at = chrono::DateTime::from_timestamp_micros(1_700_000_000_123_456).expect("a moment");
    db.execute("insert into note values (1, $1, $2)", params!["a😀ü", at]).await.expect("four characters at most");
    let row = db.query_one("select t, at, length(t), cast(at as char) from note", params![]).await.expect("the row");
    let read: (String, chrono::DateTime<chrono::Utc>, i64, String) = row.to().expect("what was written");
    assert_eq!(read, ("a😀ü".to_owned(), at, 7, "2023-11-14 22:13:20.123456".to_owned()));
    db.execute("update note set t = $1", params!["12345"]).await.expect_err("too long: strict");
    db.execute("delete from note", params![]).await.expect("a clean table");
}
