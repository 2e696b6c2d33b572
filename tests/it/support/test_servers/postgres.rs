//! A private PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::cluster::Recipe;
use super::setting;
use super::tools::{Owner, command_of, finish, made_once, user_of};

pub(super) const RECIPE: Recipe = Recipe {
    user: "postgres://postgres",
    owner,
    template,
    command,
    option: "-c",
    sql: "",
    answers,
    // The fast shutdown tells sessions SQLSTATE 57P01; the immediate one takes milliseconds.
    signals: ["INT", "QUIT"],
};

fn owner() -> Owner {
    static USER: OnceLock<Owner> = OnceLock::new();
    *USER.get_or_init(|| user_of("NESTLING_POSTGRES_USER"))
}

fn program(name: &str) -> Command {
    command_of(Path::new(&setting("NESTLING_POSTGRES_BIN")).join(name), owner())
}

fn template() -> PathBuf {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    let make = |folder: &Path| {
        let data = folder.join("data");
        let mut initdb = program("initdb");
        initdb.args(["-U", "postgres", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8", "-D"]).arg(&data);
        finish(&mut initdb, None);
        // Single-user mode: the database is there without a server having been started.
        let mut single = program("postgres");
        single.args(["--single", "-F", "-D"]).arg(&data).arg("postgres");
        finish(&mut single, Some("CREATE DATABASE nestling\n"));
    };
    TEMPLATE.get_or_init(|| made_once("postgres-template", owner(), make).join("data")).clone()
}

fn command(folder: &Path, port: u16) -> Command {
    let mut postgres = program("postgres");
    postgres.arg("-D").arg(folder.join("data"));
    // fsync is about losing power: what is written survives the death of the process without it.
    let settings = [
        "fsync=off",
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=100",
        "shared_buffers=16MB",
    ];
    for setting in settings {
        postgres.args(["-c", setting]);
    }
    postgres.args(["-p", &port.to_string()]);
    postgres
}

fn answers(port: u16) -> bool {
    let mut isready = program("pg_isready");
    isready.args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-d", "nestling", "-t", "2", "-p", &port.to_string()]);
    isready.status().is_ok_and(|status| status.success())
}
