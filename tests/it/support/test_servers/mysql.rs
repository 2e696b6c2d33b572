//! A private MySQL, of the folder that `tests/mysql-server.sh` has unpacked.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::cluster::Recipe;
use super::mariadb::{self, add_common, owner};
use super::setting;
use super::tools::{command_of, finish, made_once};

pub(super) const RECIPE: Recipe = Recipe {
    user: "mysql://nestling",
    owner,
    template,
    command,
    option: "--",
    sql: mariadb::SQL,
    answers: mariadb::answers,
    signals: mariadb::SIGNALS,
};

const REDO: &str = "--innodb-redo-log-capacity=8M";

fn program() -> Command {
    let mut mysqld = command_of(setting("NESTLING_MYSQL9_PROGRAM"), owner());
    mysqld.arg("exec").arg(setting("NESTLING_MYSQL9_ROOT"));
    mysqld
}

fn template() -> PathBuf {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    let make = |folder: &Path| {
        let mut initialize = program();
        initialize.args(["--initialize-insecure", "--secure-file-priv=NULL", REDO]);
        initialize.arg(format!("--datadir={}", folder.join("data").display()));
        initialize.arg(format!("--tmpdir={}", folder.display()));
        finish(&mut initialize, None);
    };
    TEMPLATE.get_or_init(|| made_once("mysql-template", owner(), make).join("data")).clone()
}

fn command(folder: &Path, port: u16) -> Command {
    let mut mysqld = program();
    mysqld.args(["--mysqlx=OFF", "--secure-file-priv=NULL", "--pid-file=mysql.pid", REDO]);
    add_common(&mut mysqld, folder, port);
    mysqld
}
