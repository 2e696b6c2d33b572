//! What starting servers takes of the machine: folders, ports, users, processes and signals.
//!
//! Used by the private servers alone. It must not know which server it is about.

use std::fs;
use std::iter;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::setting;

/// A user and its group; `None` for the one that this process is.
pub(super) type Owner = Option<(u32, u32)>;

pub(super) async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(act).await {
        Ok(value) => value,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

/// The folder of this name for what all tests against the same shared servers have in common, made by `make` in the first
/// of them.
pub(super) fn made_once(name: &str, owner: Owner, make: impl FnOnce(&Path)) -> PathBuf {
    let folder = Path::new(&setting("NESTLING_SCRATCH")).join(name);
    if !folder.exists() {
        let new = new_folder(owner);
        make(&new);
        // Renaming is atomic: no other process sees half of it. One that was faster made the same.
        if fs::rename(&new, &folder).is_err() {
            let _ = fs::remove_dir_all(&new);
        }
    }
    folder
}

/// A new folder for the server's user, below the one that `tests/run.sh` removes at its end.
pub(super) fn new_folder(owner: Owner) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(&setting("NESTLING_SCRATCH")).join(name);
    fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    give(&folder, owner);
    folder
}

/// Writes a file that only the server's user may read, as servers want it of a key.
pub(super) fn write_private(path: &Path, contents: &str, owner: Owner) {
    fs::write(path, contents).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("the file's owner may say who reads it");
    give(path, owner);
}

fn give(path: &Path, owner: Owner) {
    if let Some((user, group)) = owner {
        chown(path, Some(user), Some(group)).expect("root may give a file away");
    }
}

/// A program as another user: servers refuse to run as root.
pub(super) fn command_of(program: impl AsRef<Path>, owner: Owner) -> Command {
    let mut command = Command::new(program.as_ref());
    command.current_dir("/");
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}

/// Whom the setting of this name says a server is to run as; `None` unless this process is root.
pub(super) fn user_of(name: &str) -> Owner {
    let user = setting(name);
    let id = |args: &[&str]| {
        let output = Command::new("id").args(args).output().expect("the program `id`");
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("id {args:?} prints no number"))
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", &user]), id(&["-g", &user])))
}

/// Whether a process is there and not just waiting to be collected by its parent.
pub(super) fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// By the shell's own `kill`: std cannot send signals, and `unsafe` is forbidden.
pub(super) fn signal(kind: &str, pids: &[u32]) {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    // One that has gone meanwhile is what was wanted.
    let _ = Command::new("sh").args(["-c", &format!("kill -{kind} {} 2>/dev/null", pids.join(" "))]).status();
}

/// A port that nothing listens on now, and that this process gives to no other. It is below the range that the kernel takes
/// ports of connections and of `bind` to port 0 from: the server is yet to start, and may start again.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut ports = iter::repeat_with(|| {
        let number = std::process::id() * 37 + NEXT.fetch_add(1, Ordering::Relaxed);
        u16::try_from(10_000 + number % 10_000).expect("a small number")
    });
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("it is repeated for ever")
}

/// Runs a program to its end, with something to read if it wants that.
pub(super) fn finish(command: &mut Command, input: Option<&str>) {
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
