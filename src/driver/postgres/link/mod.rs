//! One socket for two clients: tokio-postgres, which has connected and logged in, and the requests of this crate, which
//! are written and read by the tasks that wait for them. The link stands above TLS and below both, cuts what passes into
//! messages, and gives each answer to the client that asked for it. Used by the wire; it knows no statements.
//!
//! Who reads: every task that is polled and waits for an answer reads the socket itself, and puts what belongs to others
//! where they find it. So the usual answer wakes the one task that waits for it, and a future that is kept and not polled
//! holds up nobody. What nobody waits for is read by the task of tokio-postgres, which always reads.

mod bell;
mod deal;
mod facade;
mod frontend;
mod key;
mod message;
mod shared;
mod state;
mod status;
mod ticket;

pub(super) use self::{
    facade::Facade,
    key::Key,
    message::messages,
    shared::Link,
    state::Gone,
    status::{Sight, Status, Transport},
    ticket::Ticket,
};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod waker_tests;
