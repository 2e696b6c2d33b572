//! Runs a load: all its workloads for all its peers, in interleaved rounds, and checks what each run has left behind.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use agent::{Figures, Workload};
use anyhow::{Context, Result, bail};

use crate::{
    backend::{Backend, Server},
    crew::{Agent, Programs},
    peers::PEERS,
    plan::{LOOPBACK, Link, Load, POOL},
    progress::Progress,
    proxy::Proxy,
    record::{Cell, Record, Trips},
};

/// The agents of one back end, and its server.
pub(crate) struct Stage {
    pub(crate) backend: Backend,
    pub(crate) server: Server,
    pub(crate) agents: Vec<Agent>,
    /// By what they add to a round trip.
    proxies: HashMap<u32, Proxy>,
    pub(crate) programs: Programs,
}

/// What the counting proxy adds to a round trip: enough that nothing which is sent without waiting looks like an answer.
const COUNTING: u32 = 3;
/// Operations whose round trips are counted together.
const COUNTED: u64 = 2;

impl Stage {
    /// Makes the tables and starts the agents.
    pub(crate) async fn set(
        backend: Backend,
        url: &str,
        programs: &Programs,
        only: &[String],
        record: &mut Record,
    ) -> Result<Self> {
        let server = Server::prepare(backend, url).await.with_context(|| format!("{} at {url}", backend.title()))?;
        record.versions.insert(backend.title().into(), server.version.clone());
        let mut agents = Vec::new();
        for peer in PEERS.iter().filter(|peer| peer.backend == backend) {
            if !only.is_empty() && !only.iter().any(|name| name == peer.title) {
                continue;
            }
            for defaults in [false, true] {
                if defaults && peer.default.is_none() {
                    continue;
                }
                match Agent::start(programs, peer, defaults)? {
                    Some(agent) => agents.push(agent),
                    None => record.left_out.push(format!("{}: no Python with a virtual environment", peer.title)),
                }
            }
        }
        Ok(Self { backend, server, agents, proxies: HashMap::new(), programs: programs.clone() })
    }

    /// The server's URL; with a delay, of a proxy that adds so many milliseconds to a round trip.
    pub(crate) fn url(&mut self, link: Link) -> Result<String> {
        let delay = match link {
            LOOPBACK => return Ok(self.server.url.clone()),
            Link::Socket => return self.server.socket_url.clone().context("a server without a socket"),
            Link::Tcp(delay) => delay,
        };
        let direct = &self.server.url;
        let proxy = match self.proxies.entry(delay) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => place.insert(Proxy::start(direct, Duration::from_millis(delay.into()))?),
        };
        Ok(proxy.url_for(direct))
    }

    /// Measures a load.
    pub(crate) async fn run(&mut self, load: &Load, record: &mut Record, progress: &mut Progress) -> Result<()> {
        let url = self.url(load.link)?;
        let mut cells: HashMap<(usize, Workload), Vec<Figures>> = HashMap::new();
        let chosen: Vec<usize> = (0..self.agents.len())
            .filter(|&number| load.with_defaults || !self.agents[number].defaults)
            .filter(|&number| load.tasks <= POOL || self.agents[number].peer.program != "python")
            .collect();
        for &number in &chosen {
            self.agents[number].open(&url, POOL, load.tasks).await?;
        }
        for round in 0..load.rounds {
            for &workload in &load.workloads {
                for step in 0..chosen.len() {
                    // Whoever comes first in one round comes later in the next.
                    let number = chosen[(step + round) % chosen.len()];
                    progress.step(&format!(
                        "{}, {}, {} tasks: {workload} {}",
                        self.backend.title(),
                        load.link.words().unwrap_or_else(|| "no delay".into()),
                        load.tasks,
                        self.agents[number].label()
                    ));
                    let figures = self.measure(number, workload, load.tasks, load.millis, 0).await?;
                    cells.entry((number, workload)).or_default().push(figures);
                }
            }
        }
        for &number in &chosen {
            self.agents[number].close().await?;
            for &workload in &load.workloads {
                let agent = &self.agents[number];
                record.cells.push(Cell {
                    backend: self.backend,
                    link: load.link,
                    tasks: load.tasks,
                    workload,
                    peer: agent.peer.title.to_owned(),
                    defaults: agent.defaults,
                    rounds: cells.remove(&(number, workload)).unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    /// Runs one workload once, and checks what it has left behind.
    pub(crate) async fn measure(
        &mut self,
        number: usize,
        workload: Workload,
        tasks: usize,
        millis: u64,
        ops: u64,
    ) -> Result<Figures> {
        self.server.before_run().await?;
        let agent = &mut self.agents[number];
        let before = self.server.processor_time()?;
        let mut figures = agent.run(workload, tasks, millis, ops).await?;
        let server = self.server.processor_time()?.saturating_sub(before);
        // Without the share of the warm-up, which the client's has not in it either.
        figures.server = (server as f64 * figures.ops as f64 / (figures.ops + figures.warm).max(1) as f64) as u64;
        let label = agent.label();
        if figures.errors > 0 {
            let first = figures.first_error.as_deref().unwrap_or_default();
            bail!("{label}, {workload}, {tasks} tasks: {} operations failed; {first}", figures.errors);
        }
        let checked = self.server.after_run(workload.outcome(), figures.ops + figures.warm).await;
        checked.with_context(|| format!("{label}, {workload}, {tasks} tasks"))?;
        Ok(figures)
    }

    /// Counts the round trips of each workload for each peer.
    pub(crate) async fn count(&mut self, record: &mut Record, progress: &mut Progress) -> Result<()> {
        if self.backend == Backend::Sqlite {
            return Ok(());
        }
        let url = self.url(Link::Tcp(COUNTING))?;
        for number in 0..self.agents.len() {
            progress.step(&format!("{}: round trips of {}", self.backend.title(), self.agents[number].label()));
            self.agents[number].open(&url, 1, 1).await?;
            for workload in Workload::ALL {
                // Once to prepare what it needs, then on its own the warm-up of each run is counted with it.
                self.measure(number, workload, 1, 0, 1).await?;
                let before = self.settled_trips().await?;
                let figures = self.measure(number, workload, 1, 0, COUNTED).await?;
                let trips = self.settled_trips().await? - before;
                let agent = &self.agents[number];
                record.trips.push(Trips {
                    backend: self.backend,
                    workload,
                    peer: agent.peer.title.to_owned(),
                    defaults: agent.defaults,
                    trips: trips as f64 / (figures.ops + figures.warm).max(1) as f64,
                });
            }
            self.agents[number].close().await?;
        }
        Ok(())
    }

    /// The count, when nothing is under way any more.
    async fn settled_trips(&self) -> Result<u64> {
        let proxy = self.proxies.get(&COUNTING).context("it counts already")?;
        let mut trips = proxy.trips();
        loop {
            tokio::time::sleep(Duration::from_millis(3 * u64::from(COUNTING))).await;
            let now = proxy.trips();
            if now == trips {
                return Ok(now);
            }
            trips = now;
        }
    }
}
