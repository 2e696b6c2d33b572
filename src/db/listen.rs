//! LISTEN and NOTIFY of PostgreSQL: a stream of notifications, on a connection of its own.

use std::{
    fmt,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt as _, future::select};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Database;
use crate::{
    data::value::Value,
    driver::{Dialect, Notification, Notifications},
    error::{Error, ErrorKind},
    pool::Outside,
    runtime::require_runtime,
};

/// How many items wait to be taken. Those behind wait at the server.
const WAITING: usize = 64;

/// The longest name that PostgreSQL keeps whole.
const LONGEST_NAME: usize = 63;

/// The longest payload, in bytes, with pages of the usual size.
const LONGEST_PAYLOAD: usize = 7_999;

/// What a [`Listener`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenEvent {
    /// Somebody has sent this.
    Notification(Notification),
    /// The connection was lost, and there is another one now: what was sent in between is missing. Look at what it would have
    /// told, as if one had come.
    Reconnected,
}

/// Notifications of PostgreSQL, from [`Database::listen`]. It is a [`Stream`]; [`next`](Self::next) needs no trait in scope.
///
/// Its connection is read by a task, so that nothing is lost while nobody polls it. 64 items wait here; the others wait at the
/// server, which keeps them for all that listen. Dropped, it closes its connection.
#[must_use = "notifications are in the stream"]
pub struct Listener {
    events: Receiver<ListenEvent>,
}

impl Listener {
    /// The next notification, or `None` once the database is closed.
    ///
    /// # Cancel safety
    /// Dropped, it loses nothing.
    pub async fn next(&mut self) -> Option<ListenEvent> {
        self.events.recv().await
    }
}

impl Stream for Listener {
    type Item = ListenEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ListenEvent>> {
        self.events.poll_recv(cx)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

impl Database {
    /// Listens to channels of PostgreSQL: a stream of what [`notify`](Self::notify), or `NOTIFY`, sends to them from now on.
    ///
    /// It has a connection of its own, which is none of the pool's and counts to none of its limits; blocks and scopes do not
    /// concern it. Names are taken as they are: `listen(["News"])` hears `NOTIFY "News"`. A connection that is lost is made
    /// anew for as long as it takes, and the stream says so by [`ListenEvent::Reconnected`]. It ends with the database: by
    /// [`close`](Self::close), or with its last handle.
    ///
    /// A program that must not miss anything keeps what it tells of in a table, listens first, and then looks into the table:
    /// now, at each notification, and when reconnected.
    ///
    /// # Errors
    /// `Unsupported` if this is no PostgreSQL database, or stands behind a pooler that gives each transaction another session;
    /// `Config` for names that the server would cut, and for none; `Connect` if no connection can be made now; `Closed`,
    /// `NoRuntime`.
    ///
    /// # Cancel safety
    /// Dropped, it leaves no session behind.
    ///
    /// # Examples
    /// ```no_run
    /// # use nestling::{Database, Error, listen::ListenEvent, params};
    /// # async fn work(db: &Database) -> Result<(), Error> {
    /// let mut news = db.listen(["news"]).await?;
    /// db.atomic(|| async {
    ///     db.execute("insert into article (title) values ($1)", params!["hello"]).await?;
    ///     db.notify("news", "hello").await                  // sent by the COMMIT
    /// })
    /// .await?;
    /// while let Some(event) = news.next().await {
    ///     match event {
    ///         ListenEvent::Notification(news) => println!("{}", news.payload),
    ///         _ => println!("something may have been missed"),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn listen<C: AsRef<str>>(&self, channels: impl IntoIterator<Item = C>) -> Result<Listener, Error> {
        let channels: Vec<String> = channels.into_iter().map(|channel| channel.as_ref().to_owned()).collect();
        self.check_notifies("LISTEN")?;
        if channels.is_empty() {
            return Err(Error::new(ErrorKind::Config, "there is no channel to listen to"));
        }
        channels.iter().try_for_each(|channel| check_channel(channel, ErrorKind::Config))?;
        require_runtime()?;
        let outside = self.shared().counted(self.shared().pool.outside())?;
        let first = self.shared().counted(outside.listen(&channels).await)?;
        let (sender, events) = channel(WAITING);
        tokio::spawn(async move {
            let listening = listen_on(&outside, &channels, first, &sender);
            // The close of the database, and the drop of the listener, drop the connection at once.
            select(pin!(outside.while_open(listening)), pin!(sender.closed())).await;
        });
        Ok(Listener { events })
    }

    /// Sends a notification to a channel of PostgreSQL. In a block it is part of it: it is sent by the COMMIT of the root, and
    /// never if that is rolled back, or in a [`sandbox`](Self::sandbox).
    ///
    /// The server sends one of several equal notifications of a transaction. A payload has up to 7,999 bytes.
    ///
    /// # Errors
    /// `Unsupported` if this is no PostgreSQL database; `Parameter` for the name of a channel or a payload that a server, as it
    /// comes, refuses: nothing is sent then, and a block stays whole; else as [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    pub async fn notify(&self, channel: &str, payload: &str) -> Result<(), Error> {
        self.check_notifies("NOTIFY")?;
        check_channel(channel, ErrorKind::Parameter)?;
        if payload.len() > LONGEST_PAYLOAD {
            let text = format!(
                "the payload of a notification has up to {LONGEST_PAYLOAD} bytes, and this one {}",
                payload.len()
            );
            return Err(Error::new(ErrorKind::Parameter, text));
        }
        let params = [channel, payload].map(Value::from);
        self.query("select pg_notify($1, $2)", params).await.map(drop)
    }

    fn check_notifies(&self, what: &str) -> Result<(), Error> {
        if self.dialect() == Dialect::Postgres {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, format!("{what} is PostgreSQL's: this database has no notifications")))
    }
}

/// # Errors
/// Of this kind, for what is no name, or one that the server would cut.
fn check_channel(channel: &str, kind: ErrorKind) -> Result<(), Error> {
    if channel.is_empty() || channel.len() > LONGEST_NAME || channel.contains('\0') {
        let text = format!("the name of a channel has 1 to {LONGEST_NAME} bytes, none of which is NUL");
        return Err(Error::new(kind, text));
    }
    Ok(())
}

/// Passes on what comes, over one connection after the other, until the listener is dropped.
async fn listen_on(outside: &Outside, channels: &[String], first: Notifications, sender: &Sender<ListenEvent>) {
    let mut notifications = first;
    loop {
        while let Some(notification) = notifications.next().await {
            if sender.send(ListenEvent::Notification(notification)).await.is_err() {
                return;
            }
        }
        notifications = outside.listen_again(channels).await;
        if sender.send(ListenEvent::Reconnected).await.is_err() {
            return;
        }
    }
}
