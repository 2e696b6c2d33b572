//! MariaDB and MySQL: `ssl-mode` and `ssl-ca`, and the options of mysql_async.

use nestling::{Database, params};

use super::{Authority, Identity, Session, session, until};
use crate::test_servers::{Kind, PrivateServer, Setup};

const QUESTION: &str = "show status like 'Ssl_version'";

/// A user to count the sessions of, one who is let in with TLS only, and one who looks on.
const USERS: &str = "
    CREATE USER IF NOT EXISTS 'secure'@'%' IDENTIFIED BY '' REQUIRE SSL;
    GRANT ALL PRIVILEGES ON nestling.* TO 'secure'@'%';
    CREATE USER IF NOT EXISTS 'observer'@'%' IDENTIFIED BY '';
    GRANT ALL PRIVILEGES ON *.* TO 'observer'@'%';
";

/// A server that its certificate calls `localhost`, and somebody who looks on.
async fn server(kind: Kind, authority: &Authority) -> (PrivateServer, Database) {
    let server = serving(kind, authority.certify("localhost")).await;
    let url = format!("mysql://observer@127.0.0.1:{}/nestling", server.port());
    let observer = Database::builder(&url).max_connections(1).build().expect("a valid URL");
    (server, observer)
}

/// A server with this certificate.
async fn serving(kind: Kind, Identity { certificate, key }: Identity) -> PrivateServer {
    let files = vec![("own.crt", certificate), ("own.key", key)];
    let setup = Setup { options: &["ssl-cert=own.crt", "ssl-key=own.key"], files, sql: USERS };
    PrivateServer::start_with(kind, setup).await
}

for_every_kind! {
    of mysql:
    /// limits: `VERIFY_CA` "needs a certificate with a subject alternative name", and "A certificate that is its own root on
    /// MySQL is refused", unless it is no authority's
    async fn certificates_without_an_alternative_name_and_of_authorities_are_refused(kind) {
        use Session::{Encrypted, Refused};

        let ours = Authority::new();
        let common_name = ours.certify_common_name("localhost");
        let (root, its_own) = Authority::serving_by_itself("localhost", Some("localhost"), (2020, 2090));
        let (alone, no_authority) = Authority::of_itself_alone("localhost");
        for (authority, identity, wanted) in
            [(&ours, common_name, Refused), (&root, its_own, Refused), (&alone, no_authority, Encrypted)]
        {
            let server = serving(kind, identity).await;
            for mode in ["VERIFY_CA", "VERIFY_IDENTITY"] {
                let query = format!("ssl-mode={mode}&ssl-ca={}", authority.file());
                let url = format!("mysql://nestling@localhost:{}/nestling?{query}", server.port());
                assert_eq!(session(&url, QUESTION).await, wanted, "{url}");
            }
            let required = format!("mysql://nestling@localhost:{}/nestling?ssl-mode=REQUIRED", server.port());
            assert_eq!(session(&required, QUESTION).await, Encrypted, "{required}");
        }
    }

    /// issue 3, part 6
    async fn each_mode_accepts_what_the_clients_of_mysql_accept(kind) {
        use Session::{Encrypted, Plain, Refused};

        let (ours, other) = (Authority::new(), Authority::new());
        let (server, observer) = server(kind, &ours).await;
        // The right name and authority; another name; another authority; none named, so that the web's are asked.
        let cases = [
            ("", [Encrypted, Refused, Refused, Plain]),
            ("ssl-mode=DISABLED", [Plain, Plain, Plain, Plain]),
            ("ssl-mode=PREFERRED", [Encrypted, Encrypted, Encrypted, Encrypted]),
            ("ssl-mode=REQUIRED", [Encrypted, Encrypted, Encrypted, Encrypted]),
            ("ssl-mode=VERIFY_CA", [Encrypted, Encrypted, Refused, Refused]),
            ("ssl-mode=VERIFY_IDENTITY", [Encrypted, Refused, Refused, Refused]),
            ("require_ssl=true", [Encrypted, Refused, Refused, Refused]),
            ("require_ssl=true&verify_identity=false", [Encrypted, Encrypted, Refused, Refused]),
            ("require_ssl=true&verify_ca=false", [Encrypted, Encrypted, Encrypted, Encrypted]),
        ];
        let mut let_in = 0;
        for (mode, expected) in cases {
            let ours = format!("&ssl-ca={}", ours.file());
            let other = format!("&ssl-ca={}", other.file());
            let names = [("localhost", &ours), ("127.0.0.1", &ours), ("localhost", &other), ("localhost", &String::new())];
            for ((host, ca), expected) in names.into_iter().zip(expected) {
                let query = format!("{mode}{ca}");
                let url = format!("mysql://nestling@{host}:{}/nestling?{}", server.port(), query.trim_start_matches('&'));
                assert_eq!(session(&url, QUESTION).await, expected, "{url}");
                let_in += i64::from(expected != Refused);
            }
        }
        // A session that was refused has not been there for a moment either.
        let sessions = "select total_connections from performance_schema.users where user = 'nestling'";
        until(&observer, sessions, let_in).await;
    }

    /// issue 3, part 6
    async fn a_server_without_tls_is_refused_unless_plain_is_allowed(kind) {
        // MySQL makes a certificate for itself unless it is told not to speak TLS; MariaDB has none.
        let options: &[&str] = if kind == Kind::Mysql { &["tls-version="] } else { &[] };
        let server = PrivateServer::start_with(kind, Setup { options, ..Setup::default() }).await;
        let url = server.url();
        for mode in ["DISABLED", "PREFERRED"] {
            assert_eq!(session(&format!("{url}?ssl-mode={mode}"), QUESTION).await, Session::Plain, "{mode}");
        }
        for mode in ["ssl-mode=REQUIRED", "ssl-mode=VERIFY_CA", "ssl-mode=VERIFY_IDENTITY", "require_ssl=true"] {
            assert_eq!(session(&format!("{url}?{mode}"), QUESTION).await, Session::Refused, "{mode}");
        }
    }

    /// rule 38
    async fn a_dropped_statement_is_killed_by_tls_too(kind) {
        let authority = Authority::new();
        let (server, observer) = server(kind, &authority).await;
        // A name that is not the certificate's: whoever kills has to know that this does not matter.
        let query = format!("ssl-mode=VERIFY_CA&ssl-ca={}", authority.file());
        let plain = format!("mysql://secure@127.0.0.1:{}/nestling", server.port());
        assert_eq!(session(&plain, QUESTION).await, Session::Refused, "the server lets nobody in without TLS");
        let db = Database::builder(&format!("{plain}?{query}")).max_connections(1).build().expect("a valid URL");

        let slow = tokio::spawn({
            let db = db.clone();
            async move { db.query("select sleep(600)", params![]).await }
        });
        let active = "select count(*) from information_schema.processlist where info = 'select sleep(600)'";
        until(&observer, active, 1).await;
        slow.abort();
        until(&observer, active, 0).await;
        db.query("select 1", params![]).await.expect("the pool's one connection is free again");
    }
}
