//! [`Agent`]: a program that serves one peer, and the line to it.

use std::{path::PathBuf, process::Stdio, time::Duration};

use agent::{Figures, Reply, Request, Setup, Workload};
use anyhow::{Context, Result, anyhow, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::peers::Peer;

/// What no request may take longer than.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the programs are.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    /// The folder of the compiled agents.
    pub(crate) bin: PathBuf,
    /// A Python that has what the script needs, if there is one.
    pub(crate) python: Option<PathBuf>,
    /// The folder of the script.
    pub(crate) scripts: PathBuf,
}

/// A program that serves one peer.
pub(crate) struct Agent {
    pub(crate) peer: &'static Peer,
    pub(crate) defaults: bool,
    _child: Child,
    requests: ChildStdin,
    replies: Lines<BufReader<ChildStdout>>,
}

/// Has a program's errors capture no backtraces, whatever the shell is set to: H makes an error in each operation, and
/// not with each peer.
pub(crate) fn without_backtraces(command: &mut Command) {
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
}

impl Agent {
    /// Starts the program of a peer; nothing if it cannot be had on this machine.
    pub(crate) fn start(programs: &Programs, peer: &'static Peer, defaults: bool) -> Result<Option<Self>> {
        let mut command = match (peer.program, &programs.python) {
            ("python", None) => return Ok(None),
            ("python", Some(python)) => {
                let mut command = Command::new(python);
                command.arg("-u").arg(programs.scripts.join("agent.py"));
                command
            }
            (program, _) => {
                let mut command = Command::new(programs.bin.join(program));
                command.arg(peer.name);
                command
            }
        };
        without_backtraces(&mut command);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = started.with_context(|| format!("the agent of {} cannot be started", peer.name))?;
        let requests = child.stdin.take().context("a pipe was asked for")?;
        let replies = BufReader::new(child.stdout.take().context("a pipe was asked for")?).lines();
        Ok(Some(Self { peer, defaults, _child: child, requests, replies }))
    }

    /// What the tables call it.
    pub(crate) fn label(&self) -> String {
        self.peer.label(self.defaults)
    }

    async fn ask(&mut self, request: &Request) -> Result<Reply> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.requests.write_all(&line).await?;
        let reply =
            timeout(PATIENCE, self.replies.next_line()).await.map_err(|_| anyhow!("no answer in {PATIENCE:?}"))?;
        match serde_json::from_str(&reply?.context("the agent has ended")?)? {
            Reply::Error(error) => bail!("{error}"),
            reply => Ok(reply),
        }
    }

    pub(crate) async fn open(&mut self, url: &str, connections: usize, tasks: usize) -> Result<()> {
        let setup = Setup { url: url.into(), connections, defaults: self.defaults, tasks };
        let opened = self.ask(&Request::Open(setup)).await;
        opened.with_context(|| format!("{} could not be opened", self.label())).map(drop)
    }

    /// Runs a workload for a time, or so many times if the time is zero.
    pub(crate) async fn run(&mut self, workload: Workload, tasks: usize, millis: u64, ops: u64) -> Result<Figures> {
        match self.ask(&Request::Run { workload, tasks, millis, ops }).await {
            Ok(Reply::Figures(figures)) => Ok(figures),
            Ok(other) => bail!("{}, {workload}: an answer to something else: {other:?}", self.label()),
            Err(error) => Err(error.context(format!("{}, {workload}, {tasks} tasks", self.label()))),
        }
    }

    pub(crate) async fn close(&mut self) -> Result<()> {
        self.ask(&Request::Close).await.map(drop)
    }
}
