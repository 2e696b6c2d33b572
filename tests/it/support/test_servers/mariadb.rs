//! A private MariaDB; and what a private MySQL has in common with it.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::cluster::Recipe;
use super::setting;
use super::tools::{Owner, command_of, finish, made_once, user_of};

pub(super) const RECIPE: Recipe =
    Recipe { user: "mysql://nestling", owner, template, command, option: "--", sql: SQL, answers, signals: SIGNALS };

/// The init file is carried out at each start, before the server takes connections.
pub(super) const SQL: &str = "
    CREATE DATABASE IF NOT EXISTS nestling CHARACTER SET utf8mb4;
    CREATE USER IF NOT EXISTS 'nestling'@'%' IDENTIFIED BY '';
    GRANT ALL PRIVILEGES ON *.* TO 'nestling'@'%' WITH GRANT OPTION;
";

/// There is no shutdown faster than a kill, and the data goes with it.
pub(super) const SIGNALS: [&str; 2] = ["TERM", "KILL"];

pub(super) fn owner() -> Owner {
    static USER: OnceLock<Owner> = OnceLock::new();
    *USER.get_or_init(|| user_of("NESTLING_MYSQL_USER"))
}

fn template() -> PathBuf {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    let make = |folder: &Path| {
        let mut install = command_of("mariadb-install-db", owner());
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install.args(["--skip-name-resolve", "--innodb-log-file-size=4M"]);
        install.arg(format!("--datadir={}", folder.join("data").display()));
        install.arg(format!("--tmpdir={}", folder.display()));
        finish(&mut install, None);
    };
    TEMPLATE.get_or_init(|| made_once("mariadb-template", owner(), make).join("data")).clone()
}

fn command(folder: &Path, port: u16) -> Command {
    let mut mariadbd = command_of(setting("NESTLING_MARIADBD"), owner());
    mariadbd.args(["--no-defaults", "--skip-networking=0", "--innodb-log-file-size=4M", "--aria-log-file-size=8M"]);
    mariadbd.args(["--performance-schema=ON", "--pid-file=mariadb.pid"]);
    add_common(&mut mariadbd, folder, port);
    mariadbd
}

/// The options that MariaDB and MySQL have in common.
pub(super) fn add_common(server: &mut Command, folder: &Path, port: u16) {
    server.args(["--bind-address=127.0.0.1", "--skip-log-bin", "--skip-name-resolve", "--max-connections=100"]);
    // Given to the operating system at each commit: that survives the death of the process, if not that of the machine.
    server.args(["--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=16M"]);
    server.arg(format!("--port={port}"));
    for (option, path) in [("datadir", "data"), ("tmpdir", ""), ("socket", "socket"), ("init-file", "init.sql")] {
        server.arg(format!("--{option}={}", folder.join(path).display()));
    }
}

/// Whether the server greets who connects. It may listen long before it does.
pub(super) fn answers(port: u16) -> bool {
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let Ok(mut stream) = TcpStream::connect_timeout(&addr, Duration::from_secs(2)) else { return false };
    let is_set = stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok();
    // The fifth byte is the version of the protocol; of an error, 255.
    let mut head = [0; 5];
    is_set && stream.read_exact(&mut head).is_ok() && head[4] == 10
}
