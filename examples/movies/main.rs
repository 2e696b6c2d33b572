//! Imports 3,201 films, some of them faulty, and lets the database say which ones.
//!
//! `cargo run --release --example movies` needs nothing installed: the database is an SQLite file. Begin reading at
//! [`import`]: it is where transactions nest without a handle in any signature; [`schema`] has the models. The other files are
//! what any program needs around that: arguments, data, a progress bar and a report.

mod args;
mod cost;
mod film;
mod import;
mod progress;
mod report;
mod schema;
mod table;
mod text;
mod top;

use std::{
    env,
    error::Error,
    io::{self, Write},
    process::ExitCode,
    time::Instant,
};

use nestling::{Database, Manager};

use crate::{
    args::{Args, Request, USAGE},
    cost::Cost,
    film::Film,
    progress::Progress,
    report::Report,
    top::Top,
};

/// What a shell reports of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let given = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let done = match args::parse(given) {
        Ok(Request::Import(args)) => run(&args).await,
        Ok(Request::Help) => print(USAGE).map(|()| ExitCode::SUCCESS).map_err(Into::into),
        Err(mistake) => {
            eprintln!("error: {mistake}\n\nFor the flags there are, try --help.");
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {}", text::chain(&*error));
        ExitCode::FAILURE
    })
}

/// Imports the films and reports, or tells what is kept if Ctrl-C comes first.
async fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let films = film::read(&args.data)?;
    // An import needs one connection. With no second one, the rows are counted when the transaction before is
    // over for good, even if it was cut short.
    let db = Database::builder(&args.database_url).max_connections(1).build()?;
    schema::create(&db).await?;
    let objects = Manager::new(db.clone());

    let before = db.stats();
    let start = Instant::now();
    let rejected = tokio::select! {
        rejected = import::import(&objects, &films, Progress::new(films.len())) => rejected?,
        // The future of the import is dropped, and the blocks that it had open are rolled back: no more is needed.
        Ok(()) = tokio::signal::ctrl_c() => return interrupted(&objects, &films).await,
    };
    let elapsed = start.elapsed();
    let cost = Cost::between(&before, &db.stats());

    let counts = schema::count(&objects).await?;
    let top = Top::ask(&objects).await?;
    let report = Report { database: place(&db, args), rows: films.len(), rejected, counts, cost, elapsed };
    print(&report.for_people())?;
    print(&top.for_people())?;
    if args.json {
        print(&report.json())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn interrupted(objects: &Manager, films: &[Film]) -> Result<ExitCode, Box<dyn Error>> {
    let kept = schema::count(objects).await?;
    eprintln!(
        "interrupted: the open batch was rolled back; kept are {} films of {} rows, {} directors and {} distributors",
        text::grouped(kept.films),
        text::grouped(films.len() as u64),
        text::grouped(kept.directors),
        text::grouped(kept.distributors),
    );
    Ok(ExitCode::from(INTERRUPTED))
}

/// Where the films are now. The URL of a server is not shown, since it may hold a password.
fn place(db: &Database, args: &Args) -> String {
    let dialect = db.dialect().to_string();
    if dialect == "sqlite" { args.database_url.clone() } else { dialect }
}

/// Writes to stdout; a reader that has seen enough (`movies | head`) is no error.
fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
