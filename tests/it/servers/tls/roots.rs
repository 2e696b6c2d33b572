//! The authorities that are trusted: given as bytes, or those of the system.

use std::process::Command;

use nestling::{
    Database, DatabaseBuilder, ErrorKind,
    connect::{TlsMode, TlsRoots},
    params,
};

use super::{
    Authority, Identity,
    Session::{self, Encrypted, Plain, Refused},
};
use crate::test_servers::{Kind, PrivateServer, Setup};

async fn server(authority: &Authority) -> PrivateServer {
    let Identity { certificate, key } = authority.certify("localhost");
    let hba = "host all all 127.0.0.1/32 trust".to_owned();
    let files = vec![("server.crt", certificate), ("server.key", key), ("pg_hba.conf", hba)];
    PrivateServer::start_with(Kind::Postgres, Setup { options: &["ssl=on"], files, ..Setup::default() }).await
}

async fn session(builder: DatabaseBuilder) -> Session {
    let db = builder.user("postgres").database("nestling").build().expect("valid parts");
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    match db.query_one(sql, params![]).await {
        Ok(row) if row.get(0).expect("a boolean") => Encrypted,
        Ok(_) => Plain,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
            Refused
        }
    }
}

fn pem(authority: &Authority) -> TlsRoots {
    TlsRoots::Pem(std::fs::read(authority.file()).expect("a file"))
}

/// issue 14, part 5
#[tokio::test]
async fn an_authority_is_given_as_bytes() {
    let (ours, other) = (Authority::new(), Authority::new());
    let server = server(&ours).await;
    let at = |host: &str| Database::postgres().host(host).port(server.port());
    assert_eq!(session(at("localhost").tls(TlsMode::VerifyFull).tls_roots(pem(&ours))).await, Encrypted);
    assert_eq!(session(at("localhost").tls_roots(pem(&ours))).await, Encrypted);
    assert_eq!(session(at("127.0.0.1").tls_roots(pem(&ours))).await, Refused, "roots alone check the name");
    assert_eq!(session(at("127.0.0.1").tls(TlsMode::VerifyCa).tls_roots(pem(&ours))).await, Encrypted);
    assert_eq!(session(at("localhost").tls_roots(pem(&other))).await, Refused);
    assert_eq!(session(at("localhost").tls(TlsMode::VerifyFull).tls_roots(TlsRoots::Web)).await, Refused);
    assert_eq!(session(at("localhost").tls(TlsMode::Disable).tls_roots(pem(&ours))).await, Plain);
    // What was told apart takes the place of what the URL says.
    let url = format!("postgres://localhost:{}/?sslmode=disable&sslrootcert={}", server.port(), other.file());
    assert_eq!(session(Database::builder(&url).tls(TlsMode::VerifyFull).tls_roots(pem(&ours))).await, Encrypted);
}

/// Runs this test in a process of its own, whose system trusts the authorities of a file.
fn in_a_system_that_trusts(file: &str, port: u16) -> bool {
    let thread = std::thread::current();
    let name = thread.name().expect("tests have names");
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", name, "--nocapture"]);
    child.env("SSL_CERT_FILE", file).env("NESTLING_TEST_TLS_PORT", port.to_string());
    let out = child.output().expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.contains("1 passed") || text.contains("1 failed"), "{text}");
    out.status.success()
}

/// issue 14, part 5: authorities of the system
#[tokio::test]
async fn the_systems_authorities_are_trusted() {
    if let Ok(port) = std::env::var("NESTLING_TEST_TLS_PORT") {
        let parts = Database::postgres().host("localhost").port(port.parse().expect("a port"));
        assert_eq!(session(parts.tls_roots(TlsRoots::System)).await, Encrypted);
        return;
    }
    let (ours, other) = (Authority::new(), Authority::new());
    let server = server(&ours).await;
    assert!(in_a_system_that_trusts(&ours.file(), server.port()));
    assert!(!in_a_system_that_trusts(&other.file(), server.port()));
}
