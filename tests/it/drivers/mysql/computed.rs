//! Decimals that a table does not hold, and URLs of IPv6.

use std::net::{Ipv6Addr, SocketAddr};

use nestling::{Database, ErrorKind, params};
use rust_decimal::Decimal;
use tokio::net::{TcpListener, TcpStream};

use super::value;

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal number")
}

test_on! {
    mysql_and_mariadb;

    /// fault 2.7: a quotient of 30 digits could not be read
    async fn what_was_computed_is_rounded_and_what_was_stored_is_not(backend) {
        let db = &backend.db;
        db.batch(
            "create table t (id int primary key, amount decimal(58, 28), wide decimal(65, 30));
             insert into t values (1, 10, 0.123456789012345678901234567891), (2, 0.5, 1.5)",
        )
        .await
        .expect("a table");
        let third = "3.3333333333333333333333333333";
        for sql in [
            "select amount / 3 from t where id = 1",
            "select max(amount / 3) from t",
            "select q from (select amount / 3 as q from t where id = 1) as d",
            "select amount / 3 as q from t union all select 1 order by q desc limit 1",
        ] {
            assert_eq!(value::<Decimal>(db, sql, params![]).await, decimal(third), "{sql}");
        }
        assert_eq!(value::<Decimal>(db, "select amount / -6 from t where id = 1", params![]).await, decimal("-1.6666666666666666666666666667"));
        assert_eq!(value::<Decimal>(db, "select sum(amount) / $1 from t", params![3]).await, decimal("3.5"));
        assert_eq!(value::<Decimal>(db, "select wide from t where id = 2", params![]).await, decimal("1.5"), "zeros are no digits");
        let row = db.query_one("select wide from t where id = 1", params![]).await.expect("a row");
        assert_eq!(row.get::<Decimal>(0).expect_err("it would be another number").kind(), ErrorKind::Decode);
        let row = db.query_one("select 1, cast(1 as decimal(65, 0)) * 1000000000000000000000000000000", params![]).await.expect("a row");
        assert_eq!(row.get::<Decimal>(1).expect_err("it has too many digits ahead of the point").kind(), ErrorKind::Decode);
    }
}

/// Hands all connections on ::1 through to a server, for as long as the test runs.
async fn on_ipv6(upstream: SocketAddr) -> u16 {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.expect("a port on ::1");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(upstream).await.expect("the test server");
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
            });
        }
    });
    port
}

test_on! {
    every_server;

    /// fault 2.8: the brackets of an IPv6 address were looked up as a part of its name
    async fn an_ipv6_address_stands_in_brackets(backend) {
        let url = backend.url();
        let (head, rest) = url.split_once('@').expect("a URL with a user");
        let (host, path) = rest.split_once('/').expect("a URL with a database");
        let port = on_ipv6(host.parse().expect("an address and a port")).await;
        let db = Database::open(&format!("{head}@[::1]:{port}/{path}")).expect("a valid URL");
        assert_eq!(value::<i64>(&db, "select 1", params![]).await, 1);
        // The connection that stops a statement goes the same way.
        let dropped = tokio::time::timeout(std::time::Duration::from_millis(50), db.query(backend.choose("select pg_sleep(30)", "select sleep(30)", ""), params![]));
        dropped.await.expect_err("it takes longer");
        assert_eq!(value::<i64>(&db, "select 2", params![]).await, 2);
    }
}
