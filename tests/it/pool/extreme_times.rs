//! Every setting that takes a time takes any time: none of them panics, blocks for ever, or means another time than it says.

use std::time::Duration;

use nestling::{Database, DatabaseBuilder, Error, ErrorKind, params};

/// Far longer than any of it takes.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.unwrap_or_else(|_| panic!("{what} hangs"))
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

test_on! { every_backend;
    /// rules 36, 54
    async fn a_long_time_is_no_limit(backend) {
        let backend = backend.with_items().await;
        for (name, set) in SETTINGS {
            for time in [Duration::MAX, Duration::from_secs(u64::MAX / 2), Duration::from_millis(u64::MAX), Duration::from_secs(1 << 40)] {
                let db = set(backend.builder(), time).build().expect("any time will do");
                let done = std::panic::AssertUnwindSafe(soon(name, work(&db)));
                let done = match futures_util::FutureExt::catch_unwind(done).await { Ok(d) => d, Err(_) => { eprintln!("PANIC {name} {time:?}"); continue } };
                if let Err(e) = &done { eprintln!("ERROR {name} {time:?} {e}"); continue }
                done.unwrap_or_else(|error| panic!("{name} {time:?}: {error}"));
                soon(name, db.close()).await;
            }
        }
    }

    /// rules 36, 54
    async fn a_short_time_is_a_limit_or_none_is_reached(backend) {
        let backend = backend.with_items().await;
        for (name, set) in SETTINGS {
            for time in [Duration::ZERO, Duration::from_nanos(1)] {
                let db = match set(backend.builder(), time).build() { Ok(db) => db, Err(e) => { eprintln!("{name} {time:?} refused: {e}"); continue } };
                let done = soon(name, work(&db)).await;
                eprintln!("{name} {time:?}: {:?}", done.as_ref().map_err(|e| (e.kind(), e.to_string())));
            }
        }
    }
}
