//! Opens a SQLite database: flags, pragmas and the journal. A lock of another connection on the file is awaited in
//! short pauses. It knows no statements.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use tokio::time::sleep;

use super::{
    cancel_flag::CancelFlag,
    classify,
    connection_state::{ConnectionState, Pragmas},
    decimals,
    run_on::{self, RunOn},
    url::{Mode, Target},
    write_lock::{WriteLock, file_id},
};
use crate::error::{Error, ErrorKind};

/// How a database is opened.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) target: Target,
    pub(super) statement_cache: usize,
    pub(super) busy_timeout: Duration,
    /// Names and values, of the caller's.
    pub(super) pragmas: Pragmas,
}

/// How long other connections may take to switch a new file to WAL: SQLite refuses some of several at once.
const SWITCHING: Duration = Duration::from_secs(1);

/// The pauses while another connection has a lock on the file.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(8));

/// The pause after this many failed attempts.
pub(super) fn pause(attempts: u32) -> Duration {
    PAUSES.1.min(PAUSES.0 * 2_u32.saturating_pow(attempts))
}

/// An open database.
pub(super) struct OpenDatabase {
    pub(super) conn: ConnectionState,
    pub(super) cancel: Arc<CancelFlag>,
    pub(super) patience: Duration,
    pub(super) in_memory: bool,
}

impl Setup {
    /// Opens the database.
    ///
    /// # Errors
    /// `Connect`. If another connection has had a lock on the file for the whole `busy_timeout`, that is a time-out.
    ///
    /// # Cancel safety
    /// Dropped, it leaves no connection behind.
    pub(super) async fn open(&self) -> Result<OpenDatabase, Error> {
        let (start, patience) = (Instant::now(), self.busy_timeout.max(SWITCHING));
        let mut attempts = 0;
        loop {
            let setup = self.clone();
            let opened = match run_on::current() {
                RunOn::Inline(current_thread) => current_thread.run(|| setup.try_open()),
                RunOn::Thread => tokio::task::spawn_blocking(move || setup.try_open()).await.map_err(|source| {
                    Error::new(ErrorKind::NoRuntime, "the runtime is shutting down").with_source(source)
                })?,
            };
            match opened {
                Err(error) if classify::is_busy(&error) && start.elapsed() < patience => {
                    sleep(pause(attempts)).await;
                    attempts += 1;
                }
                opened => return opened.map_err(classify::connect),
            }
        }
    }

    /// Opens the database, unless another connection has a lock on it. It blocks.
    fn try_open(&self) -> rusqlite::Result<OpenDatabase> {
        let mut db = match &self.target {
            Target::Memory => {
                Connection::open_in_memory_with_flags(OpenFlags::default() | OpenFlags::SQLITE_OPEN_NO_MUTEX)?
            }
            Target::File { path, mode } => open_file(path, *mode)?,
        };
        // rusqlite has set one, which would block the thread.
        db.busy_timeout(Duration::ZERO)?;
        db.set_prepared_statement_cache_capacity(self.statement_cache);
        db.pragma_update(None, "foreign_keys", true)?;
        decimals::install(&db)?;
        let file = match &self.target {
            Target::File { path, .. } if !db.is_readonly("main")? => Some(path),
            Target::File { .. } | Target::Memory => None,
        };
        if file.is_some() {
            // With WAL, readers and the writer do not wait for each other. The pragma returns the mode.
            db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        }
        for (name, value) in &*self.pragmas {
            db.pragma_update(None, name, value)?;
        }
        // A file without a name cannot be opened by another connection.
        let write_lock = file.and_then(|path| file_id(path).ok()).map(WriteLock::of);
        let cancel = Arc::new(CancelFlag::default());
        cancel.install(&mut db)?;
        Ok(OpenDatabase {
            conn: ConnectionState::new(
                db,
                Arc::clone(&cancel),
                self.statement_cache,
                write_lock,
                Arc::clone(&self.pragmas),
            ),
            cancel,
            patience: self.busy_timeout,
            in_memory: matches!(self.target, Target::Memory),
        })
    }
}

/// Opens a file.
fn open_file(path: &Path, mode: Mode) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, mode.flags())?;
    if !db.is_readonly("main")? {
        return Ok(db);
    }
    db.busy_timeout(Duration::ZERO)?;
    match db.query_row("PRAGMA schema_version", [], |_| Ok(())) {
        // A file in WAL mode needs an index in its folder even to be read. If that cannot be created and there is no
        // log, the file is complete, and is opened as immutable.
        Err(error) if classify::needs_a_writable_folder(&error) && !has_log(path) => {
            Connection::open_with_flags(immutable(path), mode.flags() | OpenFlags::SQLITE_OPEN_URI)
        }
        read => read.map(|()| db),
    }
}

/// Whether the file has a write-ahead log that is not empty.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    fs::metadata(log).is_ok_and(|data| data.len() > 0)
}

/// The URI that opens a file as immutable.
fn immutable(path: &Path) -> String {
    let path = path.to_string_lossy();
    let escaped: String = path
        .chars()
        .map(|c| match c {
            '%' => "%25".into(),
            '?' => "%3f".into(),
            '#' => "%23".into(),
            c => c.to_string(),
        })
        .collect();
    format!("file:{escaped}?immutable=1")
}
