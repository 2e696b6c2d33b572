//! Workers of `examples/jobs` as processes of their own, and what they say. Each is this program itself, which runs the test
//! `child` with the command line in its environment.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

const ARGS: &str = "NESTLING_JOBS_ARGS";

/// How long nothing may be heard of anybody.
const SILENCE: Duration = Duration::from_secs(180);

/// The command line of the process that this one is, if it is a worker.
pub(super) fn args() -> Option<Vec<String>> {
    env::var(ARGS).ok().map(|args| args.lines().map(str::to_owned).collect())
}

/// What a worker has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// It has claimed a job.
    Attempt {
        job: i64,
        attempt: i32,
    },
    /// An attempt has failed.
    Failed {
        job: i64,
    },
    /// An attempt was overtaken.
    Late {
        job: i64,
    },
    Other,
    /// It has ended.
    End,
}

impl Heard {
    fn read(line: &str) -> Self {
        let read = || {
            // The test harness writes its own words ahead of the first line.
            let (job, what) = line.rsplit_once("job ")?.1.split_once(": ")?;
            let job = job.parse().ok()?;
            match what.split_once(' ') {
                Some(("attempt", what)) if what.ends_with("came too late") => Some(Self::Late { job }),
                Some(("attempt", attempt)) => Some(Self::Attempt { job, attempt: attempt.parse().ok()? }),
                Some(("failed:", _)) => Some(Self::Failed { job }),
                _ => None,
            }
        };
        read().unwrap_or(Self::Other)
    }
}

/// Workers that are killed when it is dropped.
pub(super) struct Crew {
    args: String,
    workers: BTreeMap<u64, Child>,
    started: u64,
    /// How many of them may still say something.
    open: usize,
    sender: UnboundedSender<(u64, Heard)>,
    heard: UnboundedReceiver<(u64, Heard)>,
    last: Instant,
}

impl Crew {
    pub(super) fn new(url: &str, at_once: usize) -> Self {
        let args = format!("work\n--database\n{url}\n--at-once\n{at_once}\n--lease\n0.3\n--backoff\n0.05");
        let (sender, heard) = unbounded_channel();
        Self { args, workers: BTreeMap::new(), started: 0, open: 0, sender, heard, last: Instant::now() }
    }

    /// Starts a worker, and returns its number.
    pub(super) fn start(&mut self) -> u64 {
        let module = module_path!().split_once("::").expect("a path within the program").1;
        let child = module.replace("crew", "child");
        let mut command = Command::new(env::current_exe().expect("this program"));
        command.args(["--ignored", "--exact", "--nocapture", &child]).env(ARGS, &self.args);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("this program runs");
        let stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let (number, sender) = (self.started, self.sender.clone());
        thread::spawn(move || {
            // The last line of one that was killed may be cut.
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send((number, Heard::read(&line)));
            }
            let _ = sender.send((number, Heard::End));
        });
        self.workers.insert(number, child);
        self.started += 1;
        self.open += 1;
        number
    }

    /// What is heard next, or `None` if nothing is for a moment: then it is time to look around.
    pub(super) async fn heard(&mut self) -> Option<(u64, Heard)> {
        let Ok(heard) = timeout(Duration::from_millis(50), self.heard.recv()).await else {
            assert!(self.last.elapsed() < SILENCE, "nothing is heard of the workers");
            return None;
        };
        let (number, heard) = heard.expect("it has a sender itself");
        self.last = Instant::now();
        if heard == Heard::End {
            self.open -= 1;
            self.kill(number);
        }
        Some((number, heard))
    }

    /// By SIGKILL.
    pub(super) fn kill(&mut self, number: u64) {
        if let Some(mut child) = self.workers.remove(&number) {
            child.kill().expect("it can be killed");
            child.wait().expect("it has ended");
        }
    }

    /// Kills all workers. Returns what was not heard yet.
    pub(super) async fn end(mut self) -> Vec<Heard> {
        while let Some((number, _)) = self.workers.first_key_value() {
            self.kill(*number);
        }
        let mut rest = Vec::new();
        while self.open > 0 {
            rest.extend(self.heard().await.map(|(_, heard)| heard));
        }
        rest
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for child in self.workers.values_mut() {
            // It may have ended.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}
