//! PostgreSQL. tokio-postgres connects and logs in, and is lent as the native client. Statements, control steps and
//! streams are requests of our own on the same socket. The module knows no pool, no frames, no models.

mod array;
mod cancellation;
mod classify;
mod connection;
mod connector;
mod decode;
mod description;
mod driver;
mod encode;
mod ending;
mod error_response;
mod expected_columns;
mod hstore;
mod in_flight;
mod limits;
mod link;
mod listen;
mod message;
mod names;
mod naming;
mod native_error;
mod negotiate;
mod outcome;
mod prepare;
mod prepared_steps;
mod result_meta;
mod retry;
mod rows;
mod schema_changes;
mod scratch;
mod servers;
mod socket;
mod statement_cache;
mod steps;
mod stream;
mod tls;
#[cfg(feature = "tls")]
mod tls_connector;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls_connector;
mod type_info;
mod types;
mod unnamed;
#[cfg(feature = "tls")]
mod verifier;
mod wire;

pub(crate) use self::{connection::PostgresConnection, driver::PostgresDriver, wire::Wire};
