//! The arguments of the program, taken apart by hand. It knows nothing of what is done with them.

use std::{env, path::PathBuf};

/// The answer to `--help`.
pub(crate) const USAGE: &str = "\
Imports films into three tables: a transaction for each hundred of them, a savepoint for each film.

Usage: cargo run --release --example movies -- [FLAGS]

Flags:
  --data FILE          a JSON array of films  [default: examples/data/movies.json of the crate]
  --database-url URL   sqlite://FILE, sqlite::memory:, or with `--features postgres` also postgres://USER@HOST/NAME;
                       its tables movie, director and distributor are DROPPED first
                       [default: movies.db, an SQLite file beside the compiled program]
  --json               print one last line of JSON with the figures
  -h, --help           print this

Ctrl-C rolls the open batch back and keeps the batches before it.
";

/// What the user asked for.
pub(crate) enum Request {
    Help,
    Import(Args),
}

/// How to import.
pub(crate) struct Args {
    pub(crate) data: PathBuf,
    pub(crate) database_url: String,
    pub(crate) json: bool,
}

/// Takes arguments apart, without the program's name. A value may follow its flag or `=`; the last one counts.
///
/// # Errors
///
/// A sentence for the user, if a flag is unknown, or lacks its value, or has one that it does not take.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Request, String> {
    let (mut data, mut database_url, mut json) = (None, None, false);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let (flag, value) = match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
            _ => (arg.as_str(), None),
        };
        let mut wanted = |what| match value.clone().or_else(|| args.next()) {
            Some(value) if !value.is_empty() && !value.starts_with("--") => Ok(value),
            _ => Err(format!("{flag} needs {what}")),
        };
        match flag {
            "--data" => data = Some(PathBuf::from(wanted("a file")?)),
            "--database-url" => database_url = Some(wanted("a URL")?),
            "--json" | "--help" | "-h" if value.is_some() => return Err(format!("{flag} takes no value")),
            "--json" => json = true,
            "--help" | "-h" => return Ok(Request::Help),
            unknown if unknown.starts_with('-') => return Err(format!("unknown flag {unknown}")),
            _ => return Err(format!("unexpected argument {arg}")),
        }
    }
    Ok(Request::Import(Args {
        data: data.unwrap_or_else(default_data),
        database_url: database_url.map_or_else(default_database_url, Ok)?,
        json,
    }))
}

fn default_data() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/movies.json"))
}

/// A file beside the program: whoever could build it can write there, and `cargo clean` takes it away.
fn default_database_url() -> Result<String, String> {
    let program = env::current_exe()
        .map_err(|error| format!("no place found for the database, please give --database-url: {error}"))?;
    Ok(format!("sqlite://{}", program.with_extension("db").display()))
}
