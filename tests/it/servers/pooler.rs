//! PostgreSQL behind a pooler that gives each transaction whichever server session is free. Everything runs through two
//! PgBouncers, one that knows nothing of prepared statements and a newer one that keeps them for its clients, each by
//! itself and with `pgbouncer=true` in the URL. (`tests/run.sh --without-mysql` leaves out what ends in
//! `::newer_pgbouncer`.)

mod cancel;
mod columns;
mod flights;
mod lost_names;
mod session;
mod statements;
mod storm;

use std::collections::BTreeSet;

use nestling::{
    Database, DatabaseBuilder,
    native::tokio_postgres::{self, Client, NoTls},
};

use crate::{harness::Backend, proxy::Proxy, test_servers};

/// Which PgBouncer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It passes names on.
    Older,
    /// It keeps statements for its clients.
    Newer,
}

/// A database of one test's own behind a pooler.
pub(crate) struct Pooled {
    pub(crate) backend: Backend,
    pub(crate) kind: Kind,
    /// The URL says that there is a pooler.
    pub(crate) is_told: bool,
}

/// Runs a test through every pooler, told of and not.
macro_rules! through_every_pooler {
    ($($(#[$attribute:meta])* async fn $name:ident($pooled:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$attribute])*
            async fn test($pooled: $crate::servers::pooler::Pooled) $body

            mod by_itself {
                use super::{super::super::{Kind, Pooled}, test};

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn pgbouncer() {
                    test(Pooled::new(Kind::Older, false).await).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn newer_pgbouncer() {
                    test(Pooled::new(Kind::Newer, false).await).await;
                }
            }

            mod told {
                use super::{super::super::{Kind, Pooled}, test};

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn pgbouncer() {
                    test(Pooled::new(Kind::Older, true).await).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn newer_pgbouncer() {
                    test(Pooled::new(Kind::Newer, true).await).await;
                }
            }
        }
    )+};
}

use through_every_pooler;

impl Pooled {
    pub(crate) async fn new(kind: Kind, is_told: bool) -> Self {
        let url = match kind {
            Kind::Older => test_servers::pgbouncer_url(),
            Kind::Newer => test_servers::newer_pgbouncer_url(),
        };
        Self { backend: Backend::behind_pooler(&url).await, kind, is_told }.with(|options| options)
    }

    /// The URL of the database, with what it says of the pooler.
    pub(crate) fn url(&self) -> String {
        let told = if self.is_told { "&pgbouncer=true" } else { "" };
        format!("{}{told}", self.backend.url())
    }

    /// Other options for the database under test. One connection, unless they say otherwise.
    pub(crate) fn with(mut self, options: impl FnOnce(DatabaseBuilder) -> DatabaseBuilder) -> Self {
        let url = self.url();
        self.backend.db = options(Database::builder(&url).max_connections(1)).build().expect("valid options");
        self
    }

    /// The database under test behind a proxy, which is in front of the pooler.
    pub(crate) fn behind_proxy(mut self) -> (Self, Proxy) {
        let proxy = Proxy::before(self.backend.url());
        let url = proxy.url_for(&self.url());
        self.backend.db = Database::builder(&url).max_connections(1).build().expect("valid options");
        (self, proxy)
    }

    /// Whether statements have names through this pooler.
    pub(crate) fn keeps_names(&self) -> bool {
        self.kind == Kind::Newer && !self.is_told
    }

    /// Takes so many of the four server sessions, so that the next transaction gets another one.
    pub(crate) async fn occupy(&self, count: usize) -> Occupied {
        let mut clients = Vec::new();
        for _ in 0..count {
            let (client, connection) =
                tokio_postgres::connect(self.backend.url(), NoTls).await.expect("the pooler is there");
            tokio::spawn(connection);
            client.batch_execute("begin; select 1").await.expect("a session is free");
            clients.push(client);
        }
        Occupied(clients)
    }

    /// Runs something as often as it takes to be sure that it meets every server session that is free, in turn; gives the
    /// processes of those that were met.
    pub(crate) async fn in_each_session(&self, mut run: impl AsyncFnMut(usize)) -> BTreeSet<i32> {
        let mut met = BTreeSet::new();
        for round in 0..8 {
            let occupied = self.occupy(round % 4).await;
            let process = self.backend.db.query_one("select pg_backend_pid()", ()).await;
            met.insert(process.and_then(|row| row.get(0)).unwrap_or_else(|error| panic!("round {round}: {error:?}")));
            run(round).await;
            occupied.release().await;
        }
        assert!(met.len() > 2, "several server sessions were met: {met:?}");
        met
    }
}

/// Server sessions that others have.
pub(crate) struct Occupied(Vec<Client>);

impl Occupied {
    /// Gives them back in order: a client that leaves its transaction open takes the server session along.
    pub(crate) async fn release(self) {
        for client in self.0 {
            client.batch_execute("rollback").await.expect("the session is there");
        }
    }
}
