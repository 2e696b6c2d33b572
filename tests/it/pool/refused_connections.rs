//! Connections that cannot be made: what may come soon is waited for in line, all else is told at once, with host, port,
//! reason and code. Section H, rule 60.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use nestling::{Database, Error, ErrorKind, params};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::{
    harness::Backend,
    test_servers::{Kind, PrivateServer, Setup},
    wire::statement,
};

/// Longer than any of these tests takes if nothing waits in vain.
const LONG: Duration = Duration::from_secs(60);

/// A server with few connections. MariaDB takes no less than ten.
async fn small(kind: Kind) -> PrivateServer {
    let options: &[&str] = match kind {
        Kind::Postgres => &["max_connections=10", "superuser_reserved_connections=0"],
        Kind::Mariadb | Kind::Mysql => &["max-connections=10"],
    };
    PrivateServer::start_with(kind, Setup { options, ..Setup::default() }).await
}

fn code(kind: Kind) -> &'static str {
    if kind == Kind::Postgres { "53300" } else { "1040" }
}

/// Takes all connections that a server has.
async fn fill(server: &PrivateServer) -> Vec<Database> {
    let open = |wait| {
        let options = Database::builder(&server.url()).max_connections(1).connect_timeout(LONG).acquire_timeout(wait);
        options.build().expect("a valid URL")
    };
    let mut held = vec![open(LONG)];
    held[0].connect().await.expect("it has room");
    // An attempt that is given up may have a slot for a while, which then comes free: none is before the server is full.
    loop {
        // Whoever looked whether the server is up may be leaving still.
        wait_while!(sessions(server, &held[0]).await > held.len());
        let (db, before) = (open(LONG), refusals(server, &held[0]).await);
        let is_refused = async { wait_while!(refusals(server, &held[0]).await == before) };
        tokio::select! {
            made = db.connect() => made.expect("it has room"),
            () = is_refused => break,
        }
        held.push(db);
        assert!(held.len() < 20, "the server refuses nobody");
    }
    let late = open(Duration::from_millis(200));
    let refused = async || {
        let error = late.connect().await.expect_err("it is full");
        assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::PoolTimeout, true), "{error}");
        error
    };
    let mut error = refused().await;
    // On a busy machine the server has not even refused by then.
    wait_while!(error.code().is_none(), { error = refused().await });
    assert_eq!(error.code(), Some(code(server.kind())), "{error:?}");
    let source = std::error::Error::source(&error).expect("the server's refusal").to_string();
    assert!(source.contains(&server.addr().to_string()), "{source}");
    held
}

/// How many sessions the server has.
async fn sessions(server: &PrivateServer, held: &Database) -> usize {
    let sql = match server.kind() {
        Kind::Postgres => "select '', count(*)::text from pg_stat_activity where backend_type = 'client backend'",
        Kind::Mariadb | Kind::Mysql => "show global status like 'Threads_connected'",
    };
    second(held, sql).await
}

/// The second column of the only row, which is a number as a text.
async fn second(db: &Database, sql: &str) -> usize {
    let row = db.query_one(sql, params![]).await.expect("a status");
    row.get::<String>(1).expect("a text").parse().expect("a number")
}

/// How many connections the server has refused.
async fn refusals(server: &PrivateServer, held: &Database) -> usize {
    if server.kind() == Kind::Postgres {
        return server.log().matches("too many clients already").count();
    }
    second(held, "show global status like 'Connection_errors_max_connections'").await
}

for_every_kind! {
    /// rule 60: a connection refused for want of slots is waited for, by queries, blocks, `connect` and `ping`
    async fn a_slot_that_comes_free_is_waited_for(kind) {
        let server = small(kind).await;
        let mut held = fill(&server).await;
        for way in 0..4 {
            let late = Database::builder(&server.url()).max_connections(3).acquire_timeout(LONG).build().expect("a URL");
            let waiting = async {
                match way {
                    0 => statement(&late).await,
                    1 => late.atomic(|| statement(&late)).await,
                    2 => late.connect().await,
                    _ => late.ping().await,
                }
            };
            let freeing = async {
                let before = refusals(&server, &held[0]).await;
                wait_while!(refusals(&server, &held[0]).await < before + 2);
                held.pop().expect("the server had connections").close().await;
            };
            let (waited, ()) = tokio::join!(waiting, freeing);
            waited.unwrap_or_else(|error| panic!("way {way}: {error}"));
            held.push(late);
        }
    }

    /// rules 59, 60: a pool that may have more connections than the server gives it shares those that it has
    async fn users_share_the_connections_that_the_server_gives(kind) {
        let server = small(kind).await;
        let db = Database::builder(&server.url()).max_connections(40).acquire_timeout(LONG).build().expect("a URL");
        let users = (0..40).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                for _ in 0..3 {
                    db.atomic(|| async {
                        statement(&db).await?;
                        tokio::task::yield_now().await;
                        statement(&db).await
                    })
                    .await?;
                }
                Ok::<_, Error>(())
            })
        });
        for user in users.collect::<Vec<_>>() {
            user.await.expect("no panic").expect("it is served");
        }
        let stats = db.stats();
        assert_eq!((stats.waiting, stats.connections), (0, stats.idle), "{stats:?}");
        assert!((1..=11).contains(&stats.connections), "{stats:?}");
    }

    /// rules 58, 60: closing ends the wait
    async fn closing_ends_the_wait_for_a_slot(kind) {
        let server = small(kind).await;
        let held = fill(&server).await;
        let late = Database::builder(&server.url()).acquire_timeout(LONG).build().expect("a URL");
        let before = refusals(&server, &held[0]).await;
        let users: Vec<_> = (0..3).map(|_| tokio::spawn({
            let late = late.clone();
            async move { statement(&late).await }
        })).collect();
        wait_while!(refusals(&server, &held[0]).await <= before);
        let start = Instant::now();
        late.close().await;
        for user in users {
            assert_eq!(user.await.expect("no panic").expect_err("closed").kind(), ErrorKind::Closed);
        }
        assert!(start.elapsed() < LONG);
    }
}

/// A server that refuses the first connections with a packet, and hands the rest on to another.
async fn refusing(upstream: u16, times: usize, packet: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        for count in 0.. {
            let Ok((mut client, _)) = listener.accept().await else { return };
            let packet = packet.clone();
            tokio::spawn(async move {
                if count >= times {
                    let mut server = TcpStream::connect(("127.0.0.1", upstream)).await.expect("the server");
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                    return;
                }
                client.write_all(&packet).await.expect("the client reads");
                // Closed ahead of the client, the answer could be lost.
                let _ = client.shutdown().await;
                let _ = client.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    port
}

/// An error of PostgreSQL, as it is sent.
fn postgres_error(code: &str, message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
    let len = u32::try_from(fields.len() + 4).expect("short");
    [b"E", &len.to_be_bytes()[..], fields.as_bytes()].concat()
}

/// An error of MySQL in place of its greeting, as it is sent.
fn mysql_error(code: u16, message: &str) -> Vec<u8> {
    let body = [&[0xff], &code.to_le_bytes()[..], message.as_bytes()].concat();
    let len = u32::try_from(body.len()).expect("short").to_le_bytes();
    [&[len[0], len[1], len[2], 0], &body[..]].concat()
}

/// The URL of the backend under test, at another port.
fn at_port(backend: &Backend, port: u16) -> (String, u16) {
    let url = backend.url();
    let (head, rest) = url.split_once("127.0.0.1:").expect("a local server");
    let digits = rest.find(|c: char| !c.is_ascii_digit()).expect("a database");
    let upstream = rest[..digits].parse().expect("a port");
    let join = if url.contains('?') { '&' } else { '?' };
    let plain = if backend.is_postgres() { format!("{join}sslmode=disable") } else { String::new() };
    (format!("{head}127.0.0.1:{port}{}{plain}", &rest[digits..]), upstream)
}

test_on! {
    every_server;

    /// rule 60: which refusals are waited for, and which are told at once
    async fn only_refusals_that_pass_are_waited_for(backend) {
        let refusals: Vec<(&str, Vec<u8>, bool)> = if backend.is_postgres() {
            let postgres = |code, message, passes| (code, postgres_error(code, message), passes);
            vec![
                postgres("53300", "sorry, too many clients already", true),
                postgres("53300", "too many connections for role \"x\"", true),
                postgres("57P03", "the database system is starting up", true),
                postgres("57P03", "the database system is shutting down", true),
                postgres("28P01", "password authentication failed", false),
                postgres("28000", "no pg_hba.conf entry", false),
                postgres("3D000", "database \"x\" does not exist", false),
                postgres("42501", "permission denied for database", false),
            ]
        } else {
            let mysql = |code: &'static str, message, passes| {
                (code, mysql_error(code.parse().expect("a number"), message), passes)
            };
            vec![
                mysql("1040", "Too many connections", true),
                mysql("1203", "User x already has more than 'max_user_connections' active connections", true),
                mysql("1226", "User 'x' has exceeded the 'max_user_connections' resource (current value: 1)", true),
                mysql("1226", "User 'x' has exceeded the 'max_connections_per_hour' resource (current value: 1)", false),
                mysql("1045", "Access denied for user 'x'", false),
                mysql("1049", "Unknown database 'x'", false),
                mysql("1130", "Host is not allowed to connect", false),
            ]
        };
        let (_, upstream) = at_port(&backend, 0);
        for (code, packet, passes) in refusals {
            let port = refusing(upstream, 2, packet).await;
            let db = Database::builder(&at_port(&backend, port).0).acquire_timeout(LONG).build().expect("a valid URL");
            let outcome = statement(&db).await;
            if passes {
                outcome.unwrap_or_else(|error| panic!("{code}: {error}"));
                continue;
            }
            let error = outcome.expect_err("it is refused");
            assert_eq!((error.kind(), error.code()), (ErrorKind::Connect, Some(code)), "{error}");
            assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
            assert!(!error.is_retryable() && !error.is_timeout());
        }
    }

    /// rule 60: what is wrong for good is told at once, by its host, its port and its reason
    async fn what_is_wrong_for_good_is_told_at_once(backend) {
        let (here, _) = at_port(&backend, 1);
        let (scheme, reachable) = backend.url().split_once("://").expect("a URL");
        let (_, address) = reachable.split_once('@').expect("a user");
        let (server, _) = address.split_once('/').expect("a database");
        let (no_user, no_base) = if backend.is_postgres() { ("28000", "3D000") } else { ("1045", "1049") };
        let (user, _) = reachable.split_once('@').expect("a user");
        // MySQL answers for a user that it does not know in more ways than one: the next test.
        let wrong_user = if backend.is_postgres() { "no_such_user" } else { user };
        // Longer than a name can be, so that no name server is asked, which may be slow.
        let nowhere = format!("{}.invalid:77", "x".repeat(64));
        let cases = [
            (here, "127.0.0.1:1", "refused", None),
            (format!("{scheme}://{user}@{nowhere}/x"), nowhere.as_str(), "", None),
            (format!("{scheme}://{wrong_user}:Secret7@{server}/nestling"), server, wrong_user, Some(no_user)),
            (format!("{scheme}://{user}@{server}/no_such_base"), server, "no_such_base", Some(no_base)),
        ];
        for (url, place, reason, code) in cases {
            let db = Database::builder(&url).acquire_timeout(LONG).build().expect("a valid URL");
            let start = Instant::now();
            for error in [db.connect().await, statement(&db).await, db.ping().await].map(|out| out.expect_err("wrong")) {
                let text = error.to_string();
                assert_eq!((error.kind(), error.code()), (ErrorKind::Connect, code), "{text}");
                assert!(text.contains(place) && text.contains(reason) && !text.contains("Secret7"), "{text}");
            }
            assert!(start.elapsed() < LONG, "{url}: {:?}", start.elapsed());
        }
    }
}

test_on! {
    mysql_and_mariadb;

    /// rule 60: MySQL asks users that it does not know for a password by a method that it chooses by chance for each
    async fn a_user_that_the_server_does_not_know_is_named_whatever_the_server_asks_for(backend) {
        let (scheme, reachable) = backend.url().split_once("://").expect("a URL");
        let (_, server) = reachable.split_once('@').expect("a user");
        for number in 0..30 {
            let user = format!("no_such_user{number}");
            let url = format!("{scheme}://{user}:Secret7@{server}");
            let db = Database::builder(&url).acquire_timeout(LONG).build().expect("a valid URL");
            let error = statement(&db).await.expect_err("there is no such user");
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Connect, "{text}");
            assert!(matches!(error.code(), Some("1045") | None), "{text}");
            assert!(!error.is_retryable() && !error.is_timeout(), "{text}");
            assert!(text.contains(&format!("'{user}'")) && !text.contains("Secret7"), "{text}");
        }
    }
}

/// rule 60: connections ahead of their use are asked for again and again, but not in a storm
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_is_not_stormed_for_connections_ahead_of_their_use() {
    let backend = Backend::postgres().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let url = at_port(&backend, port).0;
    let db = Database::builder(&url).min_connections(2).acquire_timeout(LONG).build().expect("a valid URL");
    assert_eq!(db.connect().await.expect_err("refused").kind(), ErrorKind::Connect);
    let start = Instant::now();
    while attempts.load(Ordering::SeqCst) < 4 {
        assert!(start.elapsed() < LONG, "it is not tried again");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // Without pauses there would be thousands by now.
    let most = 20 + usize::try_from(start.elapsed().as_millis() / 5).expect("a small number");
    assert!(attempts.load(Ordering::SeqCst) < most, "{attempts:?} in {:?}", start.elapsed());
}

/// rule 60: each of several servers is named, and one that may give a connection soon is waited for
#[tokio::test]
async fn of_several_servers_each_is_named_and_the_one_that_lets_in_is_taken() {
    let backend = Backend::postgres().await;
    let (url, upstream) = at_port(&backend, 0);
    let of = |hosts: String| {
        let url = url.replace("127.0.0.1:0", &hosts);
        Database::builder(&url).acquire_timeout(LONG).build().expect("a valid URL")
    };
    let both = of("127.0.0.1:1,localhost:2".into());
    let text = both.connect().await.expect_err("nobody is there").to_string();
    for part in ["127.0.0.1:1: Connection refused", "localhost:2: Connection refused"] {
        assert!(text.contains(part), "{text}");
    }
    statement(&of(format!("127.0.0.1:1,127.0.0.1:{upstream}"))).await.expect("the second lets in");
    let full = refusing(upstream, 2, postgres_error("53300", "sorry, too many clients already")).await;
    statement(&of(format!("127.0.0.1:{full},127.0.0.1:1"))).await.expect("the first one lets in soon");
    let full = refusing(upstream, 2, postgres_error("57P03", "the database system is starting up")).await;
    statement(&of(format!("127.0.0.1:1,127.0.0.1:{full}"))).await.expect("the second one lets in soon");
}

/// rule 60: a server that does not answer is named, and costs the next one no time
#[tokio::test]
async fn a_server_that_is_silent_is_named_and_the_next_one_is_tried() {
    let backend = Backend::postgres().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    let (url, upstream) = at_port(&backend, port);
    let short = Duration::from_millis(300);
    let of = |url: &str| Database::builder(url).connect_timeout(short).acquire_timeout(LONG).build().expect("a URL");
    let error = of(&url).connect().await.expect_err("silent");
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Connect, format!("no connection to 127.0.0.1:{port} was made within 300ms"))
    );
    let both = url.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{port},127.0.0.1:{upstream}"));
    // The second lets in, and may need more than one try for so short a time.
    let both = of(&both);
    wait_while!(statement(&both).await.is_err());
}
