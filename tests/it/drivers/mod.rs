//! What one database alone has, and the native clients.

#[cfg(feature = "full")]
mod listen;
#[cfg(feature = "full")]
mod mysql;
#[cfg(feature = "full")]
mod native;
#[cfg(feature = "full")]
mod native_errors;
#[cfg(feature = "full")]
mod native_postgres;
#[cfg(feature = "full")]
mod native_sqlite;
mod sqlite;
mod sqlite_on_workers;
