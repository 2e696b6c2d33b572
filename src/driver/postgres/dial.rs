//! Connecting to one of the servers of a URL. Each is tried by itself, so that an error names it, and so that it is known
//! which of them a session is at. It knows what tokio-postgres does with a URL of several hosts, and does the same.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    net::lookup_host,
    task::AbortHandle,
    time::{error::Elapsed, timeout},
};
use tokio_postgres::{
    Client, Config, SimpleQueryMessage,
    config::{LoadBalanceHosts, SslMode, TargetSessionAttrs},
    tls::MakeTlsConnect,
};

use super::{
    cancel::{Address, Place, Servers},
    classify,
    connector::Connector,
    socket::Socket,
    tls::Tls,
};
use crate::{
    driver::{SessionToken, random},
    error::{Error, ErrorKind, ServerClass, ServerError},
};

/// What the server says when it ends a session that nobody has asked it for anything.
pub(super) type LastWords = Arc<OnceLock<tokio_postgres::Error>>;

/// A session just begun.
pub(super) struct Connected {
    pub(super) client: Client,
    /// Speaks with the server for the client.
    pub(super) task: AbortHandle,
    /// The one that it is at.
    pub(super) servers: Servers,
    pub(super) last_words: LastWords,
}

/// A session that has logged in.
type LoggedIn = (Client, AbortHandle, LastWords);

/// How to connect.
pub(super) struct Dial {
    config: Config,
    /// Connects without TLS where TLS cannot be had, if the URL allows that.
    plain: Option<Config>,
    servers: Servers,
}

/// Why no connection was made to an address.
enum Failure {
    Server(tokio_postgres::Error),
    Io(io::Error),
    /// It has not the attributes that the URL asks for.
    Unfit(&'static str),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl Failure {
    fn at(self, address: &Address) -> Error {
        let cannot = |reason: &dyn std::fmt::Display| {
            let text = format!("cannot connect to the PostgreSQL server at {address}: {reason}");
            Error::new(ErrorKind::Connect, text)
        };
        match self {
            Self::Server(error) => classify::connect(address, error),
            Self::Io(error) => cannot(&error).with_source(error),
            Self::Unfit(reason) => cannot(&reason),
        }
    }
}

impl Dial {
    pub(super) fn new(config: Config, tls: &Tls) -> Result<Self, Error> {
        let wrong = |text: &str| Err(Error::new(ErrorKind::Config, text));
        let (hosts, addresses, ports) =
            (config.get_hosts().len(), config.get_hostaddrs().len(), config.get_ports().len());
        if hosts.max(addresses) == 0 {
            return wrong("the URL of the PostgreSQL database names no host");
        }
        if hosts > 0 && addresses > 0 && hosts != addresses {
            return wrong("the URL of the PostgreSQL database does not have as many addresses as hosts");
        }
        if ports > 1 && ports != hosts.max(addresses) {
            return wrong("the URL of the PostgreSQL database does not have as many ports as hosts");
        }
        let plain = tls.falls_back().then(|| {
            let mut config = config.clone();
            config.ssl_mode(SslMode::Disable);
            config
        });
        let servers = Servers::of(&config, tls.connector()?);
        Ok(Self { config, plain, servers })
    }

    /// The servers of the URL, in their order.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Address> {
        self.servers.addresses().iter()
    }

    /// Connects to the first server that lets us in, each of which has `wait` to do so.
    pub(super) async fn connect(&self, wait: Duration, session: &SessionToken) -> Result<Connected, Error> {
        let mut addresses: Vec<&Address> = self.servers().collect();
        if self.config.get_load_balance_hosts() == LoadBalanceHosts::Random {
            addresses.sort_by_cached_key(|_| random());
        }
        let mut errors = Vec::new();
        for address in addresses {
            match timeout(wait, self.connect_to(address, session)).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(failure)) => errors.push(failure.at(address)),
                Err(Elapsed { .. }) => {
                    let text = format!("no connection to {address} was made within {wait:?}");
                    errors.push(Error::new(ErrorKind::Connect, text));
                }
            }
        }
        Err(all_of(errors))
    }

    /// Connects to the first address that a name stands for and that lets us in.
    async fn connect_to(&self, address: &Address, session: &SessionToken) -> Result<Connected, Failure> {
        let (host, port) = match &address.place {
            Place::Tcp(host, port) => (host.as_str(), *port),
            #[cfg(unix)]
            Place::Unix(path) => {
                let (client, task, last_words) = self.log_in(address, || Socket::unix(path), session).await?;
                return Ok(Connected { client, task, servers: self.servers.only(address, None), last_words });
            }
        };
        let mut peers: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
        if self.config.get_load_balance_hosts() == LoadBalanceHosts::Random {
            peers.sort_by_cached_key(|_| random());
        }
        let mut failed = Failure::Io(io::Error::new(io::ErrorKind::NotFound, "the name stands for no address"));
        for peer in peers {
            match self.log_in(address, || Socket::tcp(peer, &self.config), session).await {
                Ok((client, task, last_words)) => {
                    return Ok(Connected { client, task, servers: self.servers.only(address, Some(peer)), last_words });
                }
                Err(failure) => failed = failure,
            }
        }
        Err(failed)
    }

    /// Logs in over a socket, without TLS if TLS is in the way and the URL allows that.
    async fn log_in<F: Future<Output = io::Result<Socket>>>(
        &self,
        address: &Address,
        open: impl Fn() -> F,
        session: &SessionToken,
    ) -> Result<LoggedIn, Failure> {
        let first = self.start(&self.config, address, open().await?, session).await;
        match (first, &self.plain) {
            // What TLS failed with tells more than what comes of the attempt without it.
            (Err(Failure::Server(error)), Some(plain)) if Tls::was_in_the_way(&error) => {
                let second = self.start(plain, address, open().await?, session).await;
                second.map_err(|_| Failure::Server(error))
            }
            (result, _) => result,
        }
    }

    async fn start(
        &self,
        config: &Config,
        address: &Address,
        socket: Socket,
        session: &SessionToken,
    ) -> Result<LoggedIn, Failure> {
        let mut connector = self.servers.connector().clone();
        let tls = <Connector as MakeTlsConnect<Socket>>::make_tls_connect(&mut connector, &address.name)
            .map_err(io::Error::other)?;
        let (client, mut connection) = config.connect_raw(socket, tls).await?;
        let (session, words) = (session.clone(), LastWords::default());
        let heard = Arc::clone(&words);
        let task = tokio::spawn(async move {
            if let Err(error) = (&mut connection).await {
                // Those who wait for an answer are told with the end of the connection, which comes behind this.
                let _ = heard.set(error);
            }
            drop(connection);
            // The goodbye has ended with it.
            drop(session);
        });
        match is_unfit(&client, config.get_target_session_attrs()).await? {
            Some(reason) => Err(Failure::Unfit(reason)),
            None => Ok((client, task.abort_handle(), words)),
        }
    }
}

/// What a server lacks of the attributes that the URL asks for.
async fn is_unfit(client: &Client, wanted: TargetSessionAttrs) -> Result<Option<&'static str>, tokio_postgres::Error> {
    if wanted == TargetSessionAttrs::Any {
        return Ok(None);
    }
    let messages = client.simple_query("SHOW transaction_read_only").await?;
    let read_only = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(match (wanted, read_only) {
        (TargetSessionAttrs::ReadWrite, Some("off")) | (TargetSessionAttrs::ReadOnly, Some("on")) => None,
        (TargetSessionAttrs::ReadWrite, _) => Some("it does not allow writes"),
        _ => Some("it is not read-only"),
    })
}

/// One error for all servers that were tried. It has the code of the one that may let us in soon, if there is one.
fn all_of(mut errors: Vec<Error>) -> Error {
    let telling = errors.iter().position(|error| error.class() == ServerClass::NoSlot);
    let telling = telling.or_else(|| errors.iter().position(|error| error.code().is_some())).unwrap_or(0);
    if errors.len() == 1 {
        return errors.swap_remove(0);
    }
    let reasons: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let all = Error::new(ErrorKind::Connect, reasons.join("; "));
    match errors.into_iter().nth(telling) {
        Some(error) => {
            let code = error.code().map(Into::into);
            let class = error.class();
            all.with_server(ServerError { code, class, ..ServerError::default() }).with_source(error)
        }
        None => all,
    }
}
