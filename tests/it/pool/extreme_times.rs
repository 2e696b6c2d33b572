//! Every setting that takes a time takes any time: none of them panics, blocks for ever, or means another time than it says.

use std::time::Duration;

use nestling::{Database, DatabaseBuilder, Error, ErrorKind, TransactionBuilder, params};

use crate::support::waits::PATIENCE;

/// Far longer than any of it takes.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} hangs"))
}

type Setting = (&'static str, fn(DatabaseBuilder, Duration) -> DatabaseBuilder);

const SETTINGS: [Setting; 13] = [
    ("acquire_timeout", DatabaseBuilder::acquire_timeout),
    ("turn_timeout", DatabaseBuilder::turn_timeout),
    ("connect_timeout", DatabaseBuilder::connect_timeout),
    ("close_timeout", DatabaseBuilder::close_timeout),
    ("idle_timeout", |builder, time| builder.idle_timeout(Some(time))),
    ("max_lifetime", |builder, time| builder.max_lifetime(Some(time))),
    ("busy_timeout", DatabaseBuilder::busy_timeout),
    ("default_timeout", DatabaseBuilder::default_timeout),
    ("statement_timeout", DatabaseBuilder::statement_timeout),
    ("lock_timeout", DatabaseBuilder::lock_timeout),
    ("idle_in_transaction_timeout", DatabaseBuilder::idle_in_transaction_timeout),
    ("warn_open_longer_than", DatabaseBuilder::warn_open_longer_than),
    ("slow_statement_threshold", DatabaseBuilder::slow_statement_threshold),
];

/// Two blocks, one inside the other, with a pause in between, and a statement outside.
async fn work(db: &Database) -> Result<(), Error> {
    db.atomic(|| async {
        db.query("select 1", params![]).await?;
        tokio::time::sleep(Duration::from_millis(3)).await;
        db.atomic(|| async { db.query("select 2", params![]).await.map(drop) }).await
    })
    .await?;
    db.query("select 3", params![]).await.map(drop)
}

/// The same options on a transaction.
type OptionOf = (&'static str, fn(TransactionBuilder<'_>, Duration) -> TransactionBuilder<'_>);

const OPTIONS: [OptionOf; 5] = [
    ("timeout", |block, time| block.timeout(time)),
    ("statement_timeout", |block, time| block.statement_timeout(time)),
    ("lock_timeout", |block, time| block.lock_timeout(time)),
    ("acquire_timeout", |block, time| block.acquire_timeout(time)),
    ("idle_in_transaction_timeout", |block, time| block.idle_in_transaction_timeout(time)),
];

/// Longer than any clock goes, or than the server's settings do.
const LONG: [Duration; 5] = [
    Duration::MAX,
    Duration::from_secs(u64::MAX / 2),
    Duration::from_millis(u64::MAX),
    Duration::from_secs(1 << 40),
    Duration::from_secs(1 << 32),
];

fn is_over(error: &Error) -> bool {
    use ErrorKind::{Connect, IdleTimeout, LockTimeout, PoolTimeout, StatementTimeout, Timeout, TurnTimeout};
    matches!(error.kind(), Connect | IdleTimeout | LockTimeout | PoolTimeout | StatementTimeout | Timeout | TurnTimeout)
}

test_on! { every_backend;
    /// rules 36, 54
    async fn a_time_beyond_the_clock_is_no_limit(backend) {
        for time in LONG {
            for (name, set) in SETTINGS {
                let db = set(backend.builder(), time).build().expect("any time will do");
                soon(name, work(&db)).await.unwrap_or_else(|error| panic!("{name} {time:?}: {error}"));
                soon(name, db.close()).await;
            }
            let db = backend.builder().build().expect("a database");
            for (name, set) in OPTIONS {
                let block = set(db.build_transaction(), time).atomic(|| work(&db));
                soon(name, block).await.unwrap_or_else(|error| panic!("{name} {time:?}: {error}"));
            }
            soon("the end", db.close()).await;
        }
    }

    /// rules 36, 54
    async fn a_time_of_nothing_is_over_or_was_not_needed(backend) {
        for time in [Duration::ZERO, Duration::from_nanos(1)] {
            for (name, set) in SETTINGS {
                match set(backend.builder(), time).build() {
                    Ok(db) => {
                        let done = soon(name, work(&db)).await;
                        assert!(done.as_ref().err().is_none_or(is_over), "{name} {time:?}: {done:?}");
                        soon(name, db.close()).await;
                    }
                    Err(refused) => assert_eq!((refused.kind(), time), (ErrorKind::Config, Duration::ZERO), "{name}"),
                }
            }
            let db = backend.builder().build().expect("a database");
            for (name, set) in OPTIONS {
                let done = soon(name, set(db.build_transaction(), time).atomic(|| work(&db))).await;
                assert!(done.as_ref().err().is_none_or(is_over), "{name} {time:?}: {done:?}");
            }
            work(&db).await.expect("nothing is left of it");
            soon("the end", db.close()).await;
        }
    }
}
