//! [`LinkStatus`]: a snapshot of a connection: whether it has ended, what is outstanding, and the transaction status.

use tokio_postgres::tls::TlsStream;

/// The byte stream of a session: a socket, or TLS over one.
pub(crate) type Transport = Box<dyn TlsStream + Send + Unpin>;

/// The transaction status of the last ReadyForQuery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadyStatus {
    Idle,
    Transaction,
    Aborted,
}

impl ReadyStatus {
    pub(super) fn of(byte: u8) -> Self {
        match byte {
            b'I' => Self::Idle,
            b'T' => Self::Transaction,
            _ => Self::Aborted,
        }
    }
}

/// A snapshot of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkStatus {
    pub(crate) is_ended: bool,
    /// An answer is outstanding.
    pub(crate) is_busy: bool,
    /// The first outstanding request has failed: the server sends the error ahead of its ReadyForQuery.
    pub(crate) has_failed: bool,
    /// The transaction status of the last ReadyForQuery.
    pub(crate) ready: ReadyStatus,
    /// How often the server was seen to drop all prepared statements.
    pub(crate) deallocations: u64,
    /// The number of requests that were sent, and of those that were answered.
    pub(crate) sent: u64,
    pub(crate) answered: u64,
}
