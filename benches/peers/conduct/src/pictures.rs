//! The pictures of the report: round trips by depth, throughput by delay, and what is left beside the bare driver.

use agent::Workload;

use crate::{
    backend::Backend,
    fit,
    peers::{HELD_POSTGRES, NESTLING, PEERS},
    plan::{LOOPBACK, Link},
    record::Record,
    svg::{Anchor, Svg},
    table::number,
};

/// Each picture: the name of its file, what it shows, and itself. What was not measured has none.
pub(crate) fn pictures(record: &Record) -> Vec<(&'static str, &'static str, String)> {
    let all = [
        ("round-trips", "Round trips of one transaction by the depth of its savepoints", round_trips(record)),
        ("throughput", "Five savepoints inside one another: throughput by delay", throughput(record)),
        ("overhead", "Processor time beside the bare driver's", overhead(record)),
        ("growth", "How the time of a transaction grows with its depth", growth(record)),
    ];
    all.into_iter().filter_map(|(name, about, picture)| Some((name, about, picture?.finish(about)))).collect()
}

/// The axes of a chart: from values to places.
struct Axes {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    x_max: f64,
    y_max: f64,
}

impl Axes {
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.left + x / self.x_max * self.width, self.top + self.height - y / self.y_max * self.height)
    }

    /// Lines across, with their values.
    fn grid(&self, svg: &mut Svg, steps: u32, unit: &str) {
        for step in 0..=steps {
            let value = self.y_max * f64::from(step) / f64::from(steps);
            let (_, y) = self.at(0.0, value);
            svg.rule((self.left, y), (self.left + self.width, y));
            svg.text(self.left - 8.0, y + 4.0, Anchor::End, "small", &format!("{value:.0}{unit}"));
        }
    }
}

/// Names at the ends of curves, moved apart where they would lie on one another.
fn name_ends(svg: &mut Svg, x: f64, mut ends: Vec<(f64, String)>) {
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut lowest = f64::MIN;
    for (y, name) in ends {
        let y = y.max(lowest + 15.0);
        lowest = y;
        let class = if name.starts_with(NESTLING) { "own" } else { "" };
        svg.text(x + 10.0, y + 4.0, Anchor::Start, class, &name);
    }
}

fn round_trips(record: &Record) -> Option<Svg> {
    let depths = [1, 2, 5, 10];
    let mut svg = Svg::new(720.0, 380.0);
    svg.text(20.0, 28.0, Anchor::Start, "title", "Round trips of one transaction, by the depth of its savepoints");
    svg.text(20.0, 46.0, Anchor::Start, "small", "PostgreSQL, an insert in each savepoint, counted on the wire");
    // Many are the same: one curve with all their names.
    let mut curves: Vec<(Vec<f64>, Vec<&str>)> = Vec::new();
    for peer in PEERS.iter().filter(|peer| peer.backend == Backend::Postgres) {
        let of = |depth| record.trips(Backend::Postgres, Workload::D(depth), peer.title, false);
        let Some(trips) = depths.into_iter().map(of).collect::<Option<Vec<_>>>() else { continue };
        match curves
            .iter_mut()
            .find(|(known, _)| known.iter().zip(&trips).all(|(one, other)| (one - other).abs() < 0.3))
        {
            Some((_, names)) => names.push(peer.title),
            None => curves.push((trips, vec![peer.title])),
        }
    }
    let most = curves.iter().flat_map(|(trips, _)| trips).copied().fold(0.0, f64::max);
    if most == 0.0 {
        return None;
    }
    let axes =
        Axes { left: 52.0, top: 66.0, width: 410.0, height: 262.0, x_max: 10.0, y_max: (most / 10.0).ceil() * 10.0 };
    axes.grid(&mut svg, (axes.y_max / 10.0) as u32, "");
    for depth in depths {
        let (x, y) = axes.at(depth.into(), 0.0);
        svg.text(x, y + 18.0, Anchor::Middle, "small", &depth.to_string());
    }
    svg.text(52.0 + 205.0, 366.0, Anchor::Middle, "small", "savepoints inside one another");
    let mut ends = Vec::new();
    for (colour, (trips, names)) in curves.iter().enumerate() {
        let points: Vec<_> = depths.iter().zip(trips).map(|(&depth, &trips)| axes.at(depth.into(), trips)).collect();
        svg.curve(colour, &points);
        let y = points.last().map_or(0.0, |point| point.1);
        let last = trips.last().copied().unwrap_or_default();
        for (place, pair) in names.chunks(2).enumerate() {
            let lead = if place == 0 { format!("{}: ", number(last).trim_end_matches(".0")) } else { String::new() };
            let named = pair.join(", ");
            let name = if names[0] == NESTLING { format!("{named}: {last:.0}") } else { format!("{lead}{named}") };
            ends.push((y + place as f64 * 0.1, name));
        }
    }
    name_ends(&mut svg, axes.left + axes.width, ends);
    Some(svg)
}

fn throughput(record: &Record) -> Option<Svg> {
    let mut svg = Svg::new(720.0, 420.0);
    svg.text(20.0, 28.0, Anchor::Start, "title", "Five savepoints inside one another: throughput by delay");
    svg.text(
        20.0,
        46.0,
        Anchor::Start,
        "small",
        "PostgreSQL, 16 tasks, 16 connections; transactions a second; each delay on a scale of its own",
    );
    let (width, bottom) = (690.0 / 3.0, 370.0);
    let mut drawn = false;
    for (place, (delay, title)) in
        [(0, "no delay"), (1, "1 ms for a round trip"), (4, "4 ms for a round trip")].into_iter().enumerate()
    {
        let left = 20.0 + place as f64 * width;
        let rates: Vec<(usize, &str, f64)> = PEERS
            .iter()
            .filter(|peer| peer.backend == Backend::Postgres)
            .enumerate()
            .filter_map(|(colour, peer)| {
                let cell = record.cell((Backend::Postgres, Link::Tcp(delay), 16), Workload::D(5), peer.title, false)?;
                Some((colour, peer.title, cell.rate()))
            })
            .collect();
        let most = rates.iter().map(|(_, _, rate)| *rate).fold(0.0, f64::max);
        if most == 0.0 {
            continue;
        }
        drawn = true;
        svg.text(left, 76.0, Anchor::Start, "own", title);
        let step = ((bottom - 90.0) / rates.len() as f64).min(34.0);
        for (row, (colour, name, rate)) in rates.iter().enumerate() {
            let y = 88.0 + row as f64 * step;
            svg.bar(*colour, left, y + 14.0, (width - 80.0) * rate / most, step - 22.0);
            let class = if *name == NESTLING { "own" } else { "" };
            svg.text(left, y + 10.0, Anchor::Start, class, name);
            let end = left + (width - 80.0) * rate / most + 6.0;
            svg.text(end, y + step * 0.5 + 9.0, Anchor::Start, "small", &number(*rate));
        }
    }
    drawn.then_some(svg)
}

fn overhead(record: &Record) -> Option<Svg> {
    let workloads =
        [Workload::A, Workload::B, Workload::C, Workload::D(5), Workload::E(10), Workload::H, Workload::R(10_000)];
    let mut rows = Vec::new();
    for workload in workloads {
        let cell = |peer| record.cell((Backend::Postgres, LOOPBACK, 16), workload, peer, false);
        if let (Some(own), Some(bare)) = (cell(NESTLING), cell(HELD_POSTGRES)) {
            rows.push((workload, own.processor_by(bare)));
        }
    }
    let most = rows.iter().map(|row| row.1).fold(1.0, f64::max);
    if rows.is_empty() {
        return None;
    }
    let mut svg = Svg::new(720.0, 110.0 + rows.len() as f64 * 34.0);
    svg.text(20.0, 28.0, Anchor::Start, "title", "nestling beside the bare driver");
    let about = "PostgreSQL without delay, 16 tasks; processor time of client and server; tokio-postgres on held connections = 1";
    svg.text(20.0, 46.0, Anchor::Start, "small", about);
    let (left, width) = (390.0, 260.0);
    let bottom = 70.0 + rows.len() as f64 * 34.0;
    svg.rule((left + width / most, 62.0), (left + width / most, bottom));
    svg.text(left + width / most, bottom + 18.0, Anchor::Middle, "small", "1");
    for (place, (workload, ratio)) in rows.iter().enumerate() {
        let y = 70.0 + place as f64 * 34.0;
        let title = workload.title().replace('`', "");
        svg.text(left - 12.0, y + 15.0, Anchor::End, "", &format!("{workload}: {title}"));
        svg.bar(0, left, y, width * ratio / most, 20.0);
        svg.text(left + width * ratio / most + 8.0, y + 15.0, Anchor::Start, "own", &format!("{ratio:.2}"));
    }
    Some(svg)
}

fn growth(record: &Record) -> Option<Svg> {
    let lines: Vec<_> = record.growth.iter().filter(|one| one.kind == 'D').collect();
    let most = lines.iter().flat_map(|one| &one.points).map(|point| point.1).max()?;
    let mut svg = Svg::new(720.0, 360.0);
    svg.text(20.0, 28.0, Anchor::Start, "title", "Time of one transaction, by the depth of its savepoints");
    svg.text(
        20.0,
        46.0,
        Anchor::Start,
        "small",
        "PostgreSQL without delay, one task, an insert in each savepoint; milliseconds",
    );
    let highest = (most as f64 / 1e6).ceil();
    let y_max = if highest <= 10.0 { highest } else { (highest / 5.0).ceil() * 5.0 };
    let axes = Axes { left: 52.0, top: 66.0, width: 470.0, height: 244.0, x_max: 100.0, y_max };
    axes.grid(&mut svg, if y_max <= 10.0 { y_max as u32 } else { 5 }, "");
    for depth in [1, 20, 40, 60, 80, 100] {
        let (x, y) = axes.at(depth.into(), 0.0);
        svg.text(x, y + 18.0, Anchor::Middle, "small", &depth.to_string());
    }
    let mut ends = Vec::new();
    for (colour, one) in lines.iter().enumerate() {
        let points: Vec<_> = one.points.iter().map(|&(size, nanos)| axes.at(size.into(), nanos as f64 / 1e6)).collect();
        svg.curve(colour, &points);
        let fitted = fit::line(&one.points);
        let y = points.last().map_or(0.0, |point| point.1);
        ends.push((y, one.peer.clone()));
        ends.push((y + 0.1, format!("{:.0} µs for each", fitted.slope / 1e3)));
    }
    name_ends(&mut svg, axes.left + axes.width, ends);
    Some(svg)
}
