//! What the documents say of PostgreSQL: numbers that do not fit, forgotten types, dropped statements, and unix sockets.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    time::Duration,
};

use nestling::{Context, Database, Error, ErrorKind, Params, Value, params};

use crate::harness::{Backend, insert, poll_once};

/// A parameter as the server has it in a type.
async fn as_text(db: &Database, ty: &str, value: impl Into<Value>) -> Result<String, Error> {
    let sql = format!("select cast(cast($1 as {ty}) as text)");
    db.query_one(&sql, Params::from(vec![value.into()])).await?.get(0)
}

/// rule 31; limits: "an integer that a float column cannot hold exactly is refused. A fraction is rounded to the column's type"
#[tokio::test]
async fn a_number_is_rounded_or_refused_by_the_type_that_takes_it() {
    let backend = Backend::postgres().await;
    let db = &backend.db;
    for (ty, value, told) in [
        ("float8", Value::from(9_007_199_254_740_992_i64), "9.007199254740992e+15"),
        ("float4", Value::from(16_777_216_i64), "1.6777216e+07"),
        ("float4", Value::from(0.1_f64), "0.1"),
        ("float8", Value::from(0.5_f32), "0.5"),
    ] {
        assert_eq!(as_text(db, ty, value).await.unwrap_or_else(|error| panic!("{ty}: {error:?}")), told, "{ty}");
    }
    for (ty, value) in [
        ("float8", Value::from(9_007_199_254_740_993_i64)),
        ("float4", Value::from(16_777_217_i64)),
        ("float4", Value::from(1e39_f64)),
        ("float4", Value::from(1e-60_f64)),
    ] {
        let error = as_text(db, ty, value.clone()).await.expect_err("it does not fit");
        assert_eq!(error.kind(), ErrorKind::Parameter, "{ty} {value:?}: {error}");
    }
}

/// rule 31: after DEALLOCATE ALL in a block a statement runs whose type the connection has not met
#[tokio::test]
async fn a_new_type_behind_deallocate_all_in_a_block_is_looked_up() {
    let backend = Backend::postgres().await.with(|options| options.max_connections(1));
    let db = &backend.db;
    backend
        .observer()
        .batch("create type mood as enum ('glad'); create type tint as enum ('red')")
        .await
        .expect("types");
    let mood = || async { db.query_one("select 'glad'::mood", params![]).await?.get::<String>(0) };
    assert_eq!(mood().await.expect("a mood"), "glad");
    let block = db.atomic(|| async {
        db.execute("deallocate all", params![]).await?;
        assert_eq!(mood().await?, "glad", "a type that it knows");
        db.query_one("select 'red'::tint", params![]).await?.get::<String>(0)
    });
    assert_eq!(block.await.expect("a tint"), "red");
    db.query_one("select 'red'::tint", params![]).await.expect("the next one is fine");
}

/// rule 38; limits: "each statement that is dropped while the server is at work on it costs a connection"
#[tokio::test]
async fn a_dropped_statement_costs_its_connection() {
    let backend = Backend::postgres().await.with(|options| options.max_connections(1));
    let db = &backend.db;
    let session = || async {
        db.query_one("select pg_backend_pid()", params![]).await.and_then(|row| row.get::<i32>(0)).expect("a session")
    };
    let first = session().await;
    let slow = tokio::spawn({
        let db = db.clone();
        async move { db.query("select pg_sleep(60)", params![]).await }
    });
    let asleep = async || -> i64 {
        let sql = "select count(*) from pg_stat_activity where application_name = $1 and wait_event = 'PgSleep'";
        let row = backend.observer().query_one(sql, params![backend.name.clone()]).await;
        row.and_then(|row| row.get(0)).expect("a count")
    };
    wait_while!(asleep().await == 0, by yielding);
    slow.abort();
    wait_while!(asleep().await > 0, by yielding);
    assert_ne!(session().await, first);
    backend.settled().await;
}

/// Whether a client logs in over a unix socket when it is told, as PostgreSQL does there, that there is no TLS.
fn logs_in(listener: UnixListener) -> std::thread::JoinHandle<bool> {
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        let mut words = [0; 8];
        client.read_exact(&mut words).expect("the client says something");
        assert_eq!(words, [0, 0, 0, 8, 4, 210, 22, 47], "it asks for TLS");
        client.write_all(b"N").expect("the client hears it");
        // The start-up message has the version 3.0 behind its length.
        client.read_exact(&mut words).is_ok_and(|()| words[4..] == [0, 3, 0, 0])
    })
}

/// limits: "TLS over unix sockets there is none. PostgreSQL's `prefer` goes without; what insists on TLS is refused."
#[tokio::test]
async fn over_a_unix_socket_what_insists_on_tls_is_refused() {
    let folder = std::env::temp_dir().join(format!("nestling_sock_{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(".s.PGSQL.5432");
    let host = folder.display().to_string().replace('/', "%2F");
    for mode in ["prefer", "require", "verify-full"] {
        let listener = UnixListener::bind(&path).expect("a socket");
        let server = logs_in(listener);
        let db = Database::open(&format!("postgres://postgres@{host}/nestling?sslmode={mode}")).expect("a valid URL");
        let error = db.connect().await.expect_err("it is no server");
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert_eq!(server.join().expect("no panic"), mode == "prefer", "{mode}");
        std::fs::remove_file(&path).expect("the socket");
    }
    std::fs::remove_dir_all(&folder).expect("the folder");
}

/// rules 6 and 36; limits: "A connection that is thrown away while a future that used it is kept is rolled back at once; its
/// socket is closed when that future is dropped"
#[tokio::test]
async fn a_connection_that_a_kept_future_holds_is_rolled_back_at_once() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    let mut kept = None;
    let block = db.atomic(|| async {
        insert(db, 1, "lost").await?;
        let own = db.clone();
        let mut slow =
            Box::pin(Context::current().enter(async move { own.query("select pg_sleep(60)", params![]).await }));
        assert!(poll_once(slow.as_mut()).await.is_pending());
        kept = Some(slow);
        Err::<(), _>(Database::open("no URL").expect_err("it is none"))
    });
    assert_eq!(block.await.expect_err("its own").kind(), ErrorKind::Config);
    backend.settled().await;
    assert_eq!(backend.locks_at_server().await, 0, "nothing is open at the server");
    insert(db, 1, "next").await.expect("nothing is in its way");
    drop(kept);
    backend.sessions_come_to(1).await;
    assert_eq!(backend.items().await, ["next"]);
}

/// rule 36; limits: "A block that was made read-only by a setting and writes looks like a primary that was demoted", and
/// "What a native client is told by the server does not retire connections"
#[tokio::test]
async fn only_what_the_crate_is_told_itself_is_taken_for_a_demoted_primary() {
    let backend = Backend::postgres().await.with_items().await.with(|options| options.max_connections(1));
    let db = &backend.db;
    let session = || async {
        db.query_one("select pg_backend_pid()", params![]).await.and_then(|row| row.get::<i32>(0)).expect("a session")
    };
    let first = session().await;
    let native = db.with_postgres(|client| async move {
        let text = "begin read only; insert into item values (1, 'never')";
        let error = client.batch_execute(text).await.expect_err("it only reads");
        assert_eq!(error.code().map(|code| code.code()), Some("25006"));
        Ok::<_, Error>(())
    });
    native.await.expect("the closure passes over it");
    assert_eq!(session().await, first);
    let block = db.atomic(|| async {
        db.query("select set_config('transaction_read_only', 'on', true)", params![]).await?;
        insert(db, 1, "never").await
    });
    let error = block.await.expect_err("it only reads");
    assert_eq!((error.code(), error.is_retryable()), (Some("25006"), true), "{error:?}");
    assert_ne!(session().await, first, "the connection is replaced");
}
