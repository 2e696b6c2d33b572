//! The figures of the bank's database as Prometheus reads them: `GET /metrics`. `grafana.json` is a dashboard for them.

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use nestling::Database;

/// The buckets of all times, in seconds: those of OpenTelemetry's conventions.
const SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// What receives the metrics of the process.
pub(crate) fn exporter() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new().set_buckets(&SECONDS)
}

/// The page. It is about the process, and belongs to no tenant and to no transaction.
pub(crate) fn router(db: &Database, prometheus: PrometheusHandle) -> Router {
    let db = db.clone();
    let page = || async move {
        // The gauges are as of now.
        db.record_metrics();
        ([(CONTENT_TYPE, "text/plain; version=0.0.4")], prometheus.render())
    };
    Router::new().route("/metrics", get(page))
}
