//! [`Goal`]: what was wanted of nestling before anything was measured, and what came out.

use agent::Workload::{self, A, B, C, D, E, G, H, R};

use crate::{
    backend::Backend,
    fit,
    peers::{BARE_SQLITE, BB8, HELD_MYSQL, HELD_POSTGRES, NESTLING, SQLX, TOKIO_RUSQLITE, TOKIO_RUSQLITE_STATEMENTS},
    plan::{GOALS, LOOPBACK, Link},
    record::{Cell, Conditions, Record},
};

/// One goal.
pub(crate) struct Goal {
    pub(crate) about: String,
    pub(crate) wanted: String,
    pub(crate) measured: String,
    /// Unknown where it was not measured.
    pub(crate) is_met: Option<bool>,
}

/// Whom nestling is held against.
#[derive(Clone, Copy)]
enum Against {
    Best,
    One(&'static str),
}

struct Loads<'r>(&'r Record);

impl Loads<'_> {
    fn cell(&self, load: Conditions, workload: Workload, peer: &str) -> Option<&Cell> {
        self.0.cell(load, workload, peer, false)
    }

    /// nestling's processor time, client and server, by that of the peer that needs least: at most `wanted`.
    fn processor(&self, load: Conditions, workload: Workload, wanted: f64) -> Goal {
        let best = self.peers(load, workload).min_by(|one, other| one.processor().total_cmp(&other.processor()));
        let found = self.cell(load, workload, NESTLING).zip(best);
        let found = found.map(|(own, best)| (own.processor_by(best), best.peer.as_str()));
        Goal {
            about: format!("{}: {workload}, processor time of the best peer", conditions(load)),
            wanted: format!("≤ {wanted}"),
            measured: found.map_or_else(|| "not measured".into(), |(ratio, peer)| format!("{ratio:.2} ({peer})")),
            is_met: found.map(|(ratio, _)| ratio <= wanted),
        }
    }

    /// nestling's throughput by another's, at least `wanted`.
    fn ratio(&self, load: Conditions, workload: Workload, against: Against, wanted: f64) -> Goal {
        let own = self.cell(load, workload, NESTLING);
        let other = match against {
            Against::One(peer) => self.cell(load, workload, peer),
            Against::Best => self.best(load, workload),
        };
        let found = own.zip(other).map(|(own, other)| (own.ratio_to(other), other.peer.as_str()));
        let whom = match against {
            Against::Best => "of the best peer".to_owned(),
            Against::One(peer) => format!("of {peer}"),
        };
        let told = |(ratio, peer): (f64, &str)| match against {
            Against::Best => format!("{ratio:.2} ({peer})"),
            Against::One(_) => format!("{ratio:.2}"),
        };
        Goal {
            about: format!("{}: {workload}, throughput {whom}", conditions(load)),
            wanted: format!("≥ {wanted}"),
            measured: found.map_or_else(|| "not measured".into(), told),
            is_met: found.map(|(ratio, _)| ratio >= wanted),
        }
    }

    /// The peer that does most, at its best settings.
    fn best(&self, load: Conditions, workload: Workload) -> Option<&Cell> {
        self.peers(load, workload).max_by(|one, other| one.rate().total_cmp(&other.rate()))
    }

    /// All peers but nestling, at their best settings.
    fn peers(&self, load: Conditions, workload: Workload) -> impl Iterator<Item = &Cell> {
        self.0.cells.iter().filter(move |cell| {
            (cell.backend, cell.link, cell.tasks) == load
                && cell.workload == workload
                && !cell.defaults
                && cell.peer != NESTLING
        })
    }
}

fn conditions((backend, link, tasks): Conditions) -> String {
    let tasks = if tasks == 1 { "1 task".to_owned() } else { format!("{tasks} tasks") };
    let words = [Some(backend.title().to_owned()), link.words(), Some(tasks)];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// All goals, in the order of the report.
pub(crate) fn goals(record: &Record) -> Vec<Goal> {
    let loads = Loads(record);
    let mut goals = Vec::new();
    let here = (Backend::Postgres, LOOPBACK, 16);
    for (workload, wanted) in [(A, 0.92), (B, 0.78), (C, 0.9), (D(5), 0.55), (D(10), 0.55), (E(10), 0.62), (H, 0.55)] {
        goals.push(loads.processor(here, workload, wanted));
    }
    for workload in GOALS {
        goals.push(loads.ratio(here, workload, Against::Best, 1.0));
    }
    goals.push(loads.ratio(here, R(10_000), Against::One(HELD_POSTGRES), 0.85));
    // bb8 and deadpool hand out the bare driver's rows.
    for peer in [SQLX, "sea-orm", "diesel-async", "toasty"] {
        goals.push(loads.ratio(here, R(10_000), Against::One(peer), 1.0));
    }
    let far = (Backend::Postgres, Link::Tcp(1), 1);
    for (workload, wanted) in [(B, 1.45), (C, 1.15), (D(5), 2.6), (E(10), 2.7)] {
        goals.push(loads.ratio(far, workload, Against::Best, wanted));
    }
    // Among the peers are some that pipeline what is joined, and some that cannot.
    goals.push(loads.ratio(far, G, Against::Best, 2.5));
    goals.push(loads.ratio(far, G, Against::One(SQLX), 2.5));
    let mariadb = (Backend::MariaDb, LOOPBACK, 16);
    for (workload, wanted) in [(A, 0.97), (B, 1.0), (C, 1.0)] {
        goals.push(loads.ratio(mariadb, workload, Against::One(HELD_MYSQL), wanted));
    }
    goals.push(loads.ratio((Backend::MariaDb, Link::Tcp(1), 1), D(5), Against::One(HELD_MYSQL), 1.3));
    for workload in [A, B, C, D(5)] {
        for (peer, wanted) in [(SQLX, 3.0), (TOKIO_RUSQLITE, 3.0), (TOKIO_RUSQLITE_STATEMENTS, 3.0), (BARE_SQLITE, 0.5)]
        {
            goals.push(loads.ratio((Backend::Sqlite, LOOPBACK, 1), workload, Against::One(peer), wanted));
        }
    }
    goals.extend(waiting(record));
    goals.extend(crowd(record));
    goals.extend(growth(record));
    goals
}

fn waiting(record: &Record) -> Vec<Goal> {
    let found = record.waiting.as_ref();
    let goal = |about: &str, wanted: &str, measured: Option<String>, is_met: Option<bool>| Goal {
        about: format!("10,000 tasks on 16 connections: {about}"),
        wanted: wanted.into(),
        measured: measured.unwrap_or_else(|| "not measured".into()),
        is_met,
    };
    vec![
        goal("served", "all", found.map(|one| one.served.to_string()), found.map(|one| one.served == one.tasks)),
        goal(
            "out of turn while one connection goes round",
            "0",
            found.map(|one| one.out_of_turn.to_string()),
            found.map(|one| one.out_of_turn == 0),
        ),
        goal(
            "bytes for each that waits",
            "< 2048",
            found.map(|one| format!("{:.0}", one.bytes)),
            found.map(|one| one.bytes < 2048.0),
        ),
    ]
}

fn crowd(record: &Record) -> Vec<Goal> {
    let find = |peer: &str| record.crowds.iter().find(|crowd| crowd.peer == peer);
    let own = find(NESTLING).map(|crowd| crowd.unfairness());
    let ratio = find(NESTLING).zip(find(BB8)).map(|(own, bb8)| own.rate() / bb8.rate().max(f64::MIN_POSITIVE));
    let goal = |about: &str, wanted: &str, measured: Option<f64>, is_met: Option<bool>| Goal {
        about: format!("64 tasks on 8 connections: {about}"),
        wanted: wanted.into(),
        measured: measured.map_or_else(|| "not measured".into(), |number| format!("{number:.2}")),
        is_met,
    };
    vec![
        goal("longest operation by the median", "≤ 20", own, own.map(|times| times <= 20.0)),
        goal("throughput of plain bb8", "≥ 0.9", ratio, ratio.map(|ratio| ratio >= 0.9)),
    ]
}

fn growth(record: &Record) -> Vec<Goal> {
    let goal = |kind: char, about: &str| {
        let found = record.growth.iter().find(|one| one.kind == kind && one.peer == NESTLING);
        let fit = found.map(|one| fit::line(&one.points));
        Goal {
            about: format!("PostgreSQL, 1 task: {about}, straight line from 1 to 100"),
            wanted: "R² ≥ 0.98".into(),
            measured: fit.map_or_else(|| "not measured".into(), |line| format!("R² {:.4}", line.r_squared)),
            is_met: fit.map(|line| line.r_squared >= 0.98),
        }
    };
    vec![goal('D', "time by depth"), goal('E', "time by statements")]
}
