//! [`Labels`]: what logs and spans tell of a database: its name, where it is, and what was asked of them.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use crate::driver::{Dialect, Driver};

/// What a program asks of logs and spans.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TraceOptions {
    /// A statement that takes so long is slow.
    pub(crate) slow: Duration,
    /// Whether the values of parameters are told.
    pub(crate) parameters: bool,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self { slow: Duration::from_secs(1), parameters: false }
    }
}

/// What is told of a database. Its `Debug` form leaves out the driver, which knows secrets.
pub(crate) struct Labels {
    name: Option<Arc<str>>,
    pub(super) driver: Arc<dyn Driver>,
    pub(crate) options: TraceOptions,
}

impl Labels {
    pub(crate) fn new(name: Option<Arc<str>>, driver: Arc<dyn Driver>, options: TraceOptions) -> Self {
        Self { name, driver, options }
    }

    /// The name that the program has given, or else that of the database at its server, or of its file.
    pub(crate) fn name(&self) -> &str {
        let of_driver = || match (self.driver.namespace()?, self.driver.dialect()) {
            (path, Dialect::Sqlite) => Path::new(path).file_name()?.to_str(),
            (database, _) => Some(database),
        };
        self.name.as_deref().or_else(of_driver).unwrap_or_else(|| self.driver.system_name())
    }

    /// The host and port of the server, or its socket. Of a URL of several servers nothing is told.
    pub(crate) fn server(&self) -> (Option<&str>, Option<u16>) {
        let [server] = self.driver.servers() else { return (None, None) };
        match server.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?))) {
            Some((host, port)) => (Some(host.trim_matches(['[', ']'])), Some(port)),
            None => (Some(server), None),
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, driver: _, options } = self;
        f.debug_struct("Labels").field("name", name).field("options", options).finish_non_exhaustive()
    }
}
