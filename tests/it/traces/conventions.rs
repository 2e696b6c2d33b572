//! The names of fields: each is one of OpenTelemetry's conventions, or begins with `nestling.`, and the page of observability
//! lists them all. Rule 75.
//!
//! The conventions are those of <https://github.com/open-telemetry/semantic-conventions>, version 1.44.0:
//! `docs/db/database-spans.md`, `docs/db/sql.md`, `docs/registry/attributes/db.md`, `error.md`, `server.md` and `exception.md`.

use std::collections::{BTreeMap, BTreeSet};

use nestling::{Error, blocks::Retry, params};

use crate::{
    harness::{Backend, insert},
    recorder::{Record, Recorder},
};

/// The names of the conventions, and whether they are stable there.
const CONVENTIONS: [(&str, bool); 12] = [
    ("db.namespace", true),
    ("db.operation.name", true),
    ("db.query.summary", true),
    ("db.query.text", true),
    ("db.response.returned_rows", false),
    ("db.response.status_code", true),
    ("db.system.name", true),
    ("error.type", true),
    ("exception.message", true),
    ("server.address", true),
    ("server.port", true),
    ("otel.status_code", true),
];

/// What makes of a span of `tracing` one of OpenTelemetry: <https://docs.rs/tracing-opentelemetry/0.34>, "Special fields".
const SPECIAL: [&str; 3] = ["otel.kind", "otel.name", "otel.status_code"];

const PAGE: &str = include_str!("../../../docs/observability.md");

/// What a program does that makes every sort of span and event.
async fn everything(backend: &Backend) -> Vec<Record> {
    let backend = backend.builder().name("orders").log_parameters(true);
    let db = backend.build().expect("valid options");
    let (recorder, _guard) = Recorder::start();
    let mut runs = 0;
    let work =
        db.build_transaction().name("checkout").retry(Retry::serialization().when(|_| true).attempts(2)).atomic(|| {
            runs += 1;
            let (db, run) = (&db, runs);
            async move {
                insert(db, run, &run.to_string()).await?;
                db.build_transaction().name("gift").atomic(|| db.query("select 1 + $1", params![1])).await?;
                db.execute("delete from nowhere", params![]).await.map(|_| ())
            }
        });
    work.await.expect_err("there is no such table");
    db.batch("delete from item; delete from item").await.expect("a batch");
    let closed = backend_closed(&db).await;
    assert!(closed.is_err());
    recorder.take_ended().await
}

async fn backend_closed(db: &nestling::Database) -> Result<u64, Error> {
    db.close().await;
    db.execute("delete from item", params![]).await
}

fn names(records: &[Record]) -> BTreeSet<&str> {
    let all = records.iter().flat_map(|record| record.fields.keys());
    all.map(String::as_str).filter(|name| !["message", "handles"].contains(name)).collect()
}

/// The names that the page lists: what stands first in the lines of its tables.
fn listed() -> BTreeSet<&'static str> {
    let logs = PAGE.split("## Metrics").next().expect("the first part");
    let first = logs.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    first.filter(|name| name.contains('.')).collect()
}

test_on! {
    every_backend_on_one_thread;

    /// rule 75
    async fn each_name_is_one_of_the_conventions_or_our_own(backend) {
        let backend = backend.with_items().await;
        let records = everything(&backend).await;
        let names = names(&records);
        for name in &names {
            let is_known = CONVENTIONS.iter().any(|(known, _)| known == name) || SPECIAL.contains(name);
            assert!(is_known || name.starts_with("nestling."), "{name}");
            assert!(listed().contains(name), "docs/observability.md does not list {name}");
        }
        if backend.is_postgres() {
            assert_eq!(names, listed());
        }
    }

    /// rule 75: the values that the conventions ask for
    async fn the_span_of_a_statement_says_where_and_what(backend) {
        let backend = backend.with_items().await.with(|builder| builder.name("orders"));
        let db = &backend.db;
        let (recorder, _guard) = Recorder::start();
        insert(db, 1, "one").await.expect("an insert");
        let records = recorder.take();
        let statement = records.iter().find(|record| record.is_span && record.what == "statement").expect("a span");
        let url = backend.url();
        let system = ["postgresql", "sqlite", if url.contains(&mysql_port()) { "mysql" } else { "mariadb" }];
        let mut wanted = BTreeMap::from([
            ("db.system.name", *backend.choose(&system[0], &system[2], &system[1])),
            ("otel.kind", "client"),
            ("otel.name", "insert item"),
            ("db.query.summary", "insert item"),
            ("db.query.text", "insert into item values ($1, $2)"),
            ("nestling.database", "orders"),
        ]);
        let (_, rest) = url.split_once("://").expect("a URL");
        if let Some((_, server)) = rest.split_once('@') {
            let (server, path) = server.split_once('/').expect("a database");
            let (host, port) = server.split_once(':').expect("a port");
            wanted.extend([("server.address", host), ("server.port", port)]);
            wanted.insert("db.namespace", path.split('?').next().expect("its name"));
        } else {
            wanted.insert("db.namespace", rest);
        }
        for (name, value) in wanted {
            assert_eq!(statement.get(name), value, "{name}: {statement:?}");
        }
        for absent in ["error.type", "otel.status_code", "db.response.status_code", "db.operation.name"] {
            assert_eq!(statement.get(absent), "", "{absent}");
        }
    }
}

/// The port of the MySQL among the test servers, as URLs have it.
fn mysql_port() -> String {
    let url = crate::test_servers::mysql9_url();
    let (_, port) = url.rsplit_once(':').expect("a port");
    format!(":{}/", port.split('/').next().expect("its digits"))
}

/// rule 75
#[test]
fn the_page_says_which_names_are_stable() {
    for (name, is_stable) in CONVENTIONS {
        let line = PAGE.lines().find(|line| line.starts_with(&format!("| `{name}`")));
        let line = line.unwrap_or_else(|| panic!("docs/observability.md does not list {name}"));
        assert_eq!(!line.contains("in development"), is_stable, "{line}");
    }
}
