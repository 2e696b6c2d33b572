//! The agents of sqlx and of what is built on it: `sqlx-agents PEER` serves one of them.

mod sea;
mod sqlx_pools;

use agent::{Result, bail, serve};

/// What every insert writes.
const NOTE: &str = "written by a benchmark";

fn main() -> Result<()> {
    let peer = std::env::args().nth(1);
    match peer.as_deref() {
        Some("sqlx-postgres") => serve::<sqlx_pools::Postgres>(),
        Some("sqlx-mysql") => serve::<sqlx_pools::MySql>(),
        Some("sqlx-sqlite") => serve::<sqlx_pools::Sqlite>(),
        Some("sea-orm") => serve::<sea::SeaOrm>(),
        other => bail!("usage: sqlx-agents PEER; not {other:?}"),
    }
}
