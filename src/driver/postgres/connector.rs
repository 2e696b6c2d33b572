//! [`Connector`]: connects to one of the servers of a URL. Each is tried by itself, so that an error names it and the
//! server of a session is known. It treats a URL of several hosts as tokio-postgres does.

use std::{future::poll_fn, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::lookup_host,
    sync::mpsc::Sender,
    task::AbortHandle,
    time::{error::Elapsed, timeout},
};
use tokio_postgres::{
    AsyncMessage, Client, Config, Connection, Notification, SimpleQueryMessage,
    config::{LoadBalanceHosts, TargetSessionAttrs},
    error::SqlState,
    tls::TlsStream,
};

use super::{
    classify,
    link::Link,
    negotiate::{self, Negotiated},
    servers::{Address, Endpoint, Servers},
    socket::Socket,
    tls::Tls,
};
use crate::{
    driver::{PasswordSource, SessionToken, random},
    error::{Error, ErrorKind, ServerClass},
};

/// A new session.
pub(super) struct Connected {
    pub(super) client: Client,
    /// The task that speaks with the server for the client.
    pub(super) task: AbortHandle,
    /// The server of the session.
    pub(super) servers: Servers,
    pub(super) link: Arc<Link>,
}

/// A session that has logged in.
type LoggedIn = (Client, AbortHandle, Arc<Link>);

/// Connects to the servers of one URL.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    password: Option<PasswordSource>,
    /// Where the notifications of its sessions go.
    notifications: Option<Sender<Notification>>,
    /// Whether to connect without TLS where TLS fails.
    falls_back: bool,
    servers: Servers,
}

/// Why no connection was made to an address.
enum Failure {
    Server(tokio_postgres::Error),
    Io(io::Error),
    /// The server does not have the attributes that the URL requires.
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
    /// Whether TLS is the cause: the handshake, or a server that accepts this user only without TLS.
    fn is_of_tls(&self) -> bool {
        match self {
            Self::Server(error) => error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION),
            Self::Io(error) => Tls::was_in_the_way(error),
            Self::Unfit(_) => false,
        }
    }

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

impl Connector {
    pub(super) fn new(config: Config, tls: &Tls, password: Option<PasswordSource>) -> Result<Self, Error> {
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
        let servers = Servers::of(&config, tls.connector()?);
        Ok(Self { config, password, notifications: None, falls_back: tls.falls_back(), servers })
    }

    /// The servers of the URL, in their order.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Address> {
        self.servers.addresses().iter()
    }

    /// Connects to the first server that accepts; each has `wait` to do so, and so has the function that gives the password.
    pub(super) async fn connect(&self, wait: Duration, session: &SessionToken) -> Result<Connected, Error> {
        let Some(source) = &self.password else {
            return self.connect_to_any(wait, session).await;
        };
        let mut now = self.clone();
        now.config.password(source.ask(wait).await?);
        now.connect_to_any(wait, session).await
    }

    /// The same, for a session whose notifications go to `sender`. They hold it up where nobody takes them.
    pub(super) async fn connect_to_listen(
        &self,
        wait: Duration,
        session: &SessionToken,
        sender: Sender<Notification>,
    ) -> Result<Connected, Error> {
        let listening = Self { notifications: Some(sender), ..self.clone() };
        listening.connect(wait, session).await
    }

    async fn connect_to_any(&self, wait: Duration, session: &SessionToken) -> Result<Connected, Error> {
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

    /// Connects to the first address of a name that accepts.
    async fn connect_to(&self, address: &Address, session: &SessionToken) -> Result<Connected, Failure> {
        let (host, port) = match &address.endpoint {
            Endpoint::Tcp(host, port) => (host.as_str(), *port),
            #[cfg(unix)]
            Endpoint::Unix(path) => {
                let (client, task, link) = self.log_in(address, || Socket::unix(path), session).await?;
                return Ok(Connected { client, task, servers: self.servers.only(address, None), link });
            }
        };
        let mut peers: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
        if self.config.get_load_balance_hosts() == LoadBalanceHosts::Random {
            peers.sort_by_cached_key(|_| random());
        }
        let mut failed = Failure::Io(io::Error::new(io::ErrorKind::NotFound, "the name stands for no address"));
        for peer in peers {
            match self.log_in(address, || Socket::tcp(peer, &self.config), session).await {
                Ok((client, task, link)) => {
                    return Ok(Connected { client, task, servers: self.servers.only(address, Some(peer)), link });
                }
                Err(failure) => failed = failure,
            }
        }
        Err(failed)
    }

    /// Logs in over a socket; without TLS if TLS fails and the URL allows that.
    async fn log_in<F: Future<Output = io::Result<Socket>>>(
        &self,
        address: &Address,
        open: impl Fn() -> F,
        session: &SessionToken,
    ) -> Result<LoggedIn, Failure> {
        let tls = async || negotiate::tls(&self.config, &self.servers, &address.name, open().await?).await;
        let first = async || self.start(tls().await?, session).await;
        match first().await {
            // The error of TLS tells more than that of the attempt without it.
            Err(failure) if self.falls_back && failure.is_of_tls() => {
                let second = self.start(Negotiated::Plain(open().await?), session).await;
                second.map_err(|_| failure)
            }
            result => result,
        }
    }

    async fn start(&self, negotiated: Negotiated, session: &SessionToken) -> Result<LoggedIn, Failure> {
        let (link, client, task) = match negotiated {
            Negotiated::Plain(socket) => {
                let link = Link::new(Box::new(socket));
                let config = negotiate::without_tls(&self.config);
                let (client, connection) = config.connect_raw(link.native_stream(), tokio_postgres::NoTls).await?;
                link.log_in();
                (link, client, drive(connection, session.clone(), self.notifications.clone()))
            }
            Negotiated::Tls(transport) => {
                let link = Link::new(transport);
                let given = negotiate::Given(link.native_stream());
                let (client, connection) = self.config.connect_raw(negotiate::agreed(), given).await?;
                link.log_in();
                (link, client, drive(connection, session.clone(), self.notifications.clone()))
            }
        };
        match is_unfit(&client, self.config.get_target_session_attrs()).await? {
            Some(reason) => Err(Failure::Unfit(reason)),
            None => Ok((client, task, link)),
        }
    }
}

/// Starts the task that speaks with the server for the client.
fn drive<S>(
    connection: Connection<S, impl TlsStream + Unpin + Send + 'static>,
    session: SessionToken,
    notifications: Option<Sender<Notification>>,
) -> AbortHandle
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let task = tokio::spawn(async move {
        let mut connection = connection;
        if let Some(sender) = notifications {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(notification) = message {
                    // Nobody takes them any more: the client is gone, and the session ends.
                    let _ = sender.send(notification).await;
                }
            }
        } else {
            // The link knows how it ended.
            let _ = (&mut connection).await;
        }
        drop(connection);
        // The session has ended.
        drop(session);
    });
    task.abort_handle()
}

/// What a server lacks of the attributes that the URL requires.
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

/// One error for all servers that were tried. It has the code of a server that may accept soon, if there is one.
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
            let server = error.server_error().cloned().unwrap_or_default();
            all.with_server(server).with_source(error)
        }
        None => all,
    }
}
