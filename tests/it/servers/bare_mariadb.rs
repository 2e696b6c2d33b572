//! A MariaDB of a test's own, with options that cannot be set while it runs. It has no users: whoever comes is let in.

use std::{
    fs,
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Instant,
};

use super::{PATIENCE, POLL, blocking, free_port, ids_of, new_folder_of, setting, signal};

/// It is stopped, and its folder removed, when this is dropped.
#[derive(Debug)]
pub(crate) struct BareMariadb {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl BareMariadb {
    /// Starts one with these options and waits until it takes connections.
    pub(crate) async fn start(options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        blocking(move || Self::run(&options)).await
    }

    pub(crate) fn url(&self) -> String {
        format!("mysql://anyone@127.0.0.1:{}/test", self.port)
    }

    fn run(options: &[String]) -> Self {
        let user = ids_of(&setting("NESTLING_MYSQL_USER"));
        let folder = new_folder_of(user);
        for part in ["data", "data/test"] {
            let path = folder.join(part);
            fs::create_dir(&path).expect("a folder for the server");
            if let Some((user, group)) = user {
                std::os::unix::fs::chown(&path, Some(user), Some(group)).expect("root may give a folder away");
            }
        }
        let port = free_port();
        let process = Self::spawn(&folder, port, user, options);
        let mut server = Self { folder, port, process };
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let gone = !matches!(server.process.try_wait(), Ok(None));
            if gone || since.elapsed() > PATIENCE {
                let log = fs::read_to_string(server.folder.join("log")).unwrap_or_default();
                panic!("the private MariaDB on port {port} did not come up:\n{log}");
            }
            sleep(POLL);
        }
        server
    }

    fn spawn(folder: &Path, port: u16, user: Option<(u32, u32)>, options: &[String]) -> Child {
        let log = fs::File::create(folder.join("log")).expect("a log file in the server's folder");
        let errors = log.try_clone().expect("the log file a second time");
        let mut server = Command::new(setting("NESTLING_MARIADBD"));
        // No system tables are made, which takes most of the time of a first start.
        server.args(["--no-defaults", "--skip-grant-tables", "--skip-networking=0", "--bind-address=127.0.0.1"]);
        server.args([
            "--innodb-log-file-size=4M",
            "--innodb-buffer-pool-size=8M",
            "--innodb-flush-log-at-trx-commit=0",
        ]);
        server.args(["--skip-log-bin", "--skip-name-resolve", "--performance-schema=OFF", "--aria-log-file-size=8M"]);
        server.arg(format!("--port={port}")).arg(format!("--datadir={}", folder.join("data").display()));
        server.arg(format!("--tmpdir={}", folder.display()));
        server.arg(format!("--socket={}", folder.join("socket").display()));
        server.arg(format!("--pid-file={}", folder.join("mariadb.pid").display())).args(options);
        server.current_dir(folder).process_group(0).stdin(Stdio::null()).stdout(log).stderr(errors);
        if let Some((user, group)) = user {
            server.uid(user).gid(group);
        }
        server.spawn().unwrap_or_else(|error| panic!("{}: {error}", server.get_program().display()))
    }
}

impl Drop for BareMariadb {
    fn drop(&mut self) {
        // Its data goes with it: there is nothing to save.
        signal("KILL", &[self.process.id()]);
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
