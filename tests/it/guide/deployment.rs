//! What the page about deployment says: its options together, and the options of URLs, each of which is taken, and none besides.

use std::{fs, time::Duration};

use nestling::{Database, Error, ErrorKind, params};

use super::read;

fn open(url: &str) -> Result<Database, Error> {
    Database::builder(url)
        .max_connections(16) // ten instances of the service have 160 of the server's 200
        .acquire_timeout(Duration::from_secs(2))
        .connect_timeout(Duration::from_secs(3))
        .idle_timeout(Some(Duration::from_secs(300)))
        .default_timeout(Duration::from_secs(30))
        .statement_timeout(Duration::from_secs(10))
        .lock_timeout(Duration::from_secs(3))
        .idle_in_transaction_timeout(Duration::from_secs(10))
        .warn_open_longer_than(Duration::from_secs(10))
        .close_timeout(Duration::from_secs(5))
        .build()
}

test_on! {
    every_backend;

    /// rule 54: the options of the page go together
    async fn a_service_opens_its_database(backend) {
        let db = open(backend.url()).unwrap();
        // The page has no time for a machine that is as busy as one that tests.
        wait_while!(db.connect().await.is_err());
        let two = db.atomic(|| async { db.query_one("select 1 + 1", params![]).await?.get::<i64>(0) });
        assert_eq!(two.await.unwrap(), 2);
        db.close().await;
    }
}

test_on! {
    sqlite;

    /// What the page says of back-ups, and of what a file is set to.
    async fn a_file_is_backed_up_while_it_is_open(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.execute("insert into item values (1, 'kept')", params![]).await.unwrap();
        let (mode, keys): (String, bool) = (
            db.query_one("pragma journal_mode", params![]).await.unwrap().get(0).unwrap(),
            db.query_one("pragma foreign_keys", params![]).await.unwrap().get(0).unwrap(),
        );
        assert_eq!((&*mode, keys), ("wal", true));
        let copy = backend.url().replace("test.db", "copy.db");
        let file = copy.trim_start_matches("sqlite://");
        db.execute(&format!("vacuum into '{file}'"), params![]).await.unwrap();
        let copy = Database::open(&format!("{copy}?mode=ro")).unwrap();
        assert_eq!(copy.query("select * from item", params![]).await.unwrap().len(), 1);
    }
}

test_on! {
    every_server;

    /// Options that the tests' servers can have.
    async fn options_of_the_page_work_together(backend) {
        let options = backend.choose(
            "keepalives=1&keepalives_idle=60&keepalives_interval=10&keepalives_retries=3&tcp_user_timeout=30&connect_timeout=3\
             &target_session_attrs=read-write&load_balance_hosts=disable&channel_binding=prefer&sslmode=prefer&sslnegotiation=postgres",
            "tcp_keepalive=60000&tcp_nodelay=true&compression=fast&max_allowed_packet=1048576&secure_auth=true\
             &enable_cleartext_plugin=false&prefer_socket=false&ssl-mode=PREFERRED&pool_max=10&client_found_rows=true",
            "",
        );
        // A server that is not there stands ahead of the one that is; MySQL's URLs have one host.
        let url = backend.url().to_owned();
        let url = if backend.is_postgres() { url.replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1") } else { url };
        let join = if url.contains('?') { '&' } else { '?' };
        let db = Database::open(&format!("{url}{join}{options}")).unwrap();
        wait_while!(db.connect().await.is_err());
        let two = db.atomic(|| async { db.query_one("select 1 + 1", params![]).await?.get::<i64>(0) });
        assert_eq!(two.await.unwrap(), 2);
    }
}

/// The options in the table of a back end: `name=value`, as code in its first column.
fn listed<'p>(page: &'p str, scheme: &str) -> Vec<(&'p str, &'p str)> {
    let sections = page.split("\n### ").skip(1);
    let of_scheme = sections.filter(|section| section.lines().next().unwrap_or_default().contains(scheme));
    let rows = of_scheme.flat_map(|section| section.split("\n## ").next().unwrap_or_default().lines());
    let cells = rows.filter_map(|line| line.strip_prefix('|')?.split('|').next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter_map(|code| code.split_once('=')).collect()
}

/// Opens a database by URLs that end in this option: the first that is taken, or the error of the last.
fn taken(bases: &[&str], option: &str) -> Result<(), Error> {
    let mut outcome = Ok(());
    for base in bases {
        outcome = Database::open(&format!("{base}{option}")).map(drop);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// What other clients have, libpq above all. It is either on the page or refused.
const POSTGRES: &str = "host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout client_encoding \
    options application_name fallback_application_name keepalives keepalives_idle keepalives_interval keepalives_count \
    keepalives_retries tcp_user_timeout replication gssencmode sslmode requiressl sslnegotiation sslcompression sslcert sslkey \
    sslkeylogfile sslpassword sslcertmode sslrootcert sslcrl sslcrldir sslsni requirepeer ssl_min_protocol_version \
    ssl_max_protocol_version min_protocol_version max_protocol_version krbsrvname gsslib gssdelegation scram_client_key \
    scram_server_key service servicefile target_session_attrs load_balance_hosts oauth_issuer pgbouncer \
    statement-cache-capacity connection_limit pool_timeout schema ssl-mode";
const MYSQL: &str = "socket prefer_socket ssl-mode ssl-ca ssl-cert ssl-key sslmode sslrootcert require_ssl verify_ca verify_identity \
    built_in_roots tcp_keepalive tcp_nodelay tcp_connect_timeout_ms compression max_allowed_packet enable_cleartext_plugin \
    secure_auth client_found_rows stmt_cache_size wait_timeout conn_ttl pool_min pool_max inactive_connection_ttl ttl_check_interval \
    abs_conn_ttl abs_conn_ttl_jitter reset_connection charset collation timezone statement-cache-capacity connect_timeout \
    connection_limit useSSL allowPublicKeyRetrieval user password database application_name pgbouncer";
const SQLITE: &str = "mode cache vfs immutable psow nolock journal_mode busy_timeout foreign_keys synchronous";

#[tokio::test]
async fn the_options_of_urls_are_those_of_the_page() {
    let page = read("docs/deployment.md");
    let folder = std::env::temp_dir().join(format!("nestling_options_{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let authority = folder.join("authority.pem");
    let certificate = rcgen::generate_simple_self_signed(["db.example.org".to_owned()]).unwrap();
    fs::write(&authority, certificate.cert.pem()).unwrap();
    let bases: [(&str, &[&str], &str, usize); 3] = [
        ("postgres://", &["postgres://db/x?", "postgres:///x?host=db&", "postgres:///x?"], POSTGRES, 20),
        ("mysql://", &["mysql://app@db/x?"], MYSQL, 24),
        ("sqlite://", &["sqlite://x.db?"], SQLITE, 1),
    ];
    for (scheme, bases, known, count) in bases {
        let options = listed(&page, scheme);
        let mut names: Vec<_> = options.iter().map(|(name, _)| *name).collect();
        names.dedup();
        assert!(names.len() >= count, "{scheme}: {names:?}");
        for (name, value) in &options {
            let value = value.replace("/etc/ssl/authority.pem", &authority.display().to_string());
            taken(bases, &format!("{name}={value}")).unwrap_or_else(|error| panic!("{scheme} {name}={value}: {error}"));
            assert!(known.split_whitespace().any(|other| other == *name), "{scheme}: {name} is not known here");
        }
        for name in known.split_whitespace().filter(|name| !names.contains(name)) {
            for value in ["", "1", "true", "a"] {
                let refused = taken(bases, &format!("{name}={value}")).expect_err(name);
                assert_eq!(refused.kind(), ErrorKind::Config, "{scheme}: {name}={value} is taken, and not on the page");
            }
        }
    }
    fs::remove_dir_all(folder).unwrap();
}
