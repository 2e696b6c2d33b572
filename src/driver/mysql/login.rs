//! [`Login`]: what the connections of a database, and the helpers of a session, log in with. A password that a function gives is
//! asked for each time.

use std::time::Duration;

use mysql_async::{Conn, Error as Native, Opts, OptsBuilder};

use crate::driver::PasswordSource;

/// The options of a connection, and who tells the password.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) opts: Opts,
    pub(super) password: Option<PasswordSource>,
}

/// The time that the function has for one connection.
const WAIT: Duration = Duration::from_secs(10);

impl Login {
    pub(super) async fn connect(&self) -> Result<Conn, Native> {
        let opts = match self.new_password().await? {
            Some(password) => OptsBuilder::from_opts(self.opts.clone()).pass(Some(password)).into(),
            None => self.opts.clone(),
        };
        Conn::new(opts).await
    }

    /// The password now, where a function gives it.
    pub(super) async fn new_password(&self) -> Result<Option<String>, Native> {
        match &self.password {
            Some(source) => source.ask(WAIT).await.map(Some).map_err(|error| Native::Other(Box::new(error))),
            None => Ok(None),
        }
    }
}
