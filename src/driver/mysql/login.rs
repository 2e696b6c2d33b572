//! [`Login`]: what the connections of a database, and the helpers of a session, log in with. A password that a function gives is
//! asked for each time.
//!
//! It makes up for two faults of mysql_async's logins to MariaDB. Of the 32 random bytes that `ed25519` has signed, it drops the
//! last if that is zero, as if it ended a text: one login in 256 is refused though the password is right. And it panics where it
//! is asked for a method that it knows and was built without (`parsec`).

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::FutureExt as _;
use mysql_async::{Conn, Error as Native, Opts, OptsBuilder};
use tokio::time::timeout;

use super::{classify, greeting};
use crate::{driver::PasswordSource, error::panic_text};

/// The options of a connection, and who tells the password.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) opts: Opts,
    pub(super) password: Option<PasswordSource>,
    /// Once the server has told.
    pub(super) is_mariadb: Arc<OnceLock<bool>>,
}

/// The time that the function has for one connection.
const WAIT: Duration = Duration::from_secs(10);

/// How often MariaDB is asked in all before a password counts as wrong. MySQL is asked once: it may lock who fails.
const LOGINS: u32 = 3;

/// The time that a server has to greet.
const GREETING: Duration = Duration::from_secs(10);

impl Login {
    pub(super) async fn connect(&self) -> Result<Conn, Native> {
        let opts = match self.new_password().await? {
            Some(password) => OptsBuilder::from_opts(self.opts.clone()).pass(Some(password)).into(),
            None => self.opts.clone(),
        };
        let mut left = LOGINS;
        loop {
            left -= 1;
            match log_in(opts.clone()).await {
                Err(error) if left > 0 && classify::is_access_denied(&error) && self.may_be_right(&opts).await => {}
                made => return made,
            }
        }
    }

    /// Whether a password that was refused may be right.
    async fn may_be_right(&self, opts: &Opts) -> bool {
        if opts.pass().is_none_or(str::is_empty) {
            return false;
        }
        if let Some(is_mariadb) = self.is_mariadb.get() {
            return *is_mariadb;
        }
        match timeout(GREETING, greeting::is_mariadb(opts)).await {
            Ok(Ok(is_mariadb)) => *self.is_mariadb.get_or_init(|| is_mariadb),
            // What it refuses stands.
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// The password now, where a function gives it.
    pub(super) async fn new_password(&self) -> Result<Option<String>, Native> {
        match &self.password {
            Some(source) => source.ask(WAIT).await.map(Some).map_err(|error| Native::Other(Box::new(error))),
            None => Ok(None),
        }
    }
}

/// One login. A panic of the driver is an error, as the server can cause it.
async fn log_in(opts: Opts) -> Result<Conn, Native> {
    AssertUnwindSafe(Conn::new(opts)).catch_unwind().await.unwrap_or_else(|payload| {
        let reason = panic_text(&*payload).unwrap_or("no reason is told");
        Err(Native::Other(format!("mysql_async cannot log in as the server asks for: {reason}").into()))
    })
}
