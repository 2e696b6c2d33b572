//! What is compared: each peer, the program that serves it, and how it is set.

use crate::backend::Backend;

/// One peer on one back end.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) backend: Backend,
    /// What the tables call it.
    pub(crate) title: &'static str,
    /// The program, and what it calls the peer.
    pub(crate) program: &'static str,
    pub(crate) name: &'static str,
    /// How it is set at its best; and how it comes, if that differs.
    pub(crate) best: &'static str,
    pub(crate) default: Option<&'static str>,
}

impl Peer {
    /// What the tables call it, with its settings as they come or at its best.
    pub(crate) fn label(&self, defaults: bool) -> String {
        if defaults { format!("{}, as it comes", self.title) } else { self.title.to_owned() }
    }
}

pub(crate) const NESTLING: &str = "nestling";
/// The bare drivers that nestling is held against.
pub(crate) const HELD_POSTGRES: &str = "tokio-postgres, held";
pub(crate) const HELD_MYSQL: &str = "mysql_async, held";
pub(crate) const BARE_SQLITE: &str = "rusqlite, blocking";
/// Whose tasks wait unfairly.
pub(crate) const BB8: &str = "bb8";
pub(crate) const SQLX: &str = "sqlx";
pub(crate) const DEADPOOL: &str = "deadpool-postgres";
pub(crate) const TOKIO_RUSQLITE: &str = "tokio-rusqlite";
pub(crate) const TOKIO_RUSQLITE_STATEMENTS: &str = "tokio-rusqlite, by statement";
/// The ancestor, which is a script.
pub(crate) const PEEWEE: &str = "peewee-async";

const fn peer(backend: Backend, title: &'static str, program: &'static str, name: &'static str) -> Peer {
    Peer { backend, title, program, name, best: "as it comes", default: None }
}

/// All peers, in the order of the tables.
pub(crate) static PEERS: [Peer; 18] = [
    peer(Backend::Postgres, NESTLING, "drivers", "nestling"),
    Peer {
        best: "a connection for each task, statements prepared by hand",
        ..peer(Backend::Postgres, HELD_POSTGRES, "drivers", "tokio-postgres")
    },
    Peer {
        best: "no test of borrowed connections, statements prepared by hand",
        default: Some("a round trip tests each borrowed connection"),
        ..peer(Backend::Postgres, BB8, "drivers", "bb8")
    },
    Peer {
        best: "as it comes, with `prepare_cached`",
        ..peer(Backend::Postgres, DEADPOOL, "drivers", "deadpool-postgres")
    },
    Peer {
        best: "`test_before_acquire(false)`",
        default: Some("a round trip tests each borrowed connection"),
        ..peer(Backend::Postgres, SQLX, "sqlx-agents", "sqlx-postgres")
    },
    Peer {
        best: "`test_before_acquire(false)`, no logging",
        default: Some("a round trip tests each borrowed connection; no logging either"),
        ..peer(Backend::Postgres, "sea-orm", "sqlx-agents", "sea-orm")
    },
    Peer {
        best: "deadpool, `RecyclingMethod::Fast`",
        default: Some("deadpool; a query tests each borrowed connection"),
        ..peer(Backend::Postgres, "diesel-async", "drivers", "diesel-async")
    },
    Peer { best: "as it comes; the update of C as SQL", ..peer(Backend::Postgres, "toasty", "other-agents", "toasty") },
    Peer {
        best: "as it comes, CPython; not with 256 tasks",
        ..peer(Backend::Postgres, PEEWEE, "python", "peewee-async")
    },
    peer(Backend::MariaDb, NESTLING, "drivers", "nestling"),
    Peer {
        best: "a connection for each task, its own statement cache",
        ..peer(Backend::MariaDb, HELD_MYSQL, "drivers", "mysql_async")
    },
    Peer {
        best: "its pool, `reset_connection(false)`, all connections kept",
        default: Some("its pool; a connection is reset when it is given back, ten are kept"),
        ..peer(Backend::MariaDb, "mysql_async", "drivers", "mysql_async-pool")
    },
    Peer {
        best: "`test_before_acquire(false)`",
        default: Some("a round trip tests each borrowed connection"),
        ..peer(Backend::MariaDb, SQLX, "sqlx-agents", "sqlx-mysql")
    },
    peer(Backend::Sqlite, NESTLING, "drivers", "nestling"),
    Peer {
        best: "called by the task itself, whose thread it blocks",
        ..peer(Backend::Sqlite, BARE_SQLITE, "drivers", "rusqlite")
    },
    Peer {
        best: "a connection for each task, each operation one closure",
        ..peer(Backend::Sqlite, TOKIO_RUSQLITE, "other-agents", "tokio-rusqlite")
    },
    Peer {
        best: "a connection for each task, each statement a closure, so that the task can await in between",
        ..peer(Backend::Sqlite, TOKIO_RUSQLITE_STATEMENTS, "other-agents", "tokio-rusqlite-statements")
    },
    Peer {
        best: "`test_before_acquire(false)`, `BEGIN IMMEDIATE`",
        default: Some("a test of each borrowed connection; `BEGIN IMMEDIATE` here, too"),
        ..peer(Backend::Sqlite, SQLX, "sqlx-agents", "sqlx-sqlite")
    },
];
