//! [`Notification`]: what a session that listens gets from others. It knows no back end.

use futures_util::stream::BoxStream;

/// What `NOTIFY` has sent to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// The channel.
    pub channel: String,
    /// The payload; empty without one.
    pub payload: String,
    /// The server's number of the session that sent it, as `pg_backend_pid()` tells it.
    pub process_id: i32,
}

/// The notifications of one session, which is closed with the stream. The stream ends with the session.
pub(crate) type Notifications = BoxStream<'static, Notification>;
