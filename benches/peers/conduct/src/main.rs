//! The conductor of the comparison: has all agents run in interleaved rounds, checks what they did, and writes the report.

mod about;
mod args;
mod awake;
mod backend;
mod crew;
mod extra;
mod fit;
mod goals;
mod instructions;
mod peers;
mod pictures;
mod plan;
mod processes;
mod progress;
mod proxy;
mod record;
mod report;
mod rounds;
mod sections;
mod svg;
mod table;

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    args::Args, awake::Awake, backend::Backend, crew::Programs, plan::Load, progress::Progress, record::Record,
    rounds::Stage,
};

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::read()?;
    if args.instructions {
        let scratch = Scratch::make()?;
        let mut urls = Vec::new();
        for backend in Backend::ALL.into_iter().filter(|backend| args.wants(*backend)) {
            urls.push((backend, url(backend, &scratch)?));
        }
        return tokio::select! {
            counted = instructions::run(&args, &urls) => counted,
            () = stopped()? => bail!("stopped"),
        };
    }
    let kept = args.bin.join("benchmark-figures.json");
    let record = if args.render {
        let text = fs::read_to_string(&kept).with_context(|| format!("{}: no full run is kept", kept.display()))?;
        serde_json::from_str(&text)?
    } else {
        // What is dropped then cleans up: the agents and SQLite's folder.
        tokio::select! {
            record = measure(&args) => record?,
            () = stopped()? => bail!("stopped"),
        }
    };
    let figures = serde_json::to_string(&record)?;
    if args.is_full() && !args.render {
        fs::write(&kept, &figures)?;
    }
    let docs = if args.is_full() { args.folder.join("../../docs") } else { args.bin.join("benchmark-check") };
    write(&record, &args, &docs)?;
    if args.json {
        println!("{figures}");
    } else {
        println!("{}", report::summary(&record));
    }
    eprintln!("the report is in {}", docs.join("benchmarks.md").display());
    Ok(())
}

/// Writes the report and its pictures.
fn write(record: &Record, args: &Args, docs: &Path) -> Result<()> {
    let notes = fs::read_to_string(args.folder.join("notes.md")).unwrap_or_default();
    let last = fs::read_to_string(args.report()).context("the last report, whose table of instructions stays")?;
    let instructions = instructions::kept(&last).map_or_else(instructions::unknown, str::to_owned);
    let pictures = pictures::pictures(record);
    fs::create_dir_all(docs.join("benchmarks"))?;
    for (name, _, picture) in &pictures {
        fs::write(docs.join(format!("benchmarks/{name}.svg")), picture)?;
    }
    let named: Vec<(&str, &str)> = pictures.iter().map(|(name, about, _)| (*name, *about)).collect();
    fs::write(docs.join("benchmarks.md"), report::report(record, &notes, &instructions, &named))?;
    Ok(())
}

async fn measure(args: &Args) -> Result<Record> {
    let programs = Programs { bin: args.bin.clone(), python: args.python.clone(), scripts: args.folder.join("python") };
    let mut record = Record {
        quick: args.quick,
        date: about::date(),
        machine: about::machine(),
        versions: about::crates(&args.folder)?,
        ..Record::default()
    };
    if let Some(version) = args.python.as_deref().and_then(|python| about::python_package(python, "peewee-async")) {
        record.versions.insert("peewee-async".into(), version);
    }
    let wanted = |backend: &Backend| args.wants(*backend);
    let loads: Vec<Load> = plan::loads(args.quick)
        .into_iter()
        .filter(|load| wanted(&load.backend))
        .filter_map(|load| if args.goals { load.for_goals() } else { Some(load) })
        .collect();
    for delay in [1, 4] {
        let took = proxy::measured(Duration::from_millis(delay.into()))?;
        record.delays.insert(delay, took.as_secs_f64() * 1e3);
    }
    let awake = Awake::keep();
    record.awake = awake.is_kept();
    let mut progress = Progress::new(steps(&loads, args));
    let scratch = Scratch::make()?;
    for backend in Backend::ALL.into_iter().filter(wanted) {
        let url = url(backend, &scratch)?;
        let mut stage = Stage::set(backend, &url, &programs, &args.only, &mut record).await?;
        if !args.goals {
            stage.count(&mut record, &mut progress).await?;
        }
        for load in loads.iter().filter(|load| load.backend == backend) {
            stage.run(load, &mut record, &mut progress).await?;
        }
        if backend == Backend::Postgres && !args.goals {
            extra::crowd(&mut stage, args.quick, &mut record, &mut progress).await?;
            extra::waiting(&stage, &mut record, &mut progress).await?;
            extra::growth(&mut stage, args.quick, &mut record, &mut progress).await?;
            extra::open_savepoints(&mut stage, args.quick, &mut record, &mut progress).await?;
        }
    }
    drop(awake);
    progress.clear();
    record.seconds = progress.elapsed().as_secs_f64();
    Ok(record)
}

/// Where a back end is: `run.sh` tells, or its file.
fn url(backend: Backend, scratch: &Scratch) -> Result<String> {
    Ok(match backend {
        Backend::Postgres => std::env::var("NESTLING_POSTGRES_URL").context("NESTLING_POSTGRES_URL")?,
        Backend::MariaDb => std::env::var("NESTLING_MYSQL_URL").context("NESTLING_MYSQL_URL")?,
        Backend::Sqlite => format!("sqlite://{}", scratch.0.join("bench.db").display()),
    })
}

/// Comes when the program is asked to end.
fn stopped() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// About how many runs there will be.
fn steps(loads: &[Load], args: &Args) -> usize {
    let peers = |load: &Load| {
        let named = peers::PEERS.iter().filter(|peer| peer.backend == load.backend);
        let chosen = named.filter(|peer| args.only.is_empty() || args.only.iter().any(|name| name == peer.title));
        chosen.map(|peer| 1 + usize::from(load.with_defaults && peer.default.is_some())).sum::<usize>()
    };
    loads.iter().map(|load| load.rounds * load.workloads.len() * peers(load)).sum()
}

/// A folder for SQLite's file, in memory if there is one; removed at the end.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = base.join(format!("nestling-peers-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}
