//! The servers that the tests run against: the shared ones of `tests/run.sh`, and private ones that a test may kill.
//!
//! Used by every test that needs a server. A server that is not there is a failure, never a silent skip. It must not
//! know nestling.

#![allow(dead_code, reason = "support for tests: not every test uses all of it")]

mod cluster;
mod mariadb;
mod mysql;
mod postgres;
mod tools;

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::cluster::{Cluster, Recipe};

/// The URL of the shared PostgreSQL.
pub(crate) fn postgres_url() -> String {
    setting("NESTLING_POSTGRES_URL")
}

/// The URL of the shared MariaDB.
pub(crate) fn mysql_url() -> String {
    setting("NESTLING_MYSQL_URL")
}

/// The URL of the shared MySQL.
pub(crate) fn mysql9_url() -> String {
    setting("NESTLING_MYSQL9_URL")
}

/// The URL of the shared PostgreSQL behind a PgBouncer.
pub(crate) fn pgbouncer_url() -> String {
    setting("NESTLING_PGBOUNCER_URL")
}

/// The URL of the shared PostgreSQL behind a PgBouncer that keeps prepared statements for its clients.
pub(crate) fn newer_pgbouncer_url() -> String {
    setting("NESTLING_NEWER_PGBOUNCER_URL")
}

fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `tests/run.sh`, or evaluate in this shell the exports that `tests/run.sh servers` prints in another"))
}

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Mariadb,
    Mysql,
}

impl Kind {
    fn recipe(self) -> &'static Recipe {
        match self {
            Self::Postgres => &postgres::RECIPE,
            Self::Mariadb => &mariadb::RECIPE,
            Self::Mysql => &mysql::RECIPE,
        }
    }
}

/// Runs a test for each kind of server, or for those of MySQL alone. (`tests/run.sh --without-mysql` leaves out what ends
/// in `::mysql9`.)
macro_rules! for_every_kind {
    (@one $variant:ident $kind:ident) => {
        #[test]
        #[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
        fn $variant() {
            use $crate::support::runtime::{Threads, run};
            run(Threads::Two, Box::pin(test($crate::test_servers::Kind::$kind)));
        }
    };
    (of mysql: $($(#[$attribute:meta])* async fn $name:ident($kind:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$attribute])*
            async fn test($kind: $crate::test_servers::Kind) $body

            for_every_kind! { @one mariadb Mariadb }
            for_every_kind! { @one mysql9 Mysql }
        }
    )+};
    ($($(#[$attribute:meta])* async fn $name:ident($kind:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$attribute])*
            async fn test($kind: $crate::test_servers::Kind) $body

            for_every_kind! { @one postgres Postgres }
            for_every_kind! { @one mariadb Mariadb }
            for_every_kind! { @one mysql9 Mysql }
        }
    )+};
}

/// What a private server is started with.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// Settings, `name=value`.
    pub(crate) options: &'static [&'static str],
    /// Files in its data folder, by their names and contents.
    pub(crate) files: Vec<(&'static str, String)>,
    /// MariaDB and MySQL: statements that are carried out before it takes connections, at each start.
    pub(crate) sql: &'static str,
}

/// A server of the test's own, on a port and in a folder of its own, with one database `nestling` and no password. Clones
/// mean the same server; it is stopped and its folder removed with the last of them.
#[derive(Debug, Clone)]
pub(crate) struct PrivateServer {
    kind: Kind,
    port: u16,
    cluster: Arc<Mutex<Cluster>>,
}

impl PrivateServer {
    /// Starts one and waits until it takes connections.
    pub(crate) async fn start(kind: Kind) -> Self {
        Self::start_with(kind, Setup::default()).await
    }

    /// Starts one that is set up in another way.
    pub(crate) async fn start_with(kind: Kind, setup: Setup) -> Self {
        tools::blocking(move || {
            let mut cluster = Cluster::new(kind.recipe(), setup);
            cluster.start();
            Self { kind, port: cluster.port(), cluster: Arc::new(Mutex::new(cluster)) }
        })
        .await
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The URL of its database; the same after a restart.
    pub(crate) fn url(&self) -> String {
        format!("{}@{}/nestling", self.kind.recipe().user, self.addr())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Kills the server and all its sessions at one stroke, as a crash would, and waits until they are gone. What it
    /// has acknowledged survives.
    pub(crate) async fn kill_hard(&self) {
        self.with(Cluster::kill).await;
    }

    /// Stops it as an administrator in a hurry would: sessions are told so.
    pub(crate) async fn stop(&self) {
        self.with(Cluster::stop).await;
    }

    /// Starts it again on the same port and data, stopped before if it runs, and waits until it takes connections.
    pub(crate) async fn restart(&self) {
        self.with(|cluster| {
            cluster.stop();
            cluster.start();
        })
        .await;
    }

    /// What the server has logged since it was made.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(lock(&self.cluster).log()).unwrap_or_default()
    }

    async fn with(&self, act: impl FnOnce(&mut Cluster) + Send + 'static) {
        let cluster = Arc::clone(&self.cluster);
        tools::blocking(move || act(&mut lock(&cluster))).await;
    }
}

fn lock(cluster: &Mutex<Cluster>) -> MutexGuard<'_, Cluster> {
    // A test that failed while it held the lock still wants its server stopped.
    cluster.lock().unwrap_or_else(PoisonError::into_inner)
}
