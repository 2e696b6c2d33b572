//! The report: the text of `docs/benchmarks.md`.

use std::fmt::Write;

use crate::{
    backend::Backend,
    plan::{LOOPBACK, Link},
    record::{Cell, Conditions, Record, median},
    sections,
};

/// The report in Markdown. `notes` are written by hand; `instructions` are what is kept of the last report; `pictures` are
/// file names and what they show.
pub(crate) fn report(record: &Record, notes: &str, instructions: &str, pictures: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut add = |text: &str| {
        out.push_str(text.trim_end());
        out.push_str("\n\n");
    };
    add("# Benchmarks");
    add(
        "This page is written by `benches/peers/run.sh`, except for the notes and the table of instructions. To repeat it: `just bench-peers`, or \
         `benches/peers/run.sh`; `--quick` is a check of a few minutes, `--json` prints the figures. It needs what `tests/run.sh` needs, \
         and Python with `venv` for the ancestor.",
    );
    if record.quick {
        add("**This is the quick check: too short to mean anything.**");
    }
    let machine = sections::facts(&record.machine);
    add(&format!("Measured on {}, in {:.0} minutes. {machine}", record.date, (record.seconds / 60.0).max(1.0)));
    add(&format!("Versions: {}", sections::facts(&record.versions)));
    for left_out in &record.left_out {
        add(&format!("Left out: {left_out}"));
    }
    add("## How it is measured");
    add(METHOD);
    if let Some(spreads) = spreads(record) {
        add(&spreads);
    }
    if record.awake {
        add(AWAKE);
    }
    let delays = record.delays.iter().map(|(delay, took)| format!("{delay} ms is {took:.2} ms"));
    add(&format!(
        "What the proxy adds, measured against somebody who answers at once: {}.",
        delays.collect::<Vec<_>>().join(", ")
    ));
    add(&sections::workload_table());
    add("The peers, each as its own documentation has it:");
    add(&sections::settings_table());
    add("## Goals");
    add(
        "Set before they were measured. Each is a ratio: nestling's figure divided by the peer's, each at its best settings, the median of \
         the ratios within the rounds. The best peer is, for each workload, the one that needs least processor time, or does most in a second. Of processor \
         time less is better; of throughput, which is chance on a shared machine, more.",
    );
    add(&sections::goal_table(record));
    add(notes);
    add("## Instructions, counted");
    add(INSTRUCTIONS);
    add(instructions);
    add("## Pictures");
    for (name, about) in pictures {
        add(&format!("![{about}](benchmarks/{name}.svg)"));
    }
    add("## Round trips, counted");
    for backend in [Backend::Postgres, Backend::MariaDb] {
        if record.trips.iter().any(|trips| trips.backend == backend) {
            add(&format!("{}, by the letters above, warm:", backend.title()));
            add(&sections::trips_table(record, backend));
        }
    }
    for backend in Backend::ALL {
        add(&format!("## {}", backend.title()));
        loads(record, backend, &mut add);
    }
    add("## Waiting for a connection");
    if !record.crowds.is_empty() {
        add("PostgreSQL, 64 tasks in a loop of workload A on 8 connections:");
        add(&sections::crowd_table(record));
    }
    if let Some(waiting) = &record.waiting {
        add(&format!(
            "{} tasks waited for {} connections at once, and {} were served, in {:.2} s. The first {} were served by one connection that went from hand to \
             hand, {} of them not in order of arrival. Each task took {:.0} bytes while it waited, beyond the task itself, whose future has {} bytes.",
            waiting.tasks,
            waiting.connections,
            waiting.served,
            waiting.seconds,
            waiting.in_order,
            waiting.out_of_turn,
            waiting.bytes,
            waiting.future
        ));
    }
    add("## Growth");
    if !record.growth.is_empty() {
        add("PostgreSQL without delay, one task, medians, and the straight line that fits them best:");
        add(&sections::growth_tables(record));
    }
    if !record.open_savepoints.is_empty() {
        add(OPEN_SAVEPOINTS);
        add(&sections::open_table(record));
    }
    // The last paragraph ends the file with one line feed.
    let mut text = out.trim_end().to_owned();
    text.push('\n');
    text
}

/// How far the rounds of one figure are from one another, with 16 tasks on a server: the median of all figures.
fn spreads(record: &Record) -> Option<String> {
    let is_meant = |cell: &&Cell| cell.backend != Backend::Sqlite && cell.link == LOOPBACK && cell.tasks == 16;
    let of = |which: usize| median(record.cells.iter().filter(is_meant).map(|cell| cell.spreads()[which] * 100.0));
    Some(format!(
        "With 16 tasks on a server, the largest and the smallest figure among a cell's rounds are {:.0} % of their median apart in processor time and \
         {:.0} % in throughput: the median of all cells.",
        of(0)?,
        of(1)?
    ))
}

/// What a table shows of a cell.
type Value = fn(&Cell) -> f64;

/// The tables of one back end: processor time, then throughput, then how long an operation takes with a delay.
fn loads(record: &Record, backend: Backend, add: &mut impl FnMut(&str)) {
    let micros: [(&str, Value); 3] = [
        ("client and server together", |cell| cell.processor() / 1e3),
        ("the client alone", |cell| cell.client() / 1e3),
        ("the server alone", |cell| cell.server() / 1e3),
    ];
    // SQLite is in the client: there is nothing to tell apart.
    let parts = if backend == Backend::Sqlite { 1 } else { micros.len() };
    for link in [LOOPBACK, Link::Socket] {
        for (of, value) in micros.into_iter().take(parts) {
            let Some(table) = sections::load_table(record, (backend, link, 16), value) else { continue };
            let whose = if parts == 1 { String::new() } else { format!(", {of}") };
            add(&format!("Microseconds of processor time for one operation{whose}, 16 tasks{}:", by(link)));
            add(&table);
        }
    }
    for (link, tasks) in
        [(LOOPBACK, 16), (Link::Socket, 16), (LOOPBACK, 1), (LOOPBACK, 256), (Link::Tcp(1), 16), (Link::Tcp(4), 16)]
    {
        let Some(table) = sections::load_table(record, (backend, link, tasks), Cell::rate) else { continue };
        add(&format!("Operations a second, {tasks} task{}{}:", if tasks == 1 { "" } else { "s" }, by(link)));
        add(&table);
    }
    for link in [Link::Tcp(1), Link::Tcp(4)] {
        let value = |cell: &Cell| cell.latency() / 1e6;
        let Some(table) = sections::load_table(record, (backend, link, 1), value) else { continue };
        add(&format!("Milliseconds for one operation, 1 task{}:", by(link)));
        add(&table);
    }
}

/// How the server is reached, behind the words of a load.
fn by(link: Link) -> String {
    match link {
        LOOPBACK => String::new(),
        Link::Tcp(delay) => format!(", {delay} ms added to a round trip"),
        Link::Socket => ", by the unix socket".into(),
    }
}

const METHOD: &str = "\
Each peer is a program of its own with its own pool of 16 connections, on tokio's multi-thread runtime; one conductor has them run in turn, \
in interleaved rounds: within a round each workload is run by every peer before the next workload comes. All work on the same servers and tables. \
After each run the conductor looks at the tables: the rows and sums must be exactly those that the finished operations leave, and what an operation reads is \
checked as it is read. The servers run with `fsync` off and SQLite's file lies in memory where that can be had, so that the disk is not what is measured. \
Round trips are counted, and delays made, by a proxy that hands each chunk on at its arrival plus half the delay, whatever else is on its way. \
Nested blocks of any depth are written as functions that call themselves, so that every peer pays for boxed futures there.

The main figure is processor time: of the client, by `getrusage` of its program, and of the server, by `/proc` of all its processes, for themselves and in the kernel, divided \
by the operations. Throughput is the second figure: with client and server on the same processors it follows from the first one, and from what else the machine does. Processor time is not \
free of that either, as caches are shared. The server's includes what it does in the background meanwhile.";

const INSTRUCTIONS: &str = "\
`just instructions` counts the client's instructions for one operation with callgrind, and writes this table alone. One connection, one thread; connecting and first uses are not \
counted, nor is the kernel. The bare driver is the held connection of the comparison (its lock, which nobody else wants, is counted with it). For PostgreSQL and MariaDB both run on \
a current-thread runtime; for SQLite ours is polled by `block_on` of a multi-thread runtime, where statements run on the spot as they do on a worker. Allocations are calls of \
`malloc`, `calloc` and `realloc`, SQLite's own with them.";

const AWAKE: &str = "\
A loop of the lowest scheduling class on each processor keeps it awake, as a virtual processor that has gone to sleep takes some 50 µs to wake up. What one task measures on the \
loopback is chance all the same, for every peer: a round trip takes 12 µs while the kernel has client and server on one processor, and up to 60 while they are on two.";

const OPEN_SAVEPOINTS: &str = "\
Many open savepoints cost others, not oneself, and only where something is written in each: PostgreSQL shows 64 subtransactions of each session to all. When a \
session has more, whoever meets a row that is younger than that session's transaction looks the row's transaction up on pages of their own (`pg_subtrans`). That is the \
server's, and the same for every client. Here one session has so many savepoints open, with an insert in each, while another one counts rows. For one reader it is little; it \
grows where many sessions read at once and the younger transactions are more than the server keeps pages for (65,536 by default):";

/// What the terminal shows at the end: the goals and the tables of the loads that they are about.
pub(crate) fn summary(record: &Record) -> String {
    let mut out = String::new();
    let mut add = |title: &str, load: Conditions, value: Value| {
        let Some(table) = sections::load_table(record, load, value) else { return };
        let (backend, link, tasks) = load;
        let plural = if tasks == 1 { "" } else { "s" };
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{}, {tasks} task{plural}{}: {title}\n{table}", backend.title(), by(link));
    };
    for load in
        [(Backend::Postgres, LOOPBACK, 16), (Backend::Postgres, Link::Socket, 16), (Backend::MariaDb, LOOPBACK, 16)]
    {
        add("microseconds of processor time for one operation, client and server", load, |cell| cell.processor() / 1e3);
    }
    for load in [
        (Backend::Postgres, LOOPBACK, 16),
        (Backend::Postgres, Link::Tcp(1), 1),
        (Backend::MariaDb, LOOPBACK, 16),
        (Backend::Sqlite, LOOPBACK, 1),
    ] {
        add("operations a second", load, Cell::rate);
    }
    out.push_str(&sections::goal_table(record));
    out
}
