//! TLS: what each mode of PostgreSQL's and MySQL's own clients accepts of a server, and that the server itself sees an
//! encrypted session. The certificates are those of an authority that the test makes.

mod authority;
mod mysql;
mod own_root;
mod postgres;
mod roots;

use nestling::{Database, ErrorKind, params};

use self::authority::{Authority, Identity};

/// What comes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    Encrypted,
    Plain,
    Refused,
}

/// Connects, and asks the server for the session's encryption: by a query whose first row's last column tells.
async fn session(url: &str, question: &str) -> Session {
    let db = Database::builder(url).max_connections(1).build().unwrap_or_else(|error| panic!("{url}: {error}"));
    match db.query_one(question, params![]).await {
        Ok(row) => {
            let told: String = row.get(row.columns().len() - 1).expect("a text");
            if ["", "false"].contains(&told.as_str()) { Session::Plain } else { Session::Encrypted }
        }
        Err(error) if error.kind() == ErrorKind::Connect => Session::Refused,
        Err(error) => panic!("{url}: {error:?}"),
    }
}

/// Waits until a query of the observer's returns this count.
async fn until(observer: &Database, sql: &str, wanted: i64) {
    let count = async || observer.query_one(sql, params![]).await.expect("a count").get::<i64>(0).expect("a count");
    wait_while!(count().await != wanted);
}
