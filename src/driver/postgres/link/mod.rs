//! One socket for two clients: tokio-postgres, which has connected and logged in, and the requests of this crate, which
//! are written and read by the tasks that wait for them. The link stands above TLS and below both, cuts what passes into
//! messages, and gives each answer to the client that asked for it. Used by the wire; it knows no statements.
//!
//! Who reads: every task that is polled and waits for an answer reads the socket itself, and puts what belongs to others
//! where they find it. So the usual answer wakes the one task that waits for it, and a future that is kept and not polled
//! holds up nobody. What nobody waits for is read by the task of tokio-postgres, which always reads.

mod frontend;
mod key;
mod message;
mod native_stream;
mod pending_answer;
mod routing;
mod shared;
mod state;
mod status;
mod waker_set;

pub(super) use self::{
    key::Key,
    message::messages,
    native_stream::NativeStream,
    pending_answer::PendingAnswer,
    shared::Link,
    state::AnswerError,
    status::{LinkStatus, ReadyStatus, Transport},
};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod waker_tests;
