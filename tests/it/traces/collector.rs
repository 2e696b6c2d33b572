//! What a collector of OpenTelemetry gets: spans with their parents, kinds, names and status. Rule 75.

use std::collections::BTreeMap;

use nestling::{Database, Error, params};
use opentelemetry::trace::{SpanKind, Status, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::{Instrument as _, subscriber::DefaultGuard};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt as _};

use crate::harness::insert;

/// A collector of what this thread does.
struct Collector {
    exporter: InMemorySpanExporter,
    provider: SdkTracerProvider,
    _guard: DefaultGuard,
}

impl Collector {
    fn start() -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let targets =
            [("nestling", tracing::Level::DEBUG), ("it", tracing::Level::DEBUG), ("scratch", tracing::Level::DEBUG)];
        let filter = Targets::new().with_targets(targets);
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(filter).with(layer));
        Self { exporter, provider, _guard: guard }
    }

    fn take(&self) -> Spans {
        self.provider.force_flush().expect("all is exported");
        let spans = self.exporter.get_finished_spans().expect("spans");
        self.exporter.reset();
        Spans(spans)
    }
}

struct Spans(Vec<SpanData>);

impl Spans {
    /// Each span as its path, with its kind if that is not internal and its status if it failed; in the order of their begin.
    fn tree(&self) -> Vec<String> {
        let by_id: BTreeMap<_, _> = self.0.iter().map(|span| (span.span_context.span_id().to_string(), span)).collect();
        let path = |span: &SpanData| {
            let mut path = vec![span.name.to_string()];
            let mut parent = by_id.get(&span.parent_span_id.to_string());
            while let Some(span) = parent {
                path.insert(0, span.name.to_string());
                parent = by_id.get(&span.parent_span_id.to_string());
            }
            path.join(" / ")
        };
        let mut spans: Vec<_> = self.0.iter().collect();
        spans.sort_by_key(|span| span.start_time);
        let line = |span: &&SpanData| {
            let kind = if span.span_kind == SpanKind::Client { " (client)" } else { "" };
            let status = if matches!(span.status, Status::Error { .. }) { " failed" } else { "" };
            format!("{}{kind}{status}", path(span))
        };
        spans.iter().map(line).collect()
    }

    fn named(&self, name: &str) -> &SpanData {
        self.0.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name}"))
    }
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    span.attributes.iter().find(|pair| pair.key.as_str() == name).map(|pair| pair.value.to_string())
}

async fn pay(db: &Database, id: i64) -> Result<u64, Error> {
    insert(db, id, &id.to_string()).await
}

test_on! {
    every_backend_on_one_thread;

    /// rule 75: the program's own spans in a block, and tasks of a set, are inside the span of the transaction
    async fn a_transaction_groups_its_statements(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.query("select 1", params![]).await.expect("a connection");
        let collector = Collector::start();
        let work = async {
            db.build_transaction().name("checkout").atomic(|| async {
                pay(db, 1).instrument(tracing::info_span!("pay")).await?;
                let mut tasks = nestling::join_set();
                let task = db.clone();
                tasks.spawn(async move { pay(&task, 2).await });
                while let Some(ended) = tasks.join_next().await {
                    ended.expect("it does not panic")?;
                }
                let again = db.atomic(|| pay(db, 2)).await;
                assert!(again.expect_err("the key is taken").is_unique_violation());
                let hook = db.clone();
                db.on_commit(move || async move { pay(&hook, 3).await.map(|_| ()) }).await?;
                pay(db, 4).await
            })
            .await
        };
        work.instrument(tracing::info_span!("request")).await.expect("a transaction");
        let spans = collector.take();
        let expected = [
            "request",
            "request / transaction",
            "request / transaction / pay",
            "request / transaction / pay / acquire",
            "request / transaction / pay / insert item (client)",
            "request / transaction / insert item (client)",
            "request / transaction / insert item (client) failed",
            "request / transaction / insert item (client)",
            "request / transaction / COMMIT (client)",
            "request / transaction / acquire",
            "request / transaction / insert item (client)",
        ];
        assert_eq!(spans.tree(), expected);
        let transaction = spans.named("transaction");
        assert_eq!(transaction.status, Status::Unset);
        assert_eq!(attribute(transaction, "nestling.transaction.name").as_deref(), Some("checkout"));
        assert!(attribute(transaction, "nestling.opened_at").is_some_and(|at| at.contains("collector.rs:")));
        let ended = transaction.events.iter().find(|event| event.name == "transaction ended").expect("its end");
        let outcome = ended.attributes.iter().find(|pair| pair.key.as_str() == "nestling.transaction.outcome");
        assert_eq!(outcome.expect("an outcome").value.to_string(), "committed");
    }

    /// rule 75
    async fn what_failed_has_a_status_and_a_type(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let collector = Collector::start();
        let failed = db.atomic(|| async {
            pay(db, 1).await?;
            db.query("select * from nowhere where id = $1", params![1]).await
        });
        let error = failed.await.expect_err("no such table");
        let spans = collector.take();
        let statement = spans.named("select nowhere");
        assert!(matches!(statement.status, Status::Error { .. }));
        assert_eq!(attribute(statement, "error.type").as_deref(), error.code());
        assert_eq!(attribute(statement, "db.response.status_code").as_deref(), error.code());
        assert!(matches!(spans.named("transaction").status, Status::Error { .. }));
        assert_eq!(spans.named("ROLLBACK").status, Status::Unset);
        assert_eq!(attribute(spans.named("ROLLBACK"), "db.operation.name").as_deref(), Some("ROLLBACK"));
    }

    /// rule 75: what cleans a connection up behind a dropped block is inside the span of its transaction
    async fn a_dropped_transaction_is_whole(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let collector = Collector::start();
        let (begin, has_begun) = tokio::sync::oneshot::channel();
        let dropped = db.atomic(|| async {
            pay(db, 1).await?;
            let _ = begin.send(());
            std::future::pending::<Result<(), Error>>().await
        });
        tokio::select! {
            _ = dropped => unreachable!("it pends"),
            begun = has_begun => begun.expect("it has begun"),
        }
        backend.settled().await;
        let tree = collector.take().tree();
        assert!(tree.contains(&"transaction / ROLLBACK (client)".into()), "{tree:?}");
    }
}
