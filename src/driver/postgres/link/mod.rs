//! One socket for two clients: tokio-postgres, which has connected and logged in, and the requests of this crate, which
//! the waiting tasks write and read themselves. The link is above TLS and below both clients. It cuts both directions
//! into messages and delivers each answer to the client that asked. Used by the wire; it knows no statements.
//!
//! Every task that is polled and waits for an answer reads the socket, and puts the answers of others where they find
//! them. So an answer usually wakes the one task that waits for it, and a future that is kept and not polled delays
//! nothing. Answers that nothing waits for are read by the task of tokio-postgres, which always reads.

mod frontend;
mod key;
mod message;
mod native_stream;
mod outbox;
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
#[cfg(all(test, nestling_loom))]
mod waker_loom_tests;
#[cfg(test)]
mod waker_tests;
