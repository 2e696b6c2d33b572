//! Counts the client's instructions for one operation of each workload, nestling's beside the bare driver's, with
//! callgrind, and writes the table into the report between two marks.
//!
//! Unlike time, they are the same in each run. A count comes from one process of the program `counted`, which runs the
//! workload on one connection and calls `mark` in between; callgrind writes down what it has counted at each mark, so that
//! connecting and first uses are left out. Allocations are the calls of libc's functions that callgrind has seen.

use std::{collections::HashMap, fs, path::PathBuf, process::Stdio};

use agent::Workload::{self, A, B, C, D, E, F, G, H};
use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::{
    about,
    args::Args,
    backend::{Backend, Server},
    crew,
    progress::Progress,
    table::{Table, number},
};

const BEGIN: &str = "<!-- instructions: written by `just instructions` -->";
const END: &str = "<!-- instructions: end -->";

const WORKLOADS: [Workload; 9] = [A, B, C, D(5), D(10), E(10), F, G, H];
/// Operations before the first mark: a statement may be prepared at its second use.
const WARM: u64 = 20;
/// Processes for each count; each runs the operations twice, so that there are twice as many counts.
const PROCESSES: usize = 2;

/// Figures of one operation, by one peer.
struct Counts {
    instructions: Vec<f64>,
    allocations: f64,
}

struct Row {
    backend: Backend,
    workload: Workload,
    own: Counts,
    bare: Counts,
}

/// What callgrind has counted between two marks.
#[derive(Debug, PartialEq)]
struct Part {
    instructions: u64,
    allocations: u64,
}

/// What was wanted, before it was counted.
enum Goal {
    Instructions(f64),
    OfBare(f64),
}

impl Goal {
    fn of(backend: Backend, workload: Workload) -> Option<Self> {
        Some(match (backend, workload) {
            (Backend::Postgres, A) => Self::Instructions(9_500.0),
            (Backend::Postgres, B) => Self::Instructions(20_000.0),
            (Backend::Postgres, C) => Self::Instructions(45_000.0),
            (Backend::Postgres, D(5)) => Self::Instructions(70_000.0),
            (Backend::MariaDb, A) => Self::OfBare(1.15),
            (Backend::Sqlite, A) => Self::OfBare(1.3),
            _ => return None,
        })
    }
}

impl Counts {
    fn typical(&self) -> f64 {
        self.instructions.iter().sum::<f64>() / self.instructions.len().max(1) as f64
    }

    /// How far the counts are from one another, by the typical one.
    fn spread(&self) -> f64 {
        let most = self.instructions.iter().copied().fold(f64::MIN, f64::max);
        let least = self.instructions.iter().copied().fold(f64::MAX, f64::min);
        (most - least) / self.typical()
    }
}

impl Row {
    fn cells(&self) -> [String; 8] {
        let (own, bare) = (self.own.typical(), self.bare.typical());
        let (wanted, met) = match Goal::of(self.backend, self.workload) {
            Some(Goal::Instructions(most)) => (format!("≤ {}", number(most)), Some(own <= most)),
            Some(Goal::OfBare(most)) => (format!("ratio ≤ {most}"), Some(own <= bare * most)),
            None => (String::new(), None),
        };
        let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
        [
            format!("{}, {}", self.backend.title(), self.workload),
            number(own),
            number(bare),
            format!("{:.2}", own / bare),
            wanted,
            met.into(),
            format!("{:.1}", self.own.allocations),
            format!("{:.1}", self.bare.allocations),
        ]
    }
}

/// Who counts, and where.
struct Counter {
    backend: Backend,
    server: Server,
    program: PathBuf,
    /// For callgrind's own files, which stay.
    folder: PathBuf,
}

impl Counter {
    fn bare(&self) -> &'static str {
        match self.backend {
            Backend::Postgres => "tokio-postgres",
            Backend::MariaDb => "mysql_async",
            Backend::Sqlite => "rusqlite",
        }
    }

    /// Operations between two marks. SQLite moves its log into its file once in some hundred transactions; there must be
    /// many in each count.
    fn rounds(&self) -> u64 {
        if self.backend == Backend::Sqlite { 3_000 } else { 200 }
    }

    async fn count(&mut self, peer: &str, workload: Workload) -> Result<Counts> {
        let out = self.folder.join(format!("{}-{workload}-{peer}", self.backend.title()));
        let mut parts = Vec::new();
        for _ in 0..PROCESSES {
            self.server.before_run().await?;
            let mut command = Command::new("valgrind");
            command.args(["--tool=callgrind", "--dump-before=counted::mark*"]);
            command.arg(format!("--callgrind-out-file={}", out.display())).arg(&self.program);
            command.args([
                peer,
                &self.server.url,
                &workload.to_string(),
                &WARM.to_string(),
                &self.rounds().to_string(),
            ]);
            crew::without_backtraces(&mut command);
            let ended = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("valgrind")?;
            let said = String::from_utf8_lossy(&ended.stderr);
            ensure!(ended.status.success(), "{peer}, {workload}: {said}");
            self.server.after_run(workload.outcome(), WARM + 2 * self.rounds()).await?;
            for number in [2, 3] {
                let path = format!("{}.{number}", out.display());
                let text = fs::read_to_string(&path).with_context(|| path.clone())?;
                parts.push(Part::read(&text).context(path)?);
            }
        }
        let each = |count: u64| count as f64 / self.rounds() as f64;
        let allocations = parts.iter().map(|part| each(part.allocations)).sum::<f64>() / parts.len() as f64;
        Ok(Counts { instructions: parts.iter().map(|part| each(part.instructions)).collect(), allocations })
    }
}

impl Part {
    /// Reads one of callgrind's files.
    fn read(text: &str) -> Result<Self> {
        let (mut names, mut callee, mut allocations, mut instructions) = (HashMap::new(), "", 0, None);
        for line in text.lines() {
            if let Some(total) = line.strip_prefix("totals: ") {
                instructions = Some(total.parse()?);
            } else if let Some(calls) = line.strip_prefix("calls=") {
                let calls: u64 = calls.split(' ').next().unwrap_or_default().parse()?;
                if matches!(callee, "malloc" | "calloc" | "realloc" | "posix_memalign" | "aligned_alloc") {
                    allocations += calls;
                }
            } else if let Some(function) = line.strip_prefix("cfn=").or_else(|| line.strip_prefix("fn=")) {
                // The name stands behind its number once: `(7) malloc`, later `(7)`.
                let (id, name) = function.split_once(' ').unwrap_or((function, ""));
                if !name.is_empty() {
                    names.insert(id, name);
                }
                if line.starts_with("cfn=") {
                    callee = names.get(id).copied().with_context(|| format!("no name for {function}"))?;
                }
            }
        }
        Ok(Self { instructions: instructions.context("it has no totals")?, allocations })
    }
}

/// Counts, prints the table and writes it into the report.
pub(crate) async fn run(args: &Args, urls: &[(Backend, String)]) -> Result<()> {
    let folder = args.bin.join("callgrind");
    fs::create_dir_all(&folder)?;
    let mut progress = Progress::new(urls.len() * WORKLOADS.len() * 2);
    let mut rows = Vec::new();
    let mut versions = Vec::new();
    for (backend, url) in urls {
        let server = Server::prepare(*backend, url).await?;
        versions.push(format!("{} {}", backend.title(), server.version));
        let (program, folder) = (args.bin.join("counted"), folder.clone());
        let mut counter = Counter { backend: *backend, server, program, folder };
        let bare = counter.bare();
        for workload in WORKLOADS {
            let mut counted = async |peer| {
                progress.step(&format!("{}, {workload}: {peer}", backend.title()));
                counter.count(peer, workload).await
            };
            let own = counted("nestling").await?;
            let bare = counted(bare).await?;
            rows.push(Row { backend: *backend, workload, own, bare });
        }
    }
    progress.clear();
    let table = table(&rows);
    println!("{table}");
    eprintln!("callgrind's files for callgrind_annotate are in {}", folder.display());
    if args.backends.is_empty() {
        let path = args.report();
        let report = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        fs::write(&path, replaced(&report, &section(&rows, &table, &versions))?)?;
        eprintln!("the table is in {}", path.display());
    }
    Ok(())
}

fn table(rows: &[Row]) -> String {
    let head = ["", "nestling", "bare driver", "ratio", "wanted", "met", "allocations", "bare driver's"];
    let mut table = Table::new(head).left([4, 5]);
    for row in rows {
        table.row(row.cells());
    }
    table.to_string()
}

fn section(rows: &[Row], table: &str, versions: &[String]) -> String {
    let spread = rows.iter().flat_map(|row| [row.own.spread(), row.bare.spread()]).fold(0.0, f64::max);
    let compiler = about::machine().remove("compiler").unwrap_or_default();
    format!(
        "Counted on {}: {compiler}, {}. Each figure is the mean of {} counts in {PROCESSES} processes; no two counts of one figure are more than \
         {:.2} % apart.\n\n{table}",
        about::date(),
        versions.join(", "),
        2 * PROCESSES,
        spread * 100.0
    )
}

/// What stands in a report between the marks, with them; nothing if it has none.
pub(crate) fn kept(report: &str) -> Option<&str> {
    let begin = report.find(BEGIN)?;
    let end = begin + report[begin..].find(END)?;
    Some(&report[begin..end + END.len()])
}

/// The marks with nothing in between.
pub(crate) fn unknown() -> String {
    format!("{BEGIN}\n\nNot counted yet.\n\n{END}")
}

fn replaced(report: &str, section: &str) -> Result<String> {
    let Some(kept) = kept(report) else { bail!("the report has no place for the table: {BEGIN}") };
    Ok(report.replace(kept, &format!("{BEGIN}\n\n{}\n\n{END}", section.trim())))
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, Part, kept, replaced};

    #[test]
    fn calls_of_the_allocator_are_counted_by_name_and_by_number() {
        let text = "fn=(1) main\n3 5\ncfn=(2) malloc\ncalls=3 0 \n3 9\ncfn=(3) other\ncalls=7 0 \n3 1\ncfn=(2)\ncalls=4 0 \n3 2\ntotals: 17\n";
        assert_eq!(Part::read(text).expect("a part"), Part { instructions: 17, allocations: 7 });
        assert!(Part::read("fn=(1) main\n").is_err());
    }

    #[test]
    fn the_table_takes_the_place_of_the_last_one() {
        let report = format!("# A\n\n{BEGIN}\n\nold\n\n{END}\n\nb\n");
        let new = replaced(&report, "new\n").expect("it has the marks");
        assert_eq!(new, format!("# A\n\n{BEGIN}\n\nnew\n\n{END}\n\nb\n"));
        assert_eq!(kept(&new), Some(format!("{BEGIN}\n\nnew\n\n{END}").as_str()));
        assert!(replaced("# A\n", "new").is_err());
    }
}
