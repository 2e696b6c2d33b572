//! What is measured, and for how long: the loads of each back end.

use agent::Workload;
use serde::{Deserialize, Serialize};

use crate::backend::Backend;

/// How many connections a pool may have.
pub(crate) const POOL: usize = 16;

/// How the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Link {
    /// TCP on the loopback; a round trip takes so many milliseconds longer.
    Tcp(u32),
    /// The server's unix socket.
    Socket,
}

/// TCP as it is.
pub(crate) const LOOPBACK: Link = Link::Tcp(0);

impl Link {
    /// What the tables say of it; nothing of the loopback.
    pub(crate) fn words(self) -> Option<String> {
        match self {
            Self::Tcp(0) => None,
            Self::Tcp(delay) => Some(format!("{delay} ms")),
            Self::Socket => Some("unix socket".into()),
        }
    }
}

/// One load: all its workloads are measured in interleaved rounds.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) backend: Backend,
    pub(crate) link: Link,
    pub(crate) tasks: usize,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) rounds: usize,
    /// How long one peer runs one workload in a round.
    pub(crate) millis: u64,
    /// Whether peers are measured with their default settings, too.
    pub(crate) with_defaults: bool,
}

/// All loads.
pub(crate) fn loads(quick: bool) -> Vec<Load> {
    let all = || Workload::ALL.to_vec();
    let with_models = || Workload::ALL.into_iter().chain([Workload::M]).collect::<Vec<_>>();
    let nested = || vec![Workload::B, Workload::D(5)];
    let mut loads = Vec::new();
    let of_socket = || vec![Workload::A, Workload::B, Workload::C, Workload::D(5), Workload::E(10), Workload::H];
    let mut add = |backend, link, tasks, workloads, rounds, millis, with_defaults| {
        loads.push(Load { backend, link, tasks, workloads, rounds, millis, with_defaults });
    };
    add(Backend::Postgres, LOOPBACK, 1, with_models(), 3, 120, false);
    add(Backend::Postgres, LOOPBACK, 16, all(), 5, 400, true);
    add(Backend::Postgres, Link::Socket, 16, of_socket(), 3, 300, false);
    add(Backend::Postgres, LOOPBACK, 256, all(), 2, 120, false);
    add(Backend::Postgres, Link::Tcp(1), 1, all(), 3, 120, false);
    add(Backend::Postgres, Link::Tcp(1), 16, nested(), 3, 150, false);
    add(Backend::Postgres, Link::Tcp(4), 1, all(), 2, 150, false);
    add(Backend::Postgres, Link::Tcp(4), 16, nested(), 3, 150, false);
    add(Backend::MariaDb, LOOPBACK, 1, with_models(), 3, 100, false);
    add(Backend::MariaDb, LOOPBACK, 16, all(), 5, 200, true);
    add(Backend::MariaDb, Link::Socket, 16, of_socket(), 3, 200, false);
    add(Backend::MariaDb, LOOPBACK, 256, all(), 1, 120, false);
    add(Backend::MariaDb, Link::Tcp(1), 1, all(), 3, 100, false);
    add(Backend::MariaDb, Link::Tcp(4), 1, all(), 1, 120, false);
    add(Backend::Sqlite, LOOPBACK, 1, with_models(), 5, 100, true);
    add(Backend::Sqlite, LOOPBACK, 16, all(), 3, 120, false);
    add(Backend::Sqlite, LOOPBACK, 256, all(), 1, 120, false);
    if quick {
        for load in &mut loads {
            (load.rounds, load.millis) = (1, 25);
            load.workloads.retain(|workload| {
                // What takes long even once.
                let is_heavy = matches!(workload, Workload::R(_))
                    || (matches!(load.link, Link::Tcp(2..)) && *workload != Workload::B);
                let is_models = *workload == Workload::M;
                let is_chosen = matches!(workload, Workload::A | Workload::B | Workload::D(5));
                if load.tasks > POOL {
                    is_chosen
                } else {
                    !is_heavy || load.tasks == 1 && load.link == LOOPBACK && !is_models
                }
            });
        }
    }
    loads
}

/// What the goals on processor time are about.
pub(crate) const GOALS: [Workload; 7] =
    [Workload::A, Workload::B, Workload::C, Workload::D(5), Workload::D(10), Workload::E(10), Workload::H];

impl Load {
    /// The load that the goals on processor time are about, with nothing else; nothing for others.
    pub(crate) fn for_goals(self) -> Option<Self> {
        let is_meant = (self.backend, self.link, self.tasks) == (Backend::Postgres, LOOPBACK, POOL);
        is_meant.then(|| Self { workloads: GOALS.to_vec(), with_defaults: false, ..self })
    }
}

/// The sizes at which growth is measured.
pub(crate) const SIZES: [u32; 12] = [1, 2, 5, 10, 20, 30, 40, 50, 63, 70, 85, 100];

/// How many savepoints another session has open while a reader counts.
pub(crate) const OPEN: [u32; 8] = [0, 16, 48, 63, 65, 80, 128, 256];
