//! [`LinkStatus`]: what is known of a connection at some moment.

use tokio_postgres::tls::TlsStream;

/// What carries the bytes of a session: a socket, or TLS over one.
pub(crate) type Transport = Box<dyn TlsStream + Send + Unpin>;

/// Whether a transaction is open, as the server has said last.
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

/// What is known of a connection at some moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkStatus {
    pub(crate) is_ended: bool,
    /// An answer is outstanding.
    pub(crate) is_busy: bool,
    /// What is outstanding first has failed already: the server sends that ahead of its ReadyForQuery.
    pub(crate) has_failed: bool,
    /// What the server has said last of its transaction.
    pub(crate) ready: ReadyStatus,
    /// How often the server was seen to forget all prepared statements.
    pub(crate) deallocations: u64,
    /// How many requests were sent, and how many of them were answered.
    pub(crate) sent: u64,
    pub(crate) answered: u64,
}
