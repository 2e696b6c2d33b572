//! What those look at who keep the bank running: the figures of its database as Prometheus reads them (`GET /metrics`, for which
//! `grafana.json` is a dashboard), and the transactions that are open now (`GET /open`).

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use nestling::Database;

/// The buckets of all times, in seconds: those of OpenTelemetry's conventions.
const SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// What receives the metrics of the process.
pub(crate) fn exporter() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new().set_buckets(&SECONDS)
}

/// The pages. They are about the process, and belong to no tenant and to no transaction.
pub(crate) fn router(db: &Database, prometheus: PrometheusHandle) -> Router {
    let (measured, watched) = (db.clone(), db.clone());
    let metrics = || async move {
        // The gauges are as of now.
        measured.record_metrics();
        ([(CONTENT_TYPE, "text/plain; version=0.0.4")], prometheus.render())
    };
    let open = || async move { watched.open_blocks().iter().map(|block| format!("{block}\n")).collect::<String>() };
    Router::new().route("/metrics", get(metrics)).route("/open", get(open))
}
