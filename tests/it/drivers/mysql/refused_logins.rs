//! Logins that are refused though the password is right, and those that the driver cannot do: a relay in front of the server
//! lets the server greet, and answers the login itself.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::try_join_all;
use nestling::{Database, ErrorKind, params};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::{login::create_user, value};
use crate::harness::Backend;

/// What a relay does with a login.
#[derive(Clone, Copy)]
enum Answer {
    /// The first so many are refused, as for a wrong password; the others are the server's.
    Refused(usize),
    /// The method that this names is asked for, and then this is said.
    Switch(&'static [u8], &'static [u8]),
}

/// The login of MariaDB that the driver knows and is built without: 32 random bytes, and what the key is derived with.
const PARSEC: Answer = Answer::Switch(b"\xfeparsec\0-32 bytes of which none is zero-", b"P\0-18 bytes of salt-");

/// A server that some logins do not reach.
struct Relay {
    /// Where it listens, with the database's name.
    at: String,
    /// The connections that a client has made.
    connections: Arc<AtomicUsize>,
    /// The logins that were answered in place of the server.
    refused: Arc<AtomicUsize>,
}

impl Relay {
    async fn start(backend: &Backend, answer: Answer) -> Self {
        let (_, rest) = backend.url().rsplit_once('@').expect("a URL with a user");
        let (server, name) = rest.split_once('/').expect("a URL with a database");
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (connections, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&connections), Arc::clone(&refused));
        let at = format!("127.0.0.1:{port}/{name}");
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counts.0.fetch_add(1, Ordering::Relaxed);
                let (server, refused) = (server.clone(), Arc::clone(&counts.1));
                // A client may go at any time.
                tokio::spawn(async move { pass(client, &server, answer, &refused).await.ok() });
            }
        });
        Self { at, connections, refused }
    }

    /// The logins that were not let through, and the connections besides that only looked at the greeting.
    fn seen(&self) -> (usize, usize) {
        let refused = self.refused.swap(0, Ordering::Relaxed);
        (refused, self.connections.swap(0, Ordering::Relaxed) - refused)
    }

    fn open(&self, login: &str) -> Database {
        Database::open(&format!("mysql://{login}@{}", self.at)).expect("a valid URL")
    }
}

async fn pass(mut client: TcpStream, server: &str, answer: Answer, refused: &AtomicUsize) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let is_theirs = matches!(answer, Answer::Refused(count) if refused.load(Ordering::Relaxed) >= count);
    if is_theirs {
        return copy_bidirectional(&mut client, &mut server).await.map(drop);
    }
    client.write_all(&message(&mut server).await?).await?;
    let login = message(&mut client).await?;
    refused.fetch_add(1, Ordering::Relaxed);
    match answer {
        Answer::Refused(_) => tell(&mut client, &login, b"\xff\x15\x04#28000Access denied for user 'any'").await,
        Answer::Switch(method, then) => {
            tell(&mut client, &login, method).await?;
            let reply = message(&mut client).await?;
            tell(&mut client, &reply, then).await?;
            message(&mut client).await.map(drop)
        }
    }
}

/// A whole message, with its head.
async fn message(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = [0; 4];
    from.read_exact(&mut head).await?;
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    let mut whole = head.to_vec();
    whole.resize(4 + length, 0);
    from.read_exact(&mut whole[4..]).await?;
    Ok(whole)
}

/// Answers a message.
async fn tell(to: &mut TcpStream, behind: &[u8], text: &[u8]) -> std::io::Result<()> {
    let head = [text.len() as u8, 0, 0, behind[3] + 1];
    to.write_all(&[&head, text].concat()).await
}

test_on! {
    mysql_and_mariadb;

    /// rule 57: MariaDB is asked again, as the driver drops a zero at the end of what ed25519 has signed; MySQL may count a
    /// refused password against its user
    async fn a_password_that_is_refused_is_tried_again_at_mariadb_alone(backend) {
        let is_mariadb = backend.is_mariadb().await;
        let never = Relay::start(&backend, Answer::Refused(usize::MAX)).await;
        let db = never.open("any:wrong");
        for looks in [1, 0] {
            let error = db.connect().await.expect_err("the password is wrong");
            assert_eq!((error.kind(), error.code()), (ErrorKind::Connect, Some("1045")), "{error:?}");
            assert_eq!(never.seen(), (if is_mariadb { 3 } else { 1 }, looks), "logins, and looks at the greeting");
        }
        never.open("any").connect().await.expect_err("nobody is let in");
        assert_eq!(never.seen(), (1, 0), "without a password there is nothing to try again");
    }
}

test_on! {
    [mariadb];

    /// rule 57: the server that was asked lets in, at the second or the third login
    async fn a_login_that_is_refused_by_chance_goes_through(backend) {
        // By the method that the driver does rightly: the last login must not be refused once more.
        let sure = create_user(&backend, "sure", "via mysql_native_password using password('pa55word')").await;
        for refused in [1, 2] {
            let relay = Relay::start(&backend, Answer::Refused(refused)).await;
            let db = relay.open(&format!("{sure}:pa55word"));
            let me: String = value(&db, "select current_user()", params![]).await;
            assert!(me.starts_with(&sure), "{me}");
            assert_eq!(relay.refused.load(Ordering::Relaxed), refused);
        }
        // One login in 256 is refused by itself.
        let user = create_user(&backend, "chance", "via ed25519 using password('pa55word')").await;
        let direct = &backend.url().replace("nestling@", &format!("{user}:pa55word@"));
        for _ in 0..32 {
            let logins = (0..8).map(|_| async move { Database::open(direct).expect("a valid URL").connect().await });
            try_join_all(logins).await.expect("the password is right");
        }
        let gone = format!("drop user '{sure}'@'%'; drop user '{user}'@'%'");
        backend.observer().batch(&gone).await.expect("they go");
    }
}

test_on! {
    mysql_and_mariadb;

    /// rule 57: a method of login that the driver has not is an error, whoever asks for it
    async fn a_method_that_the_driver_is_built_without_is_an_error(backend) {
        let relay = Relay::start(&backend, PARSEC).await;
        let db = relay.open("any:any");
        for _ in 0..2 {
            let error = db.connect().await.expect_err("there is no such login");
            assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
            assert!(error.to_string().contains("parsec"), "{error}");
        }
        assert_eq!(db.stats().connections, 0);
    }
}
