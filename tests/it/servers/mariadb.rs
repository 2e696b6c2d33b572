//! A MariaDB of a test's own, on a port and in a folder of its own.

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Instant;

use super::{PATIENCE, POLL, as_user, blocking, finish, free_port, new_folder, setting, write_private};

/// The server, with one database `nestling` and a user `nestling` without a password. It is stopped and its folder
/// removed with this value.
#[derive(Debug)]
pub(crate) struct PrivateMariadb {
    folder: PathBuf,
    port: u16,
    server: Option<Child>,
}

impl PrivateMariadb {
    /// Starts one that has TLS, with this certificate and its key in PEM, and carries out `sql` before it takes
    /// connections.
    pub(crate) async fn start_with_tls(certificate: String, key: String, sql: &'static str) -> Self {
        blocking(move || {
            let mut server = Self { folder: new_folder(), port: free_port(), server: None };
            let mut copy = as_user(Path::new("cp"));
            copy.args(["-a", "--reflink=auto", "--"]).arg(template()).arg(server.folder.join("data"));
            finish(&mut copy, None);
            write_private(&server.folder.join("server.crt"), &certificate);
            write_private(&server.folder.join("server.key"), &key);
            let sql = format!(
                "CREATE DATABASE nestling CHARACTER SET utf8mb4;
                 CREATE USER 'nestling'@'%' IDENTIFIED BY '';
                 GRANT ALL PRIVILEGES ON *.* TO 'nestling'@'%' WITH GRANT OPTION;
                 {sql}"
            );
            write_private(&server.folder.join("init.sql"), &lines(&sql));
            server.launch();
            server
        })
        .await
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn launch(&mut self) {
        let log = fs::File::create(self.folder.join("log")).expect("a log file in the server's folder");
        let errors = log.try_clone().expect("the log file a second time");
        let mut mariadbd = as_user(Path::new(&setting("NESTLING_MARIADBD")));
        mariadbd.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-log-bin", "--skip-name-resolve"]);
        mariadbd.args(["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M"]);
        mariadbd.arg(format!("--port={}", self.port));
        let paths = [
            ("datadir", "data"),
            ("tmpdir", ""),
            ("socket", "socket"),
            ("pid-file", "data/mariadb.pid"),
            ("init-file", "init.sql"),
            ("ssl-cert", "server.crt"),
            ("ssl-key", "server.key"),
        ];
        for (option, path) in paths {
            mariadbd.arg(format!("--{option}={}", self.folder.join(path).display()));
        }
        // A group of its own: Ctrl-C in the terminal is for the tests, which stop the server.
        mariadbd.process_group(0).stdin(Stdio::null()).stdout(log).stderr(errors);
        let program = mariadbd.get_program().display().to_string();
        let child = self.server.insert(mariadbd.spawn().unwrap_or_else(|error| panic!("{program}: {error}")));
        let since = Instant::now();
        // The init file is carried out before the server listens: whoever can connect finds the database.
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if since.elapsed() > PATIENCE || !matches!(child.try_wait(), Ok(None)) {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                panic!("the private MariaDB on port {} did not come up:\n{log}", self.port);
            }
            sleep(POLL);
        }
    }
}

impl Drop for PrivateMariadb {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Killed: it is faster than a shutdown, and the data goes anyhow.
            let _ = server.kill();
            let _ = server.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The data folder that all private servers are copied from, made once for all runs against the same shared servers.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let template = Path::new(&setting("NESTLING_SCRATCH")).join("mariadb-template");
        if !template.exists() {
            let folder = new_folder();
            let mut install = as_user(Path::new("mariadb-install-db"));
            install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
            install.args(["--skip-name-resolve", "--innodb-log-file-size=4M"]);
            install.arg(format!("--datadir={}", folder.join("data").display()));
            install.arg(format!("--tmpdir={}", folder.display()));
            finish(&mut install, None);
            // Renaming is atomic: no other process sees half of it. One that was faster made the same.
            if fs::rename(&folder, &template).is_err() {
                let _ = fs::remove_dir_all(&folder);
            }
        }
        template.join("data")
    })
}

/// The server reads one statement a line.
fn lines(sql: &str) -> String {
    let statements = sql.split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "));
    statements.filter(|statement| !statement.is_empty()).map(|statement| statement + ";\n").collect()
}
