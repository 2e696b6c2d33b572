//! Whole servers that are killed, spoken to by TLS, or stand behind a pooler.

#[cfg(feature = "full")]
mod killing;
#[cfg(feature = "full")]
pub(crate) mod pooler;
#[cfg(feature = "full")]
mod tls;
