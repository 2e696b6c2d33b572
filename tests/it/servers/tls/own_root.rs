//! PostgreSQL: a certificate that vouches for itself and is named as its own root, as PostgreSQL's manual makes it.

use super::{
    Authority, Identity,
    Session::{self, Encrypted, Refused},
    session,
};
use crate::test_servers::{Kind, PrivateServer, Setup};

const QUESTION: &str = "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()";

/// What each mode says of a server whose certificate has these names and these years, by the two names of this machine.
async fn modes(common_name: &str, alternative: Option<&str>, years: (i32, i32)) -> Vec<[Session; 3]> {
    let (own, Identity { certificate, key }) = Authority::serving_by_itself(common_name, alternative, years);
    let (other, _) = Authority::serving_by_itself(common_name, alternative, years);
    let hba = "host all all 127.0.0.1/32 trust".to_owned();
    let files = vec![("server.crt", certificate), ("server.key", key), ("pg_hba.conf", hba)];
    let server =
        PrivateServer::start_with(Kind::Postgres, Setup { options: &["ssl=on"], files, ..Setup::default() }).await;
    let mut seen = Vec::new();
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = |host: &str, root: &Authority| {
            let port = server.addr().port();
            format!("postgres://postgres@{host}:{port}/nestling?sslmode={mode}&sslrootcert={}", root.file())
        };
        let mut row = [Refused; 3];
        for (at, url) in [url("localhost", &own), url("127.0.0.1", &own), url("localhost", &other)].iter().enumerate() {
            row[at] = session(url, QUESTION).await;
        }
        seen.push(row);
    }
    seen
}

/// issue 10, item 3.8: it is taken for its own root, by its name if the mode asks for it
#[tokio::test]
async fn a_certificate_that_is_its_own_root_is_accepted() {
    let any_name = [Encrypted, Encrypted, Refused];
    let its_name = [Encrypted, Refused, Refused];
    // The manual's has no alternative name: the common name is the server's, as libpq has it.
    assert_eq!(modes("localhost", None, (2020, 2090)).await, [any_name, any_name, its_name]);
    assert_eq!(modes("other", Some("localhost"), (2020, 2090)).await, [any_name, any_name, its_name]);
    // An alternative name is the only one.
    assert_eq!(modes("localhost", Some("other"), (2020, 2090)).await, [any_name, any_name, [Refused; 3]]);
}

/// issue 10, item 3.8: its time is checked all the same
#[tokio::test]
async fn a_certificate_that_is_its_own_root_and_has_expired_is_refused() {
    for years in [(2019, 2020), (2090, 2095)] {
        assert_eq!(modes("localhost", Some("localhost"), years).await, [[Refused; 3]; 3], "{years:?}");
    }
}
