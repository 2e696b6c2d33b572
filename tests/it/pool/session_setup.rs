//! What a program asks of each session of its pool: what a new one runs first, how an idle one is checked before it is lent, and
//! whether each is reset at its return. Rules 36 and 60.

mod after_connect;
#[cfg(feature = "full")]
mod before_acquire;
mod dropped;
mod reset_on_return;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use nestling::{Database, DatabaseBuilder, Dialect, Error, connect::PoolConnection, params};

use crate::harness::Backend;

/// A setting of a session: how it is made, how it is read, and how it reads then.
struct Mark {
    set: &'static str,
    unset: &'static str,
    read: &'static str,
    value: &'static str,
}

const POSTGRES: Mark = Mark {
    set: "set app.mine = 'yes'",
    unset: "set app.mine = 'no'",
    read: "select coalesce(current_setting('app.mine', true), '')",
    value: "yes",
};
const MYSQL: Mark = Mark {
    set: "set group_concat_max_len = 7777",
    unset: "set group_concat_max_len = 8888",
    read: "select cast(@@session.group_concat_max_len as char)",
    value: "7777",
};
const SQLITE: Mark = Mark {
    set: "pragma recursive_triggers = on",
    unset: "pragma recursive_triggers = off",
    read: "select cast(recursive_triggers as text) from pragma_recursive_triggers",
    value: "1",
};

fn mark(dialect: Dialect) -> &'static Mark {
    match dialect {
        Dialect::Postgres => &POSTGRES,
        Dialect::Mysql => &MYSQL,
        _ => &SQLITE,
    }
}

/// How the session of the next statement is marked.
async fn read(db: &Database) -> Result<String, Error> {
    db.query_one(mark(db.dialect()).read, params![]).await?.get(0)
}

async fn is_marked(db: &Database) -> Result<bool, Error> {
    Ok(read(db).await? == mark(db.dialect()).value)
}

async fn set(connection: PoolConnection) -> Result<(), Error> {
    connection.execute(mark(connection.dialect()).set, params![]).await.map(drop)
}

/// Counts how often something was done.
#[derive(Debug, Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn more(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A database each of whose connections is marked, and how often one was.
fn marking(options: DatabaseBuilder) -> (DatabaseBuilder, Count) {
    let count = Count::default();
    let counted = count.clone();
    let options = options.after_connect(move |connection| {
        counted.more();
        set(connection)
    });
    (options, count)
}

/// The number of the session of the next statement, at the server. None on SQLite.
async fn session(db: &Database) -> Result<i64, Error> {
    let sql = match db.dialect() {
        Dialect::Postgres => "select pg_backend_pid()::bigint",
        Dialect::Mysql => "select cast(connection_id() as signed)",
        _ => return Ok(0),
    };
    db.query_one(sql, params![]).await?.get(0)
}

/// Waits until the server has no session of the database under test, where there is a server.
async fn no_session_is_left(backend: &Backend) {
    if backend.db.dialect() != Dialect::Sqlite {
        backend.sessions_come_to(0).await;
    }
}
