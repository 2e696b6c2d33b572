//! A subscriber of tracing that keeps all that the crate tells, for the tests of rule 75. It listens on one thread: tests
//! that use it run on a runtime of one thread.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
    time::{Duration, Instant},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::{DefaultGuard, Interest},
};

/// A span or an event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    /// A span's name; an event's message.
    pub(crate) what: String,
    pub(crate) is_span: bool,
    pub(crate) level: Option<Level>,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) closed: bool,
}

impl Record {
    pub(crate) fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    /// The first of the fields that is there.
    fn first(&self, fields: &[&str]) -> &str {
        fields.iter().map(|field| self.get(field)).find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// What it is about, at which depth, of which name, and how it ended.
    pub(crate) fn summary(&self) -> String {
        let kind = if self.is_span { "span" } else { "event" };
        let name = self.first(&["nestling.savepoint", "nestling.block.name", "nestling.transaction.name"]);
        let end = self.first(&["nestling.transaction.outcome", "error.type", "otel.status_code"]);
        let end = if end.is_empty() { "ok" } else { end };
        format!("{kind} {} {} [{name}] {end}", self.what, self.get("nestling.depth"))
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name().to_owned(), value.to_owned());
    }
}

/// What listens on all other threads, and hears nothing. Without it tracing may take it from a thread without a listener
/// that a call site is of interest to nobody, and remember that for all.
struct Deaf;

impl Subscriber for Deaf {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Keeps call sites open to recorders; to be called before anything of the crate runs.
pub(crate) fn keep_listening() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Deaf).expect("nobody else sets one"));
}

/// What was recorded, in the order in which it began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Record>>>);

impl Recorder {
    /// Records what this thread does for as long as the guard is there.
    pub(crate) fn start() -> (Self, DefaultGuard) {
        let recorder = Self::default();
        let guard = tracing::subscriber::set_default(recorder.clone());
        (recorder, guard)
    }

    fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was recorded since the last call.
    pub(crate) fn take(&self) -> Vec<Record> {
        let mut records = self.records();
        let taken = records.clone();
        // The span of a transaction may be open still, around the caller.
        let has_ended = |record: &Record| record.closed || ["transaction", ""].contains(&record.what.as_str());
        assert!(taken.iter().all(has_ended), "everything has ended: {taken:?}");
        // Spans are known by their place: it must not be used again.
        records.iter_mut().for_each(|record| record.what.clear());
        taken.into_iter().filter(|record| !record.what.is_empty()).collect()
    }

    /// As [`take`](Self::take), once all spans have ended: the clean-up of a connection may take longer than what is tested.
    pub(crate) async fn take_ended(&self) -> Vec<Record> {
        let start = Instant::now();
        while !self.records().iter().all(|record| record.closed) && start.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.take()
    }

    /// The messages of all events that were recorded so far.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.records().iter().map(|record| record.get("message").to_owned()).collect()
    }

    /// The summaries of what was recorded since the last call.
    pub(crate) fn summaries(&self) -> Vec<String> {
        self.take().iter().map(Record::summary).collect()
    }
}

impl Subscriber for Recorder {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // Tests on other threads have other subscribers, or none.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("nestling") && *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut record = Record { what: span.metadata().name().to_owned(), is_span: true, ..Record::default() };
        record.level = Some(*span.metadata().level());
        span.record(&mut record);
        let mut records = self.records();
        records.push(record);
        span::Id::from_u64(records.len() as u64)
    }

    fn record(&self, id: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.records()[id.into_u64() as usize - 1]);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut record = Record { closed: true, ..Record::default() };
        event.record(&mut record);
        record.what = record.get("message").to_owned();
        record.level = Some(*event.metadata().level());
        self.records().push(record);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}

    fn clone_span(&self, id: &span::Id) -> span::Id {
        self.records()[id.into_u64() as usize - 1].fields.entry("handles".into()).or_default().push('+');
        id.clone()
    }

    fn try_close(&self, id: span::Id) -> bool {
        let mut records = self.records();
        let record = &mut records[id.into_u64() as usize - 1];
        record.closed = record.fields.get_mut("handles").is_none_or(|handles| handles.pop().is_none());
        record.closed
    }
}
