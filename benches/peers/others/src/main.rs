//! The agents of tokio-rusqlite and of toasty: `other-agents PEER` serves one of them.

mod closures;
mod connections;
mod statements;
mod toasty;

use agent::{Result, bail, serve};

/// What every insert writes.
const NOTE: &str = "written by a benchmark";

fn main() -> Result<()> {
    let peer = std::env::args().nth(1);
    match peer.as_deref() {
        Some("tokio-rusqlite") => serve::<closures::Closures>(),
        Some("tokio-rusqlite-statements") => serve::<statements::Statements>(),
        Some("toasty") => serve::<toasty::Toasty>(),
        other => bail!("usage: other-agents PEER; not {other:?}"),
    }
}
