//! What MySQL and MariaDB do in their own way: on both servers, by the wire and by the server's own word.

mod cancel;
mod commit;
mod computed;
mod deadlock;
mod errors;
mod half_answered;
mod helper;
mod idle;
mod kept_statements;
mod login;
mod names;
mod param_types;
mod refused_logins;
mod results;
mod rows;
mod settings;
mod sizes;
mod statements;
mod timeouts;
mod types;
mod wire;

use nestling::{Database, Params, types::FromCell};

/// The one value of a query.
async fn value<T: for<'r> FromCell<'r>>(db: &Database, sql: &str, params: impl Into<Params>) -> T {
    let row = db.query_one(sql, params).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    row.get(0).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}
