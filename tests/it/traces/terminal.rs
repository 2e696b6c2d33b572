//! What a terminal shows: the page of observability repeats it. Rule 75.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use nestling::{Database, Error, params};
use tracing::{Level, subscriber::DefaultGuard};
use tracing_subscriber::{filter::Targets, fmt::MakeWriter, layer::SubscriberExt as _};

const PAGE: &str = include_str!("../../../docs/observability.md");

/// A terminal that keeps what is written.
#[derive(Clone, Default)]
struct Terminal(Arc<Mutex<Vec<u8>>>);

impl io::Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Terminal {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Terminal {
    /// `RUST_LOG=nestling=level`, on this thread.
    fn at(level: Level) -> (Self, DefaultGuard) {
        let terminal = Self::default();
        let format = tracing_subscriber::fmt::layer().without_time().with_ansi(false).with_writer(terminal.clone());
        let filter = Targets::new().with_target("nestling", level);
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(filter).with(format));
        (terminal, guard)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("UTF-8")
    }
}

/// A log without what differs from run to run: durations, numbers of transactions, lines of the program.
fn stable(log: &str) -> String {
    let differs = ["nestling.duration_ms=", "nestling.transaction.id=", "nestling.opened_at="];
    let word = |word: &str| match differs.iter().find(|name| word.starts_with(**name)) {
        Some(name) => format!("{name}…{}", if word.contains("}:") { "}:" } else { "" }),
        None => word.to_owned(),
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    log.trim().lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The text that the page shows behind a heading.
fn shown(behind: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(behind).unwrap_or_else(|| panic!("the page has no \"{behind}\""));
    let (_, block) = rest.split_once("```text\n").expect("a block");
    block.split("```").next().expect("its end")
}

async fn transfer(db: &Database, from: &str, to: &str, amount: i64) -> Result<(), Error> {
    db.build_transaction()
        .name("transfer")
        .atomic(|| async {
            let sql = "update account set balance = balance - $1 where name = $2";
            db.execute(sql, params![amount, from]).await?;
            let sql = "update account set balance = balance + $1 where name = $2";
            db.execute(sql, params![amount, to]).await.map(|_| ())
        })
        .await
}

/// rule 75
#[tokio::test]
async fn the_page_shows_what_a_terminal_shows() {
    let db = Database::builder("sqlite::memory:").name("bank").build().expect("valid options");
    let table = "create table account (name text primary key, balance integer check (balance >= 0))";
    db.batch(table).await.expect("a table");
    db.batch("insert into account values ('ada', 100), ('grace', 0)").await.expect("accounts");

    let (terminal, guard) = Terminal::at(Level::DEBUG);
    transfer(&db, "ada", "grace", 70).await.expect("a transfer");
    transfer(&db, "ada", "grace", 70).await.expect_err("there is not enough");
    drop(guard);
    assert_eq!(stable(shown("### A terminal")), stable(&terminal.text()), "{}", terminal.text());

    let (terminal, guard) = Terminal::at(Level::WARN);
    transfer(&db, "ada", "grace", 70).await.expect_err("there is not enough");
    drop(guard);
    assert_eq!(stable(shown("With `RUST_LOG=warn`")), stable(&terminal.text()), "{}", terminal.text());
}
