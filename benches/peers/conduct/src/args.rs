//! What the command line asks for.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::backend::Backend;

pub(crate) const USAGE: &str = "\
usage: benches/peers/run.sh [--quick | --goals] [--json] [--only PEER]... [--backend NAME]... [--render | --instructions]

  --quick          a check that ends within three minutes; writes its report beside the build, not into docs/
  --goals          only what the goals on processor time are about: PostgreSQL, 16 tasks, in four minutes. Nothing is written into docs/
  --json           prints the figures on stdout instead of the tables
  --only PEER      only this peer, as the tables call it; may be repeated. Nothing is written into docs/
  --backend NAME   only postgres, mariadb or sqlite; may be repeated. Nothing is written into docs/
  --render         measures nothing: writes the report anew from the figures of the last full run, with notes.md as it is now
  --instructions   measures no time: counts the client's instructions with callgrind, and writes that table into docs/ alone; takes --backend";

/// What is to be done.
#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) quick: bool,
    pub(crate) goals: bool,
    pub(crate) json: bool,
    pub(crate) render: bool,
    pub(crate) instructions: bool,
    pub(crate) only: Vec<String>,
    pub(crate) backends: Vec<String>,
    /// The folder of the comparison, of its programs, and of the Python, which `run.sh` tells.
    pub(crate) folder: PathBuf,
    pub(crate) bin: PathBuf,
    pub(crate) python: Option<PathBuf>,
}

impl Args {
    pub(crate) fn read() -> Result<Self> {
        let mut args = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value\n{USAGE}"));
            match word.as_str() {
                "--quick" => args.quick = true,
                "--goals" => args.goals = true,
                "--json" => args.json = true,
                "--render" => args.render = true,
                "--instructions" => args.instructions = true,
                "--only" => args.only.push(value()?),
                "--backend" => args.backends.push(value()?),
                "--folder" => args.folder = value()?.into(),
                "--bin" => args.bin = value()?.into(),
                "--python" => args.python = Some(value()?.into()),
                other => bail!("{other} is not known\n{USAGE}"),
            }
        }
        Ok(args)
    }

    /// Whether a back end is to be measured.
    pub(crate) fn wants(&self, backend: Backend) -> bool {
        let is_named = |name: &String| {
            name.eq_ignore_ascii_case(backend.title()) || name == "postgres" && backend == Backend::Postgres
        };
        if self.goals && backend != Backend::Postgres {
            return false;
        }
        self.backends.is_empty() || self.backends.iter().any(is_named)
    }

    /// The report.
    pub(crate) fn report(&self) -> PathBuf {
        self.folder.join("../../docs/benchmarks.md")
    }

    /// Whether all is measured, so that the report may go into `docs/`.
    pub(crate) fn is_full(&self) -> bool {
        !self.quick && !self.goals && self.only.is_empty() && self.backends.is_empty()
    }
}
