//! A private server, whichever it is: its folder, its process, and that it is killed, stopped and started again.
//!
//! Used by [`super::PrivateServer`] alone. It must not know one server from another: a [`Recipe`] tells what differs.

use std::fmt;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Setup;
use super::tools::{Owner, command_of, finish, free_port, new_folder, runs, signal, write_private};

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// What differs between the servers.
pub(super) struct Recipe {
    /// The URL up to the `@`.
    pub(super) user: &'static str,
    /// Who it runs as.
    pub(super) owner: fn() -> Owner,
    /// The data folder that all of the kind are copied from: making one takes longer than a copy.
    pub(super) template: fn() -> PathBuf,
    /// The server in this folder, on this port, without the test's own options.
    pub(super) command: fn(&Path, u16) -> Command,
    /// How an option is given, ahead of its `name=value`.
    pub(super) option: &'static str,
    /// The statements of the init file, ahead of the test's own.
    pub(super) sql: &'static str,
    /// Whether it takes connections.
    pub(super) answers: fn(u16) -> bool,
    /// The signal that stops it in a hurry, and the one that ends it when nobody needs its data any more.
    pub(super) signals: [&'static str; 2],
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipe").field("user", &self.user).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Cluster {
    recipe: &'static Recipe,
    folder: PathBuf,
    port: u16,
    options: &'static [&'static str],
    process: Option<Child>,
}

impl Cluster {
    pub(super) fn new(recipe: &'static Recipe, setup: Setup) -> Self {
        let Setup { options, files, sql } = setup;
        let owner = (recipe.owner)();
        let template = (recipe.template)();
        let folder = new_folder(owner);
        let mut copy = command_of("cp", owner);
        copy.args(["-a", "--reflink=auto", "--"]).arg(template).arg(folder.join("data"));
        finish(&mut copy, None);
        for (name, contents) in files {
            write_private(&folder.join("data").join(name), &contents, owner);
        }
        write_private(&folder.join("init.sql"), &lines(&[recipe.sql, sql].concat()), owner);
        Self { recipe, folder, port: free_port(), options, process: None }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub(super) fn start(&mut self) {
        let since = Instant::now();
        // A PostgreSQL that was killed leaves its sessions' shared memory behind until the last of them is gone: then
        // the first start may fail.
        while since.elapsed() < PATIENCE {
            let mut child = self.spawn();
            while since.elapsed() < PATIENCE && child.try_wait().ok().flatten().is_none() {
                if (self.recipe.answers)(self.port) {
                    self.process = Some(child);
                    return;
                }
                sleep(POLL);
            }
            self.process = Some(child);
            self.kill();
            sleep(POLL);
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        panic!("the private server on port {} did not come up:\n{log}", self.port);
    }

    fn spawn(&self) -> Child {
        let log = fs::File::options().create(true).append(true).open(self.log()).expect("a log file in its folder");
        let errors = log.try_clone().expect("the log file a second time");
        let mut server = (self.recipe.command)(&self.folder, self.port);
        for option in self.options {
            server.arg(format!("{}{option}", self.recipe.option));
        }
        // A group of its own: Ctrl-C in the terminal is for the tests, which stop the server.
        server.process_group(0).stdin(Stdio::null()).stdout(log).stderr(errors);
        server.spawn().unwrap_or_else(|error| panic!("{}: {error}", server.get_program().display()))
    }

    pub(super) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let pid = process.id();
        // Stopped first, so that no new session is born between the list of children and their end.
        signal("STOP", &[pid]);
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let mut all: Vec<u32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        all.push(pid);
        signal("KILL", &all);
        let _ = process.wait();
        let since = Instant::now();
        while all.iter().any(|pid| runs(*pid)) && since.elapsed() < PATIENCE {
            sleep(POLL);
        }
    }

    pub(super) fn stop(&mut self) {
        self.end(self.recipe.signals[0]);
    }

    fn end(&mut self, kind: &str) {
        let Some(process) = self.process.as_mut() else { return };
        signal(kind, &[process.id()]);
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if !matches!(process.try_wait(), Ok(None)) {
                self.process = None;
                return;
            }
            sleep(POLL);
        }
        self.kill();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end(self.recipe.signals[1]);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// MySQL and MariaDB read one statement a line.
fn lines(sql: &str) -> String {
    let statements = sql.split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "));
    statements.filter(|statement| !statement.is_empty()).map(|statement| statement + ";\n").collect()
}
