//! Rows that become values while the statement is under way: all of them, in their order, once; and what goes wrong with one
//! of them is the statement's error and nobody else's.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use nestling::{Database, Dialect, Error, ErrorKind, FromRow, Row, params, raw};

use crate::{dialects::numbers, harness::Backend, proxy::Side};

/// More than are kept together, and no multiple of that.
const MANY: i64 = 1_000;

/// A number that is not to be read beyond a limit.
#[derive(Debug, PartialEq)]
struct Number(i64);

/// Where reading fails, and where it panics.
const FAILS: i64 = 700;
const PANICS: i64 = 900;

impl FromRow for Number {
    fn from_row(row: &Row) -> Result<Self, Error> {
        let number: i64 = row.get(0)?;
        assert_ne!(number, PANICS, "it panics here");
        if number == FAILS { row.get::<bool>("nowhere").map(|_| Self(0)) } else { Ok(Self(number)) }
    }
}

async fn read<R: FromRow + Send + 'static>(db: &Database, from: i64, to: i64) -> Result<Vec<R>, Error> {
    let sql = numbers(db.dialect());
    let sql = match db.dialect() {
        Dialect::Mysql => format!("select * from ({sql}) numbers where x >= $2"),
        _ => format!("{sql} where x >= $2"),
    };
    raw::<R>(sql, params![to, from]).all(db).await
}

test_on! {
    every_backend;

    /// Each row once and in its order, however many there are
    async fn every_row_is_read_once(backend) {
        let db = &backend.db;
        for many in [1, 127, 128, 129, 256, MANY, 20 * MANY] {
            let all: Vec<i64> = read::<(i64,)>(db, 1, many).await.unwrap().into_iter().map(|(number,)| number).collect();
            assert_eq!(all, (1..=many).collect::<Vec<_>>());
        }
        assert!(read::<(i64,)>(db, 2, 1).await.unwrap().is_empty());
        let inside = db.atomic(|| async {
            let rows = read::<(i64,)>(db, 1, MANY).await?;
            read::<(i64,)>(db, 1, MANY).await.map(|again| again == rows)
        });
        assert!(inside.await.unwrap());
    }
}

test_on! {
    every_backend;

    /// The first row that cannot be read is the error, and the block goes on
    async fn a_row_that_cannot_be_read_is_told(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            let error = read::<Number>(db, 1, MANY).await.expect_err("one of them cannot be read, ahead of the panic");
            assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
            assert_eq!(read::<Number>(db, FAILS + 1, FAILS + 150).await?.len(), 150);
            db.execute("insert into item values (1, 'kept')", ()).await
        });
        work.await.expect("the statement itself has succeeded");
        assert_eq!(backend.items().await, ["kept"]);
        backend.settled().await;
        assert_eq!(db.stats().connections, 1, "the connection was not thrown away");
    }
}

test_on! {
    every_backend;

    /// rule 41: what panics while rows are read does so in the task that awaits them, and harms no connection
    async fn a_panic_while_rows_are_read_is_the_callers(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let panic = AssertUnwindSafe(read::<Number>(db, FAILS + 1, MANY)).catch_unwind().await.expect_err("it panics");
        assert!(panic.downcast_ref::<String>().expect("its message").contains("it panics here"));
        backend.settled().await;
        assert_eq!(db.stats().connections, 1, "the connection was not thrown away");
        let work = AssertUnwindSafe(db.atomic(|| async {
            db.execute("insert into item values (1, 'lost')", ()).await?;
            read::<Number>(db, FAILS + 1, MANY).await
        }));
        assert!(work.catch_unwind().await.is_err());
        backend.settled().await;
        assert!(backend.items().await.is_empty());
    }
}

/// rule 60: rows of an answer that broke off are not told twice
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn rows_that_were_read_count_for_nothing_when_the_statement_is_sent_again() {
    let (backend, proxy) = Backend::postgres().await.behind_proxy_with(|options| options.max_connections(1));
    let db = &backend.db;
    read::<(i64,)>(db, 1, 1).await.expect("a connection");
    proxy.reset();
    let work = db.atomic(|| read::<(i64,)>(db, 1, 20 * MANY));
    proxy
        .stall_when(|message| message.from == Side::Server && message.tag == 'C' && message.text.starts_with("SELECT"));
    let cut = async {
        proxy.stalled().await;
        proxy.cut();
    };
    let (rows, ()) = tokio::join!(work, cut);
    let rows = rows.expect("nothing had taken effect");
    assert!(rows.into_iter().map(|(number,)| number).eq(1..=20 * MANY));
    assert_eq!(proxy.counts().executed().len(), 2, "it was sent again");
}
