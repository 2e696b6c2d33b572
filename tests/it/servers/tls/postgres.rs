//! PostgreSQL: `sslmode` and `sslrootcert`.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use nestling::{Database, params};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{Authority, Identity, Session, session, until};
use crate::test_servers::{self, Kind, PrivateServer, Setup};

const QUESTION: &str = "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()";

/// What a client sends first that wants TLS: the length of the message and the number of this request.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A server that its certificate calls `localhost`.
async fn server(authority: &Authority, hba: &str) -> PrivateServer {
    let Identity { certificate, key } = authority.certify("localhost");
    let files = vec![("server.crt", certificate), ("server.key", key), ("pg_hba.conf", hba.to_owned())];
    let setup = Setup { options: &["ssl=on", "log_connections=on"], files, ..Setup::default() };
    PrivateServer::start_with(Kind::Postgres, setup).await
}

/// issue 3, part 6
#[tokio::test]
async fn each_mode_accepts_what_libpq_accepts() {
    use Session::{Encrypted, Plain, Refused};

    let (ours, other) = (Authority::new(), Authority::new());
    let server = server(&ours, "host all all 127.0.0.1/32 trust").await;
    let port = server.addr().port();
    // The right name and authority; another name; another authority; none named, so that the web's are asked.
    let cases = [
        ("disable", [Plain, Plain, Plain, Plain]),
        ("prefer", [Encrypted, Encrypted, Encrypted, Encrypted]),
        ("require", [Encrypted, Encrypted, Refused, Encrypted]),
        ("verify-ca", [Encrypted, Encrypted, Refused, Refused]),
        ("verify-full", [Encrypted, Refused, Refused, Refused]),
    ];
    for (mode, expected) in cases {
        let ours = format!("&sslrootcert={}", ours.file());
        let other = format!("&sslrootcert={}", other.file());
        let names = [("localhost", &ours), ("127.0.0.1", &ours), ("localhost", &other), ("localhost", &String::new())];
        for (number, ((host, root), expected)) in names.into_iter().zip(expected).enumerate() {
            let name = format!("{mode}_{number}");
            let url =
                format!("postgres://postgres@{host}:{port}/nestling?sslmode={mode}&application_name={name}{root}");
            assert_eq!(session(&url, QUESTION).await, expected, "{url}");
            // A session that was refused has not been there for a moment either.
            let log = server.log();
            let authorized: Vec<_> =
                log.lines().filter(|line| line.contains(&format!("application_name={name}"))).collect();
            assert_eq!(authorized.len(), usize::from(expected != Refused), "{authorized:?}");
            assert!(authorized.iter().all(|line| line.contains("SSL enabled") == (expected == Encrypted)), "{log}");
        }
    }
    assert_eq!(session(&server.url(), QUESTION).await, Encrypted, "libpq prefers TLS if nothing is said");
    let by_address = format!("postgres://postgres@/nestling?hostaddr=127.0.0.1&port={port}&sslmode=require");
    assert_eq!(session(&by_address, QUESTION).await, Encrypted, "an address without a name");
}

/// issue 3, part 6
#[tokio::test]
async fn a_server_without_tls_is_refused_unless_plain_is_allowed() {
    let url = test_servers::postgres_url();
    let join = if url.contains('?') { '&' } else { '?' };
    for mode in ["disable", "prefer"] {
        assert_eq!(session(&format!("{url}{join}sslmode={mode}"), QUESTION).await, Session::Plain, "{mode}");
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        assert_eq!(session(&format!("{url}{join}sslmode={mode}"), QUESTION).await, Session::Refused, "{mode}");
    }
}

/// issue 3, part 6
#[tokio::test]
async fn prefer_goes_without_where_tls_is_turned_away() {
    let authority = Authority::new();
    let server = server(&authority, "hostnossl all all 127.0.0.1/32 trust").await;
    assert_eq!(session(&format!("{}?sslmode=prefer", server.url()), QUESTION).await, Session::Plain);
    assert_eq!(session(&format!("{}?sslmode=require", server.url()), QUESTION).await, Session::Refused);
}

/// issue 3, part 6
#[tokio::test]
async fn a_password_is_bound_to_the_channel() {
    let authority = Authority::new();
    let hba = "host all postgres 127.0.0.1/32 trust\nhost all bound 127.0.0.1/32 scram-sha-256";
    let server = server(&authority, hba).await;
    let admin = Database::open(&server.url()).expect("a valid URL");
    admin.batch("create role bound login password 'secret'").await.expect("a role");
    let url = format!("postgres://bound:secret@localhost:{}/nestling?channel_binding=require", server.addr().port());
    assert_eq!(session(&format!("{url}&sslmode=require"), QUESTION).await, Session::Encrypted);
    assert_eq!(session(&format!("{url}&sslmode=disable"), QUESTION).await, Session::Refused, "there is no channel");
}

/// rule 38
#[tokio::test]
async fn a_dropped_statement_is_cancelled_by_tls_too() {
    let authority = Authority::new();
    let server = server(&authority, "host all all 127.0.0.1/32 trust").await;
    let observer = Database::open(&server.url()).expect("a valid URL");
    let relay = Relay::start(server.addr()).await;
    let query = format!("sslmode=verify-full&sslrootcert={}&application_name=dropped", authority.file());
    let url = format!("postgres://postgres@localhost:{}/nestling?{query}", relay.port);
    let db = Database::builder(&url).max_connections(1).build().expect("a valid URL");

    let slow = tokio::spawn({
        let db = db.clone();
        async move { db.query("select pg_sleep(600)", params![]).await }
    });
    // A session is `active` while it prepares the statement, too.
    let active = "select count(*) from pg_stat_activity where application_name = 'dropped' and wait_event = 'PgSleep'";
    until(&observer, active, 1).await;
    slow.abort();
    until(&observer, active, 0).await;
    wait_while!(!server.log().contains("canceling statement due to user request"));
    db.query("select 1", params![]).await.expect("the pool's one connection is free again");
    let openings = relay.openings.lock().expect("no test panicked").clone();
    assert!(openings.len() > 1, "the session, and its cancel request, once or more often");
    assert!(openings.iter().all(|opening| *opening == SSL_REQUEST), "none of them in plain: {openings:?}");
}

/// Sees how connections begin, and hands everything on.
struct Relay {
    port: u16,
    openings: Arc<Mutex<Vec<[u8; 8]>>>,
}

impl Relay {
    async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let openings = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&openings);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut opening = [0; 8];
                    client.read_exact(&mut opening).await?;
                    seen.lock().expect("no test panicked").push(opening);
                    let mut server = TcpStream::connect(to).await?;
                    server.write_all(&opening).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Self { port, openings }
    }
}
