//! Cancel requests that are late, behind a proxy that says goodbye before it has passed them on: they hit nobody's
//! statement. Fault kind: the end of the cancel connection was taken for the arrival of the request.

use std::net::SocketAddr;

use nestling::{Database, Error, params};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use crate::{harness::Backend, support::waits::PATIENCE, test_servers};

/// What begins a cancel request: its length and its number.
const CANCEL: [u8; 8] = [0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e];

/// A proxy that takes cancel requests, closes their connections, and passes them on when it is told to.
struct Late {
    addr: SocketAddr,
    requests: mpsc::UnboundedReceiver<[u8; 16]>,
    upstream: SocketAddr,
}

impl Late {
    async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let (request, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, upstream, request.clone()));
            }
        });
        Self { addr, requests, upstream }
    }

    /// Passes on the requests that have come, and waits until the server has signalled its session.
    async fn pass_on(&mut self) {
        let first = timeout(PATIENCE, self.requests.recv()).await.expect("a cancel request comes");
        let mut request = Some(first.expect("the proxy is there"));
        while let Some(bytes) = request {
            let mut server = TcpStream::connect(self.upstream).await.expect("the server");
            server.write_all(&bytes).await.expect("the server takes it");
            server.read_to_end(&mut Vec::new()).await.expect("the server closes");
            request = self.requests.try_recv().ok();
        }
    }
}

async fn pass(
    mut client: TcpStream,
    upstream: SocketAddr,
    request: mpsc::UnboundedSender<[u8; 16]>,
) -> std::io::Result<()> {
    let mut opening = [0; 8];
    client.read_exact(&mut opening).await?;
    if opening == CANCEL {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&opening);
        client.read_exact(&mut bytes[8..]).await?;
        let _ = request.send(bytes);
        return Ok(());
    }
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(&opening).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

async fn behind_late_proxy() -> (Backend, Late, Database) {
    let backend = Backend::postgres().await.with_items().await;
    let base = test_servers::postgres_url();
    let host = base.rsplit('@').next().and_then(|rest| rest.split(['/', '?']).next()).expect("a host");
    let late = Late::before(host.parse().expect("an address")).await;
    let url = backend.url().replacen(host, &late.addr.to_string(), 1);
    let db = Database::builder(&format!("{url}&sslmode=disable")).max_connections(1).build().expect("a valid URL");
    (backend, late, db)
}

/// A statement that waits at the server for as long as somebody else has the lock, which is the test's own.
fn waiting(backend: &Backend) -> String {
    format!("select pg_advisory_xact_lock(hashtext('{}'))", backend.name)
}

/// Runs `work` while [`waiting`] waits. Behind it, what waits still at the server ends by itself.
async fn locked<T>(backend: &Backend, work: impl Future<Output = Result<T, Error>>) -> T {
    let admin = backend.observer();
    let held = admin.connection(|| async {
        admin.query("select pg_advisory_lock(hashtext($1))", params![backend.name.as_str()]).await?;
        let out = work.await?;
        admin.query("select pg_advisory_unlock(hashtext($1))", params![backend.name.as_str()]).await?;
        Ok::<_, Error>(out)
    });
    held.await.expect("a lock")
}

async fn waits(backend: &Backend) {
    wait_while!(backend.count_running(&waiting(backend)).await == 0);
}

/// Drops `work` while its statement waits at the server, which is let go once somebody has asked for its end.
async fn dropped_at_the_server(backend: &Backend, late: &Late, work: impl Future<Output = Result<(), Error>>) {
    let dropped = async {
        tokio::select! {
            out = work => panic!("it waits, but {out:?}"),
            () = waits(backend) => {}
        }
        wait_while!(late.requests.is_empty());
        Ok(())
    };
    locked(backend, dropped).await;
}

/// rule 38: the next user's statement is not the one that is cancelled
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_request_that_is_late_does_not_hit_another_task() {
    let (backend, mut late, db) = behind_late_proxy().await;
    let sql = &waiting(&backend);
    for in_block in [false, true] {
        let wait = || async { db.query(sql, ()).await.map(drop) };
        let work = async { if in_block { db.atomic(wait).await } else { wait().await } };
        dropped_at_the_server(&backend, &late, work).await;
        // The statement has ended by itself; the request is under way still.
        let next = locked(&backend, async {
            let (db, sql) = (db.clone(), sql.clone());
            let next = tokio::spawn(async move { db.query(&sql, params![]).await.map(drop) });
            waits(&backend).await;
            late.pass_on().await;
            Ok(next)
        });
        next.await.await.expect("no panic").expect("its own statement was never cancelled");
    }
}

/// rule 37: what was dropped in a savepoint leaves the block around it alone; the connection goes with the block
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_a_cancel_request_is_under_way_to_goes_with_its_block() {
    let (backend, mut late, db) = behind_late_proxy().await;
    let outer = db.atomic(|| async {
        db.execute("insert into item values (1, 'kept')", ()).await?;
        let nested = db.atomic(|| async { db.query(&waiting(&backend), ()).await.map(drop) });
        dropped_at_the_server(&backend, &late, nested).await;
        db.query_one("select pg_backend_pid()", ()).await?.get::<i32>(0)
    });
    let before = outer.await.expect("the block around it goes on");
    assert_eq!(backend.items().await, ["kept"]);
    let session = async { db.query_one("select pg_backend_pid()", ()).await?.get::<i32>(0) };
    let after: Result<i32, Error> = session.await;
    assert_ne!(after.expect("a connection"), before);
    late.pass_on().await;
    db.query("select 1", ()).await.expect("nobody's statement is hit");
}
