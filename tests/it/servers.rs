//! The servers that the tests run against: the shared ones of `tests/run.sh`, and private ones that a test may kill.
//!
//! Used by every test that needs a server. A server that is not there is a failure, never a silent skip. It must not
//! know nestling.

#![allow(dead_code, reason = "support for tests: not every test uses all of it")]

mod bare_mariadb;
mod mariadb;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) use self::{bare_mariadb::BareMariadb, mariadb::PrivateMariadb};

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// The URL of the shared PostgreSQL.
pub(crate) fn postgres_url() -> String {
    setting("NESTLING_POSTGRES_URL")
}

/// The URL of the shared MariaDB.
pub(crate) fn mysql_url() -> String {
    setting("NESTLING_MYSQL_URL")
}

/// The URL of the shared MySQL.
pub(crate) fn mysql9_url() -> String {
    setting("NESTLING_MYSQL9_URL")
}

fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `tests/run.sh`, or evaluate in this shell the exports that `tests/run.sh servers` prints in another"))
}

/// A PostgreSQL of the test's own, on a port and in a folder of its own, with one database `nestling`. Clones mean the
/// same server; it is stopped and its folder removed with the last of them.
#[derive(Debug, Clone)]
pub(crate) struct PrivatePostgres {
    port: u16,
    cluster: Arc<Mutex<Cluster>>,
}

impl PrivatePostgres {
    /// Starts one and waits until it takes connections.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[], Vec::new()).await
    }

    /// Starts one with other settings (`name=value`), and with files in its data folder, by their names and contents.
    pub(crate) async fn start_with(settings: &'static [&'static str], files: Vec<(&'static str, String)>) -> Self {
        blocking(move || {
            let mut cluster = Cluster::copied_from(template());
            cluster.settings = settings;
            for (name, contents) in files {
                write_private(&cluster.folder.join("data").join(name), &contents);
            }
            cluster.start();
            Self { port: cluster.port, cluster: Arc::new(Mutex::new(cluster)) }
        })
        .await
    }

    /// The URL of its database; the same after a restart.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/nestling", self.port)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Kills the server and all its sessions at one stroke, as a crash would, and waits until they are gone. What it
    /// has acknowledged survives.
    pub(crate) async fn kill_hard(&self) {
        self.with(Cluster::kill).await;
    }

    /// Stops it as an administrator in a hurry would (fast shutdown): sessions are told so, with SQLSTATE 57P01.
    pub(crate) async fn stop(&self) {
        self.with(|cluster| cluster.stop("INT")).await;
    }

    /// Starts it again on the same port and data, stopped before if it runs, and waits until it takes connections.
    pub(crate) async fn restart(&self) {
        self.with(|cluster| {
            cluster.stop("INT");
            cluster.start();
        })
        .await;
    }

    /// What the server has logged since it was made.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(lock(&self.cluster).folder.join("log")).unwrap_or_default()
    }

    async fn with(&self, act: impl FnOnce(&mut Cluster) + Send + 'static) {
        let cluster = Arc::clone(&self.cluster);
        blocking(move || act(&mut lock(&cluster))).await;
    }
}

fn lock(cluster: &Mutex<Cluster>) -> MutexGuard<'_, Cluster> {
    // A test that failed while it held the lock still wants its server stopped.
    cluster.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(act).await {
        Ok(value) => value,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

/// The data folder that all private servers are copied from, made once for all runs against the same shared servers:
/// initdb takes longer than a copy.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let template = Path::new(&setting("NESTLING_SCRATCH")).join("template");
        if !template.exists() {
            let folder = new_folder();
            make_template(&folder.join("data"));
            // Renaming is atomic: no other process sees half of it. One that was faster made the same.
            if fs::rename(&folder, &template).is_err() {
                let _ = fs::remove_dir_all(&folder);
            }
        }
        template.join("data")
    })
}

fn make_template(data: &Path) {
    let mut initdb = program("initdb");
    initdb.args(["-U", "postgres", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8", "-D"]).arg(data);
    finish(&mut initdb, None);
    // Single-user mode: the database is there without a server having been started.
    let mut single = program("postgres");
    single.args(["--single", "-F", "-D"]).arg(data).arg("postgres");
    finish(&mut single, Some("CREATE DATABASE nestling\n"));
}

#[derive(Debug)]
struct Cluster {
    folder: PathBuf,
    port: u16,
    settings: &'static [&'static str],
    postmaster: Option<Child>,
}

impl Cluster {
    fn copied_from(template: &Path) -> Self {
        let folder = new_folder();
        let mut copy = as_user(Path::new("cp"));
        copy.args(["-a", "--reflink=auto", "--"]).arg(template).arg(folder.join("data"));
        finish(&mut copy, None);
        Self { folder, port: free_port(), settings: &[], postmaster: None }
    }

    fn start(&mut self) {
        let since = Instant::now();
        // A server that was killed leaves its sessions' shared memory behind until the last of them is gone: then the
        // first start may fail.
        while since.elapsed() < PATIENCE {
            let mut child = self.spawn();
            while since.elapsed() < PATIENCE && child.try_wait().ok().flatten().is_none() {
                if self.answers() {
                    self.postmaster = Some(child);
                    return;
                }
                sleep(POLL);
            }
            self.postmaster = Some(child);
            self.kill();
            sleep(POLL);
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("the private PostgreSQL on port {} did not come up:\n{log}", self.port);
    }

    fn spawn(&self) -> Child {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .expect("a log file in the server's folder");
        let errors = log.try_clone().expect("the log file a second time");
        let mut postgres = program("postgres");
        postgres.arg("-D").arg(self.folder.join("data"));
        // fsync is about losing power: what is written survives the death of the process without it.
        let settings = [
            "fsync=off",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=100",
            "shared_buffers=16MB",
        ];
        for setting in settings.iter().chain(self.settings) {
            postgres.args(["-c", setting]);
        }
        postgres.args(["-p", &self.port.to_string()]);
        // A group of its own: Ctrl-C in the terminal is for the tests, which stop the server.
        postgres.process_group(0).stdin(Stdio::null()).stdout(log).stderr(errors);
        postgres.spawn().unwrap_or_else(|error| panic!("{}: {error}", postgres.get_program().display()))
    }

    fn answers(&self) -> bool {
        let port = self.port.to_string();
        let mut isready = program("pg_isready");
        isready.args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-d", "nestling", "-t", "2", "-p", &port]);
        isready.status().is_ok_and(|status| status.success())
    }

    fn kill(&mut self) {
        let Some(mut postmaster) = self.postmaster.take() else { return };
        let pid = postmaster.id();
        // Stopped first, so that no new session is born between the list of children and their end.
        signal("STOP", &[pid]);
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let mut all: Vec<u32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        all.push(pid);
        signal("KILL", &all);
        let _ = postmaster.wait();
        let since = Instant::now();
        while all.iter().any(|pid| runs(*pid)) && since.elapsed() < PATIENCE {
            sleep(POLL);
        }
    }

    fn stop(&mut self, kind: &str) {
        let Some(postmaster) = self.postmaster.as_mut() else { return };
        signal(kind, &[postmaster.id()]);
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if !matches!(postmaster.try_wait(), Ok(None)) {
                self.postmaster = None;
                return;
            }
            sleep(POLL);
        }
        self.kill();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The immediate shutdown: it takes milliseconds, and the data goes anyhow.
        self.stop("QUIT");
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a process is there and not just waiting to be collected by its parent.
fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// By the shell's own `kill`: std cannot send signals, and `unsafe` is forbidden.
fn signal(kind: &str, pids: &[u32]) {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    // One that has gone meanwhile is what was wanted.
    let _ = Command::new("sh").args(["-c", &format!("kill -{kind} {} 2>/dev/null", pids.join(" "))]).status();
}

/// A port that nothing listens on now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on 127.0.0.1");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// A new folder for the server's user, below the one that `tests/run.sh` removes at its end.
fn new_folder() -> PathBuf {
    new_folder_of(server_user())
}

fn new_folder_of(owner: Option<(u32, u32)>) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(&setting("NESTLING_SCRATCH")).join(name);
    fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    if let Some((user, group)) = owner {
        std::os::unix::fs::chown(&folder, Some(user), Some(group)).expect("root may give a folder away");
    }
    folder
}

/// Writes a file that only the server's user may read, as servers want it of a key.
fn write_private(path: &Path, contents: &str) {
    use std::os::unix::fs::PermissionsExt;

    fs::write(path, contents).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("the file's owner may say who reads it");
    if let Some((user, group)) = server_user() {
        std::os::unix::fs::chown(path, Some(user), Some(group)).expect("root may give a file away");
    }
}

fn program(name: &str) -> Command {
    as_user(&Path::new(&setting("NESTLING_POSTGRES_BIN")).join(name))
}

/// PostgreSQL refuses to run as root.
fn as_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some((user, group)) = server_user() {
        command.uid(user).gid(group);
    }
    command
}

/// The user and group to become; `None` unless this process is root.
fn server_user() -> Option<(u32, u32)> {
    static USER: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *USER.get_or_init(|| ids_of(&setting("NESTLING_POSTGRES_USER")))
}

/// The numbers of a user and its group; `None` unless this process is root.
fn ids_of(user: &str) -> Option<(u32, u32)> {
    let id = |args: &[&str]| {
        let output = Command::new("id").args(args).output().expect("the program `id`");
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("id {args:?} prints no number"))
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", user]), id(&["-g", user])))
}

/// Runs a program to its end, with something to read if it wants that.
fn finish(command: &mut Command, input: Option<&str>) {
    use std::io::Write;

    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    if let (Some(text), Some(mut pipe)) = (input, child.stdin.take()) {
        pipe.write_all(text.as_bytes()).expect("the program reads its input");
    }
    let output = child.wait_with_output().expect("the program ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {}\n{errors}", command.get_program().display(), output.status);
}
