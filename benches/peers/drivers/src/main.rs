//! The agents of nestling, of the drivers it stands on, and of their pools: `drivers PEER` serves one of them.

use agent::{Result, bail, serve};
use drivers::{bb8_pool, deadpool, diesel, mysql_held, mysql_pool, nestling, postgres_held, rusqlite_thread};

fn main() -> Result<()> {
    let peer = std::env::args().nth(1);
    match peer.as_deref() {
        Some("nestling") => serve::<nestling::Nestling>(),
        Some("tokio-postgres") => serve::<postgres_held::Held>(),
        Some("bb8") => serve::<bb8_pool::Bb8>(),
        Some("deadpool-postgres") => serve::<deadpool::Deadpool>(),
        Some("diesel-async") => serve::<diesel::DieselAsync>(),
        Some("mysql_async") => serve::<mysql_held::Held>(),
        Some("mysql_async-pool") => serve::<mysql_pool::MysqlPool>(),
        Some("rusqlite") => serve::<rusqlite_thread::OneThread>(),
        other => bail!("usage: drivers PEER; not {other:?}"),
    }
}
