//! The report: the text of `docs/benchmarks.md`.

use std::fmt::Write;

use crate::{
    backend::Backend,
    record::{Cell, Record},
    sections,
};

/// The report in Markdown. `notes` are written by hand; `pictures` are file names and what they show.
pub(crate) fn report(record: &Record, notes: &str, pictures: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut add = |text: &str| {
        out.push_str(text.trim_end());
        out.push_str("\n\n");
    };
    add("# Benchmarks");
    add("This page is written by `benches/peers/run.sh`, except for the notes. To repeat it: `just bench-peers`, or \
         `benches/peers/run.sh`; `--quick` is a check of a few minutes, `--json` prints the figures. It needs what `tests/run.sh` needs, \
         and Python with `venv` for the ancestor.");
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
        "Set before anything was measured. A ratio is the throughput of nestling divided by the peer's, each at its best settings, the median of \
         the ratios within the rounds.",
    );
    add(&sections::goal_table(record));
    add(notes);
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
        for (delay, tasks) in [(0, 1), (0, 16), (0, 256), (1, 16), (4, 16)] {
            let Some(table) = sections::load_table(record, (backend, delay, tasks), Cell::rate) else { continue };
            let delayed = if delay > 0 { format!(", {delay} ms added to a round trip") } else { String::new() };
            add(&format!("Operations a second, {tasks} task{}{delayed}:", if tasks == 1 { "" } else { "s" }));
            add(&table);
        }
        for delay in [1, 4] {
            let value = |cell: &Cell| cell.latency() / 1e6;
            let Some(table) = sections::load_table(record, (backend, delay, 1), value) else { continue };
            add(&format!("Milliseconds for one operation, 1 task, {delay} ms added to a round trip:"));
            add(&table);
        }
        let cpu = |cell: &Cell| cell.cpu() / 1e3;
        if let Some(table) = sections::load_table(record, (backend, 0, 16), cpu) {
            add("Microseconds of the client's processor time for one operation, 16 tasks:");
            add(&table);
        }
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

const METHOD: &str = "\
Each peer is a program of its own with its own pool of 16 connections, on tokio's multi-thread runtime; one conductor has them run in turn, \
in interleaved rounds: within a round each workload is run by every peer before the next workload comes. All work on the same servers and tables. \
After each run the conductor looks at the tables: the rows and sums must be exactly those that the finished operations leave, and what an operation reads is \
checked as it is read. The servers run with `fsync` off and SQLite's file lies in memory where that can be had, so that the disk is not what is measured. \
Round trips are counted, and delays made, by a proxy that hands each chunk on at its arrival plus half the delay, whatever else is on its way. \
Nested blocks of any depth are written as functions that call themselves, so that every peer pays for boxed futures there.";

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
    for (backend, delay, tasks) in
        [(Backend::Postgres, 0, 16), (Backend::Postgres, 1, 1), (Backend::MariaDb, 0, 16), (Backend::Sqlite, 0, 1)]
    {
        if let Some(table) = sections::load_table(record, (backend, delay, tasks), Cell::rate) {
            // Writing into a string cannot fail.
            let _ = writeln!(out, "{}, {delay} ms, {tasks} tasks: operations a second\n{table}", backend.title());
        }
    }
    out.push_str(&sections::goal_table(record));
    out
}
