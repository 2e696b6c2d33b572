//! The names, kinds, units and labels of all metrics: those of OpenTelemetry against its published table, and all of them against
//! `docs/observability.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use metrics::Unit;
use metrics_util::MetricKind;
use nestling::Error;

use super::{POOL, Seen, label, recorder};
use crate::{
    harness::{Backend, insert},
    wire::statement,
};

/// From <https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/db/database-metrics.md> (commit
/// e10a930844c6951757a43b849d364f7d056ac32b): the name of each metric of a client and its pool, but for
/// `db.client.response.returned_rows`; its instrument; its unit; and what it must be labelled with.
const PUBLISHED: [(&str, &str, &str, &[&str]); 10] = [
    ("db.client.operation.duration", "Histogram", "s", &["db.system.name"]),
    ("db.client.connection.count", "UpDownCounter", "{connection}", &[POOL, "db.client.connection.state"]),
    ("db.client.connection.idle.max", "UpDownCounter", "{connection}", &[POOL]),
    ("db.client.connection.idle.min", "UpDownCounter", "{connection}", &[POOL]),
    ("db.client.connection.max", "UpDownCounter", "{connection}", &[POOL]),
    ("db.client.connection.pending_requests", "UpDownCounter", "{request}", &[POOL]),
    ("db.client.connection.timeouts", "Counter", "{timeout}", &[POOL]),
    ("db.client.connection.create_time", "Histogram", "s", &[POOL]),
    ("db.client.connection.wait_time", "Histogram", "s", &[POOL]),
    ("db.client.connection.use_time", "Histogram", "s", &[POOL]),
];

/// Of the same page: the labels of `db.client.operation.duration`.
const OF_OPERATIONS: [&str; 13] = [
    "db.system.name",
    "db.collection.name",
    "db.namespace",
    "db.operation.name",
    "db.response.status_code",
    "error.type",
    "server.port",
    "db.query.summary",
    "db.stored_procedure.name",
    "network.peer.address",
    "network.peer.port",
    "server.address",
    "db.query.text",
];

/// Of the same page: the values of `db.system.name` for the databases of this crate, and of `db.client.connection.state`.
const SYSTEMS: [&str; 4] = ["mariadb", "mysql", "postgresql", "sqlite"];
const STATES: [&str; 2] = ["idle", "used"];

/// The page that is the contract.
const PAGE: &str = include_str!("../../../docs/observability.md");

/// The chapter of the page that tells of metrics.
pub(crate) fn chapter() -> &'static str {
    PAGE.split_once("## Metrics").expect("it has that chapter").1
}

/// The labels that tell the product, as it is once a connection was made, and where the database is.
async fn assert_says_where(backend: &Backend, seen: &Seen) {
    let mysql = if backend.is_mysql() && backend.is_mariadb().await { "mariadb" } else { "mysql" };
    let system = backend.choose("postgresql", mysql, "sqlite");
    let (_, rest) = backend.url().split_once("://").expect("a URL");
    let (server, database) = match rest.split_once('@') {
        Some((_, server)) => server.split_once('/').expect("a database"),
        None => ("", rest),
    };
    let (address, port) = server.split_once(':').unwrap_or_default();
    let wanted = [
        ("db.system.name", system),
        ("db.namespace", database.split('?').next().expect("its name")),
        ("server.address", address),
        ("server.port", port),
    ];
    let told = |key: &metrics::Key| wanted.map(|(name, _)| label(key, name).unwrap_or_default());
    let operations = seen.all().filter(|(_, key, _)| key.name() == "db.client.operation.duration");
    for (_, key, _) in operations {
        assert_eq!(told(key), wanted.map(|(_, value)| value.to_owned()), "{key:?}");
    }
    for (_, key, _) in seen.all() {
        assert_eq!(label(key, "db.system.name").as_deref(), Some(system), "{key:?}");
    }
}

#[derive(Debug, Default)]
struct Metric {
    instrument: &'static str,
    unit: &'static str,
    labels: BTreeSet<String>,
}

/// All metrics that there are: of a database on which each of them has something to tell.
fn of(seen: &Seen) -> BTreeMap<String, Metric> {
    let mut all = BTreeMap::<String, Metric>::new();
    for (kind, key, unit) in seen.all() {
        let metric = all.entry(key.name().to_owned()).or_default();
        metric.instrument = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        metric.unit = match unit.unwrap_or_else(|| panic!("{} has no unit", key.name())) {
            Unit::Seconds => "s",
            Unit::Count => "1",
            other => panic!("{other:?}"),
        };
        for label in key.labels() {
            let values: &[&str] = match label.key() {
                "db.system.name" => &SYSTEMS,
                "db.client.connection.state" => &STATES,
                "nestling.transaction.outcome" => &["committed", "rolled_back", "unknown", "lost"],
                _ => &[],
            };
            assert!(values.is_empty() || values.contains(&label.value()), "{label:?}");
            metric.labels.insert(label.key().to_owned());
        }
    }
    all
}

test_on! {
    every_backend_on_one_thread;

    /// rule 77
    async fn the_metrics_are_those_of_the_conventions_and_of_the_page(backend) {
        let backend = backend.with_items().await;
        let backend = backend.with(|options| options.max_connections(1).acquire_timeout(Duration::from_secs(60)));
        let (db, (recorder, _guard)) = (&backend.db, recorder());
        insert(db, 1, "there").await.unwrap();
        insert(db, 1, "again").await.unwrap_err();
        let held = db.atomic(|| async {
            insert(db, 2, "held").await?;
            let own = db.clone();
            let short = Duration::from_millis(20);
            let work = async move { own.build_transaction().acquire_timeout(short).atomic(|| statement(&own)).await };
            tokio::spawn(work).await.unwrap().unwrap_err();
            Ok::<_, Error>(())
        });
        held.await.unwrap();
        // Described is what the recorder knows when it describes: so the first look may have no units.
        drop(Seen::of(recorder, db));
        insert(db, 3, "third").await.unwrap();
        insert(db, 3, "again").await.unwrap_err();
        let seen = Seen::of(recorder, db);
        assert_says_where(&backend, &seen).await;
        let metrics = of(&seen);

        for (name, instrument, unit, labels) in PUBLISHED {
            let ours = metrics.get(name).unwrap_or_else(|| panic!("{name} is not recorded: {metrics:?}"));
            // The crate `metrics` has gauges for counters that go up and down, and one unit for all that is counted.
            let (instrument, unit) = (instrument.replace("UpDownCounter", "gauge").to_lowercase(), if unit == "s" { "s" } else { "1" });
            assert_eq!((ours.instrument, ours.unit), (&*instrument, unit), "{name}");
            assert!(labels.iter().all(|label| ours.labels.contains(*label)), "{name}: {ours:?}");
            let known = |label: &&String| OF_OPERATIONS.contains(&&***label) || labels.contains(&&***label) || ***label == *POOL;
            assert!(ours.labels.iter().all(|label| known(&label)), "{name}: {ours:?}");
        }
        for (name, Metric { instrument, unit, labels }) in &metrics {
            assert!(name.starts_with("nestling.") || PUBLISHED.iter().any(|(published, ..)| published == name), "{name}");
            let row = chapter().lines().find(|line| line.starts_with(&format!("| `{name}` | {instrument} | {unit} |")));
            let row = row.unwrap_or_else(|| panic!("the page has no row for `{name}`, {instrument}, {unit}"));
            for label in labels.iter().filter(|label| ![POOL, "db.system.name"].contains(&label.as_str())) {
                assert!(row.contains(&format!("`{label}`")), "{name}: the page does not tell of {label}");
            }
        }
        let rows = chapter().lines().filter(|line| ["| `db.client.", "| `nestling."].iter().any(|begin| line.starts_with(begin)));
        assert_eq!(rows.count(), metrics.len(), "the page has a row for each: {:?}", metrics.keys());
    }
}
