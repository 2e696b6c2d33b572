//! What statements leave behind in a session does not reach the next user of its connection, and what the server tells
//! of the session is looked at. `left_behind` shows what is set by plain SQL, `procedures` what runs inside of MySQL.

mod batches;
mod left_behind;
#[cfg(feature = "full")]
mod native;
#[cfg(feature = "full")]
mod procedures;

use nestling::{Database, params};

/// The first column of the only row, as text.
async fn text(db: &Database, sql: &str) -> String {
    let row = db.query_one(sql, params![]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    row.get::<Option<String>>(0).expect("a text").unwrap_or_default()
}
