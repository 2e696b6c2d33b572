//! PostgreSQL: connect and log in by tokio-postgres, which is lent as the native client too; run, control, classify errors
//! and convert values by requests of our own on the same socket. It knows no pool, no frames, no models.

mod again;
mod array;
mod cache;
mod cancel;
mod classify;
mod connection;
#[cfg(feature = "tls")]
mod connector;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod connector;
mod decode;
mod described;
mod dial;
mod driver;
mod encode;
mod ending;
mod expected;
mod flight;
mod hstore;
mod limits;
mod link;
mod message;
mod names;
mod naming;
mod negotiate;
mod outcome;
mod prepare;
mod prepared_steps;
mod result_meta;
mod rows;
mod schema;
mod scratch;
mod socket;
mod steps;
mod stop;
mod stream;
mod tls;
mod told;
mod type_info;
mod types;
mod unnamed;
#[cfg(feature = "tls")]
mod verifier;
mod wire;

pub(crate) use self::{connection::PostgresConnection, driver::PostgresDriver, wire::Wire};
