//! Metrics: their names, and what each says after something was done. Rule 77.

mod conventions;
mod errors;
mod figures;
pub(crate) mod grafana;
mod lost;

use metrics::{Key, LocalRecorderGuard, set_default_local_recorder};
use metrics_util::{
    CompositeKey, MetricKind,
    debugging::{DebugValue, DebuggingRecorder},
};
use nestling::Database;

/// Records what this thread measures. It is leaked, as what is measured at the very end of a test may need it.
pub(crate) fn recorder() -> (&'static DebuggingRecorder, LocalRecorderGuard<'static>) {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
    (recorder, set_default_local_recorder(recorder))
}

/// What was recorded of one database.
#[derive(Debug)]
pub(crate) struct Seen(Vec<(CompositeKey, Option<metrics::Unit>, DebugValue)>);

impl Seen {
    /// What was recorded of `db` since the last look: other databases of the test do not set their gauges.
    pub(crate) fn of(recorder: &DebuggingRecorder, db: &Database) -> Self {
        db.record_metrics();
        let all = recorder.snapshotter().snapshot().into_vec();
        let pools = all.iter().filter(|(key, ..)| key.key().name() == "db.client.connection.max");
        let pool = label(pools.map(|(key, ..)| key.key()).next().expect("the gauges are set"), POOL).expect("a pool");
        let of_pool = |key: &CompositeKey| label(key.key(), POOL) == Some(pool.clone());
        Self(all.into_iter().map(|(key, unit, _, value)| (key, unit, value)).filter(|(key, ..)| of_pool(key)).collect())
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (MetricKind, &Key, Option<metrics::Unit>)> {
        self.0.iter().map(|(key, unit, _)| (key.kind(), key.key(), *unit))
    }

    fn values(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &DebugValue> {
        let matches = move |key: &Key| {
            key.name() == name && labels.iter().all(|(name, value)| label(key, name).as_deref() == Some(value))
        };
        self.0.iter().filter(move |(key, ..)| matches(key.key())).map(|(_, _, value)| value)
    }

    /// The sum of the counters of this name with these labels.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let one = |value: &DebugValue| match value {
            DebugValue::Counter(count) => *count,
            other => panic!("{name} is no counter: {other:?}"),
        };
        self.values(name, labels).map(one).sum()
    }

    /// The one gauge of this name with these labels.
    pub(crate) fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        match self.values(name, labels).collect::<Vec<_>>()[..] {
            [DebugValue::Gauge(value)] => value.into_inner(),
            ref other => panic!("{name} is not one gauge: {other:?}"),
        }
    }

    /// What was recorded in the histograms of this name with these labels.
    pub(crate) fn times(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let all = |value: &DebugValue| match value {
            DebugValue::Histogram(values) => values.iter().map(|value| value.into_inner()).collect::<Vec<_>>(),
            other => panic!("{name} is no histogram: {other:?}"),
        };
        self.values(name, labels).flat_map(all).collect()
    }
}

pub(crate) const POOL: &str = "db.client.connection.pool.name";

/// The value of a label.
pub(crate) fn label(key: &Key, name: &str) -> Option<String> {
    key.labels().find(|label| label.key() == name).map(|label| label.value().to_owned())
}
