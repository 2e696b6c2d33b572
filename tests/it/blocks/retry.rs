//! Transactions that are retried: section G, rules 52 and 53.

mod attempts;
mod conflicts;
mod drops;
mod errors;
mod outcomes;
mod surroundings;
mod traced;

use std::{error::Error as StdError, fmt, sync::atomic::AtomicU32};

use nestling::{Database, Dialect, Error, blocks::Retry, native::rusqlite, params};

use crate::harness::Backend;

/// A program's own error.
#[derive(Debug)]
enum Mine {
    Db(Error),
    No(u8),
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Db(error)
    }
}

impl fmt::Display for Mine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Db(_) => f.write_str("the database"),
            Self::No(number) => write!(f, "no {number}"),
        }
    }
}

impl StdError for Mine {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Db(error) => Some(error),
            Self::No(_) => None,
        }
    }
}

/// Retries at once.
fn at_once() -> Retry {
    Retry::serialization().backoff(std::time::Duration::ZERO, std::time::Duration::ZERO)
}

/// How often a body has run.
#[derive(Debug, Default)]
struct Runs(AtomicU32);

impl Runs {
    /// Counts one more, and returns which it is, from 1.
    fn next(&self) -> u32 {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1
    }

    fn count(&self) -> u32 {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

trait Conflicts {
    /// A function `conflict()` of the server, which fails as a transaction that met another one does. On SQLite it is made
    /// where it is called.
    async fn with_conflicts(self) -> Self;
}

impl Conflicts for Backend {
    async fn with_conflicts(self) -> Self {
        let function = self.choose(
            "create function conflict() returns integer language plpgsql as
             $$ begin raise exception 'a conflict' using errcode = '40001'; end $$",
            "create function conflict() returns int deterministic
             begin signal sqlstate '40001' set mysql_errno = 1213, message_text = 'a conflict'; return 1; end",
            "",
        );
        if !function.is_empty() {
            self.observer.batch(function).await.expect("the function of the test");
        }
        self
    }
}

/// Fails as a transaction that met another one does.
async fn conflict(db: &Database) -> Result<(), Error> {
    if db.dialect() == Dialect::Sqlite {
        db.with_sqlite(|sqlite| {
            let flags = rusqlite::functions::FunctionFlags::SQLITE_UTF8;
            let fails = |_: &rusqlite::functions::Context<'_>| -> rusqlite::Result<i64> {
                let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY_SNAPSHOT);
                Err(rusqlite::Error::SqliteFailure(code, None))
            };
            sqlite.create_scalar_function("conflict", 0, flags, fails).expect("a function");
            Ok::<_, Error>(())
        })
        .await?;
    }
    db.query("select conflict()", params![]).await.map(|_| ())
}
