//! Flights whose connection is lost: which are sent again on another one, and which must not be. Through the proxy, so not
//! on SQLite.

use nestling::{Error, ErrorKind, params};

use crate::{
    harness::Backend,
    proxy::{Proxy, Side},
};

/// A database behind a proxy, with a table to write to.
async fn behind_a_proxy() -> (Backend, Proxy) {
    let backend = Backend::postgres().await.with_items().await;
    let proxy = Proxy::before(backend.url());
    (backend, proxy)
}

/// Cuts the connection when the server has done what it was sent and says so. What is to be cut is sent when this has
/// returned.
fn cut_at_the_answer(proxy: &Proxy, statement: &'static str) -> impl Future<Output = ()> {
    proxy.stall_when(move |message| {
        message.from == Side::Server && message.tag == 'C' && message.text.starts_with(statement)
    });
    async {
        proxy.stalled().await;
        proxy.cut();
    }
}

/// rules 3, 60
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_on_a_pinned_connection_outside_a_transaction_is_not_sent_twice() {
    let (backend, proxy) = behind_a_proxy().await;
    let db = nestling::Database::open(&proxy.url_for(backend.url())).expect("a valid URL");
    let pinned = db.connection(|| async { db.batch("insert into item values (1, 'once')").await });
    let cut = cut_at_the_answer(&proxy, "INSERT");
    let (sent, ()) = tokio::join!(pinned, cut);
    let error = sent.expect_err("whether it took effect is not known");
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
    assert_eq!(proxy.counts().queries(), ["insert into item values (1, 'once')"]);
    assert_eq!(backend.items().await, ["once"]);
}

/// rule 60: on a connection that was idle
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_flight_of_a_transaction_is_sent_again_unseen() {
    let (backend, proxy) = behind_a_proxy().await;
    let db = nestling::Database::open(&proxy.url_for(backend.url())).expect("a valid URL");
    db.batch("select 1").await.expect("a connection");
    proxy.reset();
    let body = async || db.batch("insert into item values (1, 'once')").await;
    let pinned = db.connection(|| db.atomic(body));
    let cut = cut_at_the_answer(&proxy, "INSERT");
    let (sent, ()) = tokio::join!(pinned, cut);
    sent.expect("nothing was committed on the connection that broke");
    let insert = "insert into item values (1, 'once')";
    assert_eq!(proxy.counts().queries(), ["BEGIN", insert, "BEGIN", insert, "COMMIT"]);
    assert_eq!(backend.items().await, ["once"]);
    let rows = backend.observer().query("select id from item", params![]).await;
    assert_eq!(rows.map(|rows| rows.len()).map_err(|error: Error| error.kind()), Ok(1));
}

/// Cuts the connection when MySQL or MariaDB has done all statements of the message that inserts, and says so. What is to be
/// cut is sent when this has returned.
fn cut_at_the_last_answer(proxy: &Proxy) -> impl Future<Output = ()> {
    let mut left = None;
    proxy.stall_when(move |message| {
        match message.from {
            Side::Client if message.text.contains("insert") => left = Some(message.text.split(';').count()),
            Side::Server if message.text == "OK" => left = left.map(|left| left - 1),
            _ => {}
        }
        left == Some(0)
    });
    async {
        proxy.stalled().await;
        proxy.cut();
    }
}

fn inserts(proxy: &Proxy) -> Vec<String> {
    let counts = proxy.counts();
    counts.queries().into_iter().filter(|sql| sql.contains("insert")).map(str::to_owned).collect()
}

test_on! {
    mysql_and_mariadb;

    /// rules 3, 60
    async fn on_mysql_a_statement_on_a_pinned_connection_outside_a_transaction_is_not_sent_twice(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy();
        let db = &backend.db;
        let pinned = db.connection(|| async { db.batch("insert into item values (1, 'once')").await });
        let cut = cut_at_the_last_answer(&proxy);
        let (sent, ()) = tokio::join!(pinned, cut);
        let error = sent.expect_err("whether it took effect is not known");
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
        assert_eq!(inserts(&proxy), ["insert into item values (1, 'once')"]);
        assert_eq!(backend.items().await, ["once"]);
    }

    /// rule 60: the server may have run it, and not every table takes it back
    async fn on_mysql_the_first_flight_of_a_transaction_is_not_sent_twice(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy();
        let db = &backend.db;
        db.batch("select 1").await.expect("a connection");
        let pinned = db.connection(|| db.atomic(|| db.batch("insert into item values (1, 'once')")));
        let cut = cut_at_the_last_answer(&proxy);
        let (sent, ()) = tokio::join!(pinned, cut);
        let error = sent.expect_err("whether it took effect is not known");
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
        assert_eq!(inserts(&proxy), ["START TRANSACTION; insert into item values (1, 'once')"]);
        assert!(backend.items().await.is_empty());
    }
}
