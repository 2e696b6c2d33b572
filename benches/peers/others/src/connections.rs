//! Connections of tokio-rusqlite, and the statements that its two agents have in common.

use agent::{Job, Result, Setup, Wide, anyhow};
use tokio_rusqlite::{
    Connection, params,
    rusqlite::{self, OptionalExtension},
};

use crate::NOTE;

const SELECT: &str = "select balance from account where id = ?";
const UPDATE: &str = "update account set balance = balance + 1 where id = ?";
const INSERT: &str = "insert into entry (account, amount, note) values (?, ?, ?)";
const READ: &str = "select id, account, name, note, amount, ratio, code, active from wide order by id limit ?";

/// As many as there may be, or as there are tasks.
pub(crate) async fn open(setup: &Setup) -> Result<Vec<Connection>> {
    let path = setup.url.strip_prefix("sqlite://").ok_or_else(|| anyhow!("{} is no file", setup.url))?;
    let mut open = Vec::new();
    for _ in 0..setup.connections.min(setup.tasks) {
        let connection = Connection::open(path).await?;
        let set = |connection: &mut rusqlite::Connection| {
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "foreign_keys", true)
        };
        connection.call(set).await.map_err(|error| anyhow!("{error}"))?;
        open.push(connection);
    }
    Ok(open)
}

pub(crate) fn write(connection: &rusqlite::Connection, job: Job) -> rusqlite::Result<()> {
    connection.prepare_cached(INSERT)?.execute(params![job.key, job.task as i64, NOTE])?;
    Ok(())
}

pub(crate) fn grow(connection: &rusqlite::Connection, key: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(UPDATE)?.execute([key])?;
    Ok(())
}

pub(crate) fn balance(connection: &rusqlite::Connection, key: i64) -> Result<i64> {
    let found = connection.prepare_cached(SELECT)?.query_row([key], |row| row.get(0)).optional()?;
    found.ok_or_else(|| anyhow!("there is no account {key}"))
}

pub(crate) fn read(connection: &rusqlite::Connection, rows: i64) -> Result<Vec<Wide>> {
    let wide = |row: &rusqlite::Row<'_>| {
        Ok(Wide {
            id: row.get(0)?,
            account: row.get(1)?,
            name: row.get(2)?,
            note: row.get(3)?,
            amount: row.get(4)?,
            ratio: row.get(5)?,
            code: row.get(6)?,
            active: row.get(7)?,
        })
    };
    Ok(connection.prepare_cached(READ)?.query_map([rows], wide)?.collect::<Result<_, _>>()?)
}

/// Runs one closure on the thread of a connection.
pub(crate) async fn call<T: Send + 'static>(
    connection: &Connection,
    work: impl FnOnce(&mut rusqlite::Connection) -> Result<T> + Send + 'static,
) -> Result<T> {
    match connection.call(work).await {
        Err(tokio_rusqlite::Error::Error(error)) => Err(error),
        other => other.map_err(|error| anyhow!("{error}")),
    }
}
