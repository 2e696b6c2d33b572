//! The sections of the report that are tables.

use std::fmt::Write;

use agent::Workload;

use crate::{
    backend::Backend,
    fit,
    goals::goals,
    peers::{NESTLING, PEERS},
    record::{Cell, Conditions, Record},
    table::{Table, number},
};

/// The goals and what came out.
pub(crate) fn goal_table(record: &Record) -> String {
    let mut table = Table::new(["goal", "wanted", "measured", "met"]).left([1, 2, 3]);
    for goal in goals(record) {
        let met = match goal.is_met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        table.row([goal.about, goal.wanted, goal.measured, met.into()]);
    }
    table.to_string()
}

/// What each letter stands for.
pub(crate) fn workload_table() -> String {
    let mut table = Table::new(["workload", "one operation"]).left([1]);
    for workload in Workload::ALL.into_iter().chain([Workload::M]) {
        table.row([workload.to_string(), workload.title()]);
    }
    table.to_string()
}

/// How each peer is set.
pub(crate) fn settings_table() -> String {
    let mut table = Table::new(["peer", "on", "at its best", "as it comes, where that differs"]).left([1, 2, 3]);
    for peer in &PEERS {
        table.row([peer.title, peer.backend.title(), peer.best, peer.default.unwrap_or_default()]);
    }
    table.to_string()
}

/// Peers with their two settings, in the order of the tables, of which some cells are there.
fn lines<'r>(backend: Backend, known: impl Fn(&str, bool) -> Vec<Option<f64>> + 'r) -> Vec<(String, Vec<Option<f64>>)> {
    let mut found = Vec::new();
    for peer in PEERS.iter().filter(|peer| peer.backend == backend) {
        for defaults in [false, true] {
            let values = known(peer.title, defaults);
            if values.iter().any(Option::is_some) {
                let label = peer.label(defaults);
                found.push((if peer.title == NESTLING { format!("**{label}**") } else { label }, values));
            }
        }
    }
    found
}

fn table_of(workloads: &[Workload], lines: Vec<(String, Vec<Option<f64>>)>) -> String {
    let head = ["".to_owned()].into_iter().chain(workloads.iter().map(Workload::to_string));
    let mut table = Table::new(head);
    for (label, values) in lines {
        let cells = values.into_iter().map(|value| value.map_or_else(String::new, number));
        table.row([label].into_iter().chain(cells));
    }
    table.to_string()
}

/// Round trips of each operation.
pub(crate) fn trips_table(record: &Record, backend: Backend) -> String {
    let of = |peer: &str, defaults: bool| {
        Workload::ALL.into_iter().map(|workload| record.trips(backend, workload, peer, defaults)).collect()
    };
    let mut table = Table::new([String::new()].into_iter().chain(Workload::ALL.iter().map(Workload::to_string)));
    for (label, values) in lines(backend, of) {
        // Whole numbers but for what a library does only now and then.
        let cells = values.into_iter().map(|value| match value {
            Some(trips) if (trips - trips.round()).abs() < 0.05 => format!("{trips:.0}"),
            Some(trips) => format!("{trips:.1}"),
            None => String::new(),
        });
        table.row([label].into_iter().chain(cells));
    }
    table.to_string()
}

/// One value of each cell of a load.
pub(crate) fn load_table(record: &Record, conditions: Conditions, value: fn(&Cell) -> f64) -> Option<String> {
    let mut workloads: Vec<Workload> = Workload::ALL.into_iter().chain([Workload::M]).collect();
    let is_there = |workload: Workload| {
        let mut cells = record.cells.iter();
        cells.any(|cell| ((cell.backend, cell.link, cell.tasks), cell.workload) == (conditions, workload))
    };
    workloads.retain(|&workload| is_there(workload));
    if workloads.is_empty() {
        return None;
    }
    let of = |peer: &str, defaults: bool| {
        let cell = |&workload: &Workload| record.cell(conditions, workload, peer, defaults).map(value);
        workloads.iter().map(cell).collect()
    };
    let lines = lines(conditions.0, of);
    Some(table_of(&workloads, lines))
}

/// 64 tasks in a loop on 8 connections.
pub(crate) fn crowd_table(record: &Record) -> String {
    let mut table = Table::new(["", "selects a second", "median, ms", "longest, ms", "longest by median"]);
    for crowd in &record.crowds {
        let middle = |pick: fn(&agent::Figures) -> u64| {
            let all = crowd.rounds.iter().map(|one| pick(one) as f64 / 1e6);
            crate::record::median(all).unwrap_or_default()
        };
        let (typical, longest) = (middle(|one| one.median), middle(|one| one.longest));
        table.row([
            crowd.peer.clone(),
            number(crowd.rate()),
            number(typical),
            number(longest),
            number(crowd.unfairness()),
        ]);
    }
    table.to_string()
}

/// Growth by size.
pub(crate) fn growth_tables(record: &Record) -> String {
    let mut out = String::new();
    for (kind, what) in [('D', "inside one another"), ('E', "side by side")] {
        let all: Vec<_> = record.growth.iter().filter(|one| one.kind == kind).collect();
        let Some(first) = all.first() else { continue };
        let sizes = first.points.iter().map(|point| point.0.to_string());
        let head = [format!("ms, savepoints {what}")].into_iter().chain(sizes);
        let mut table = Table::new(head.chain(["µs for each".into(), "µs at 0".into(), "R²".into()]));
        for one in all {
            let line = fit::line(&one.points);
            let points = one.points.iter().map(|point| format!("{:.2}", point.1 as f64 / 1e6));
            let fitted = [
                format!("{:.1}", line.slope / 1e3),
                format!("{:.0}", line.start / 1e3),
                format!("{:.4}", line.r_squared),
            ];
            table.row([one.peer.clone()].into_iter().chain(points).chain(fitted));
        }
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{table}");
    }
    out
}

/// A reader beside open savepoints.
pub(crate) fn open_table(record: &Record) -> String {
    let open = record.open_savepoints.iter();
    let mut table = Table::new(
        ["savepoints open elsewhere".to_owned()].into_iter().chain(open.clone().map(|one| one.open.to_string())),
    );
    table.row(
        ["ms for a count of 20,000 young rows".to_owned()]
            .into_iter()
            .chain(open.map(|one| format!("{:.2}", one.nanos as f64 / 1e6))),
    );
    table.to_string()
}

/// Names and values.
pub(crate) fn facts<'r>(facts: impl IntoIterator<Item = (&'r String, &'r String)>) -> String {
    facts.into_iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(" · ")
}
