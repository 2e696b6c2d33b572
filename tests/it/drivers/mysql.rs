//! What MySQL and MariaDB do in their own way: on both servers, by the wire and by the server's own word.

mod cancel;
mod commit;
mod computed;
mod deadlock;
mod errors;
mod half_answered;
mod helper;
mod idle;
mod kept_statements;
mod login;
mod names;
mod param_types;
mod refused_logins;
mod results;
mod rows;
mod settings;
mod sizes;
mod statements;
mod timeouts;
mod types;
mod wire;

use std::time::{Duration, Instant};

use nestling::{Database, Params, types::FromCell};

use crate::support::waits::PATIENCE;

/// The one value of a query.
async fn value<T: for<'r> FromCell<'r>>(db: &Database, sql: &str, params: impl Into<Params>) -> T {
    let row = db.query_one(sql, params).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    row.get(0).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

/// Does something until it takes less time than an idle connection is trusted for, and returns what came of that: whoever is held
/// up on the way asks the connection for a sign of life first, and that is counted too.
async fn in_one_go<T>(work: impl AsyncFn() -> T) -> T {
    let first = Instant::now();
    loop {
        let start = Instant::now();
        let out = work().await;
        // Where it takes longer each time, it may not have been held up at one place.
        if start.elapsed() < Duration::from_millis(400) || first.elapsed() > PATIENCE / 2 {
            return out;
        }
    }
}
