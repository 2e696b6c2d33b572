//! The page that Prometheus reads: what the bank has done, by names that the dashboard knows.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header::CONTENT_TYPE},
};
use nestling::Manager;
use serde_json::json;
use tower::ServiceExt as _;

use super::{app, jobs::Worker, operations, schema};

async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, String) {
    let answer = router.clone().oneshot(request).await.unwrap();
    let (status, body) = (answer.status(), to_bytes(answer.into_body(), usize::MAX).await.unwrap());
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn post(path: &str, body: &serde_json::Value) -> Request<Body> {
    let request = Request::post(path).header("x-tenant", "acme").header(CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

/// The value of the one series of a name that has these labels.
fn value(page: &str, name: &str, labels: &[&str]) -> f64 {
    let is_it = |line: &&str| line.starts_with(&format!("{name}{{")) && labels.iter().all(|label| line.contains(label));
    match page.lines().filter(is_it).collect::<Vec<_>>()[..] {
        [line] => line.rsplit(' ').next().unwrap().parse().unwrap(),
        ref other => panic!("{name}, {labels:?}: {other:?} of\n{page}"),
    }
}

test_on! {
    [postgres_on_one_thread sqlite_on_one_thread];

    /// rule 77
    async fn the_page_tells_what_the_bank_has_done(backend) {
        let recorder = operations::exporter().unwrap().build_recorder();
        let _guard = ::metrics::set_default_local_recorder(&recorder);
        schema::create(backend.url()).await.unwrap();
        let objects = Manager::new(schema::open(backend.url()).unwrap());
        let worker = Worker::start(&objects);
        let router = app::router(&objects, worker.queue()).merge(operations::router(objects.database(), recorder.handle()));
        let page = async || ask(&router, Request::get("/metrics").body(Body::empty()).unwrap()).await;
        for balance in [100, 0] {
            let (status, answer) = ask(&router, post("/accounts", &json!({ "owner": "ada", "balance": balance }))).await;
            assert_eq!(status, StatusCode::CREATED, "{answer}");
        }
        let before = objects.stats();
        for (amount, status) in [(30, StatusCode::CREATED), (300, StatusCode::CONFLICT)] {
            assert_eq!(ask(&router, post("/transfers", &json!({ "from": 1, "to": 2, "amount": amount }))).await.0, status);
        }
        assert_eq!(worker.stop().await, 1, "one letter, for the transfer that was done");
        let (status, text) = page().await;
        assert_eq!(status, StatusCode::OK);
        let pool = format!("db_client_connection_max{{db_system_name=\"{}\"", backend.choose("postgresql", "", "sqlite"));
        let pool = text.lines().find(|line| line.starts_with(&pool)).unwrap().split('"').nth(3).unwrap();
        let pool = format!("pool_name=\"{pool}\"");
        let stats = objects.stats();
        let ended = |outcome| value(&text, "nestling_transaction_ended", &[&pool, &format!("outcome=\"{outcome}\"")]) as u64;
        assert_eq!((ended("committed"), ended("rolled_back")), (stats.committed, stats.rolled_back));
        assert!(stats.committed > before.committed && stats.rolled_back > before.rolled_back, "{stats:?}");
        assert_eq!(value(&text, "nestling_transaction_open", &[&pool]), 0.0, "the page itself opens none");
        let commits = value(&text, "db_client_operation_duration_count", &[&pool, "operation_name=\"COMMIT\""]);
        assert_eq!(commits as u64, stats.committed);
        assert_eq!(value(&text, "db_client_connection_use_time_count", &[&pool]) as u64, stats.uses.count);
        assert!(text.contains("db_client_operation_duration_bucket{"), "times have buckets:\n{text}");
        let known = crate::metrics::grafana::series();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let name = line.split('{').next().unwrap();
            assert!(known.contains_key(name), "the dashboard's page does not know of {line}");
        }
        objects.close().await;
    }
}
