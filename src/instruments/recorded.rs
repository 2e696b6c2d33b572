//! The instruments with the feature `metrics`: the names, units and labels of all metrics, by OpenTelemetry's conventions for
//! database clients (v1.44.0) where these have a name. The only file that names the crate `metrics`.
//!
//! A recorder is looked up for each measurement, so it may be installed at any time. Without one nothing reads a clock.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use metrics::{IntoF64, Key, Label, Level, Metadata, Recorder, Unit, with_recorder};

use crate::error::{Error, ErrorKind};

const OPERATION_DURATION: &str = "db.client.operation.duration";
const COUNT: &str = "db.client.connection.count";
const IDLE_MAX: &str = "db.client.connection.idle.max";
const IDLE_MIN: &str = "db.client.connection.idle.min";
const MAX: &str = "db.client.connection.max";
const PENDING_REQUESTS: &str = "db.client.connection.pending_requests";
const TIMEOUTS: &str = "db.client.connection.timeouts";
const CREATE_TIME: &str = "db.client.connection.create_time";
const WAIT_TIME: &str = "db.client.connection.wait_time";
const USE_TIME: &str = "db.client.connection.use_time";
const TRANSACTIONS_ENDED: &str = "nestling.transaction.ended";
const TRANSACTIONS_OPEN: &str = "nestling.transaction.open";
const OLDEST_AGE: &str = "nestling.transaction.oldest_age";
const ERRORS: &str = "nestling.errors";

const HISTOGRAMS: [(&str, &str); 4] = [
    (OPERATION_DURATION, "Duration of database client operations."),
    (CREATE_TIME, "The time it took to create a new connection."),
    (WAIT_TIME, "The time it took to obtain an open connection from the pool."),
    (USE_TIME, "The time between borrowing a connection and returning it to the pool."),
];
const COUNTERS: [(&str, &str); 3] = [
    (TIMEOUTS, "The number of connection timeouts that have occurred trying to obtain a connection from the pool."),
    (TRANSACTIONS_ENDED, "The number of transactions that have ended, by outcome."),
    (ERRORS, "The number of errors of statements, connections and ends of transactions, by kind."),
];
const GAUGES: [(&str, Unit, &str); 7] = [
    (COUNT, Unit::Count, "The number of connections that are currently in state described by the `state` attribute."),
    (IDLE_MAX, Unit::Count, "The maximum number of idle open connections allowed."),
    (IDLE_MIN, Unit::Count, "The minimum number of idle open connections allowed."),
    (MAX, Unit::Count, "The maximum number of open connections allowed."),
    (PENDING_REQUESTS, Unit::Count, "The number of current pending requests for an open connection."),
    (TRANSACTIONS_OPEN, Unit::Count, "The number of transactions that are open at the server."),
    (OLDEST_AGE, Unit::Seconds, "The age of the transaction that is open longest; 0 if none is open."),
];

const SYSTEM: &str = "db.system.name";
const NAMESPACE: &str = "db.namespace";
const ADDRESS: &str = "server.address";
const PORT: &str = "server.port";
const POOL: &str = "db.client.connection.pool.name";
const STATE: &str = "db.client.connection.state";
const OPERATION: &str = "db.operation.name";
const STATUS_CODE: &str = "db.response.status_code";
const ERROR_TYPE: &str = "error.type";
const OUTCOME: &str = "nestling.transaction.outcome";
const KIND: &str = "nestling.error.kind";

/// The operations that are told apart. A statement that begins with another word, or with a comment, has no name.
const OPERATIONS: [&str; 20] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "MERGE", "REPLACE", "VALUES", "CALL", "COPY", "CREATE", "ALTER",
    "DROP", "TRUNCATE", "EXPLAIN", "SET", "LOCK", BATCH, COMMIT, ROLLBACK,
];
const BATCH: &str = "BATCH";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

static METADATA: Metadata<'static> = Metadata::new("nestling", Level::INFO, Some("nestling"));

/// The instruments of one pool.
#[derive(Clone)]
pub(crate) struct Instruments(Arc<Inner>);

struct Inner {
    first: Keys,
    /// The same, once the server has told that it is another product.
    known: OnceLock<Keys>,
}

/// What is recorded often, with its labels.
struct Keys {
    /// Those that all metrics have.
    labels: [Label; 2],
    created: Key,
    waited: Key,
    used: Key,
    /// Statements that succeed: without a name, and in the order of [`OPERATIONS`].
    unnamed: Key,
    operations: Box<[Key]>,
}

impl Keys {
    /// The same for another product.
    fn of(&self, system: &'static str) -> Self {
        let Self { labels, created, waited, used, unnamed, operations } = self;
        let label = |label: &Label| if label.key() == SYSTEM { Label::new(SYSTEM, system) } else { label.clone() };
        let key = |key: &Key| Key::from_parts(key.name().to_owned(), key.labels().map(label).collect::<Vec<_>>());
        Self {
            labels: labels.each_ref().map(label),
            created: key(created),
            waited: key(waited),
            used: key(used),
            unnamed: key(unnamed),
            operations: operations.iter().map(key).collect(),
        }
    }
}

/// The values of the gauges.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gauges {
    pub(crate) connections: u64,
    pub(crate) idle: u64,
    pub(crate) most: u64,
    pub(crate) least_idle: u64,
    pub(crate) waiting: u64,
    pub(crate) transactions: u64,
    pub(crate) oldest: Duration,
}

fn record(key: &Key, value: impl IntoF64) {
    with_recorder(|recorder| recorder.register_histogram(key, &METADATA).record(value));
}

fn count(key: &Key) {
    with_recorder(|recorder| recorder.register_counter(key, &METADATA).increment(1));
}

impl Instruments {
    /// Those of a pool of connections to a database at the one server that is known, if one is.
    pub(crate) fn new(
        system: &'static str,
        pool: &str,
        namespace: Option<&str>,
        (address, port): (Option<&str>, Option<u16>),
    ) -> Self {
        let labels = [Label::new(SYSTEM, system), Label::new(POOL, pool.to_owned())];
        let key = |name: &'static str| Key::from_parts(name, labels.to_vec());
        let port = port.map(|port| port.to_string());
        let place = [(NAMESPACE, namespace), (ADDRESS, address), (PORT, port.as_deref())];
        let place = place.into_iter().filter_map(|(name, value)| Some(Label::new(name, value?.to_owned())));
        let unnamed = key(OPERATION_DURATION).with_extra_labels(place.collect());
        let of = |operation: &&'static str| unnamed.with_extra_labels(vec![Label::new(OPERATION, *operation)]);
        let first = Keys {
            created: key(CREATE_TIME),
            waited: key(WAIT_TIME),
            used: key(USE_TIME),
            operations: OPERATIONS.iter().map(of).collect(),
            unnamed,
            labels,
        };
        Self(Arc::new(Inner { first, known: OnceLock::new() }))
    }

    /// A server has told which product it is.
    pub(crate) fn connected_to(&self, system: &'static str) {
        if self.keys().labels[0].value() != system {
            self.0.known.get_or_init(|| self.0.first.of(system));
        }
    }

    fn keys(&self) -> &Keys {
        self.0.known.get().unwrap_or(&self.0.first)
    }

    fn key(&self, name: &'static str, label: Option<Label>) -> Key {
        let labels: Vec<Label> = self.keys().labels.iter().cloned().chain(label).collect();
        Key::from_parts(name, labels)
    }

    pub(crate) fn created(&self, time: Duration) {
        record(&self.keys().created, time);
    }

    pub(crate) fn waited(&self, time: Duration) {
        record(&self.keys().waited, time);
    }

    pub(crate) fn used(&self, time: Duration) {
        record(&self.keys().used, time);
    }

    pub(crate) fn timed_out(&self) {
        count(&self.key(TIMEOUTS, None));
    }

    pub(crate) fn transaction_ended(&self, outcome: &'static str) {
        count(&self.key(TRANSACTIONS_ENDED, Some(Label::new(OUTCOME, outcome))));
    }

    pub(crate) fn failed(&self, kind: ErrorKind) {
        count(&self.key(ERRORS, Some(Label::new(KIND, format!("{kind:?}")))));
    }

    /// Sets all gauges, and tells the recorder what its metrics are: it may have been installed just now.
    pub(crate) fn set(&self, gauges: Gauges) {
        let Gauges { connections, idle, most, least_idle, waiting, transactions, oldest } = gauges;
        let used = connections.saturating_sub(idle);
        with_recorder(|recorder| {
            describe(recorder);
            let set = |name, label: Option<Label>, value: f64| {
                recorder.register_gauge(&self.key(name, label), &METADATA).set(value);
            };
            set(COUNT, Some(Label::new(STATE, "idle")), idle as f64);
            set(COUNT, Some(Label::new(STATE, "used")), used as f64);
            set(MAX, None, most as f64);
            set(IDLE_MIN, None, least_idle as f64);
            // Any connection may be idle.
            set(IDLE_MAX, None, most as f64);
            set(PENDING_REQUESTS, None, waiting as f64);
            set(TRANSACTIONS_OPEN, None, transactions as f64);
            set(OLDEST_AGE, None, oldest.as_secs_f64());
        });
    }
}

impl fmt::Debug for Instruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instruments").field(&self.keys().labels).finish()
    }
}

fn describe(recorder: &dyn Recorder) {
    for (name, text) in HISTOGRAMS {
        recorder.describe_histogram(name.into(), Some(Unit::Seconds), text.into());
    }
    for (name, text) in COUNTERS {
        recorder.describe_counter(name.into(), Some(Unit::Count), text.into());
    }
    for (name, unit, text) in GAUGES {
        recorder.describe_gauge(name.into(), Some(unit), text.into());
    }
}

/// Measures one operation, if it is one, until its end is told.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<(Instant, Option<u8>)>);

/// The time since some moment: the clock is read only if a recorder takes it.
struct Since(Instant);

impl IntoF64 for Since {
    fn into_f64(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

impl Timer {
    /// A statement, or a text of several ones, that was begun some time ago.
    pub(crate) fn of_statement(sql: &str, is_batch: bool, since: impl FnOnce() -> Instant) -> Self {
        Self(Some((since(), if is_batch { number(BATCH) } else { number(first_word(sql)) })))
    }

    /// The end of a transaction.
    pub(crate) fn of_end(is_commit: bool) -> Self {
        Self(Some((Instant::now(), number(if is_commit { COMMIT } else { ROLLBACK }))))
    }

    /// The operation has ended.
    pub(crate) fn end(&mut self, instruments: &Instruments, error: Option<&Error>) {
        let Some((since, operation)) = self.0.take() else { return };
        let keys = instruments.keys();
        let key = operation.and_then(|number| keys.operations.get(usize::from(number))).unwrap_or(&keys.unnamed);
        let Some(error) = error else { return record(key, Since(since)) };
        let mut labels = Vec::new();
        match error.code() {
            Some(code) => {
                labels.extend([Label::new(STATUS_CODE, code.to_owned()), Label::new(ERROR_TYPE, code.to_owned())]);
            }
            None => labels.push(Label::new(ERROR_TYPE, format!("{:?}", error.kind()))),
        }
        record(&key.with_extra_labels(labels), Since(since));
    }

    /// The operation was dropped before its end.
    #[cold]
    pub(crate) fn cancel(&mut self, instruments: &Instruments) {
        if self.0.is_some() {
            self.end(instruments, Some(&Error::new(ErrorKind::Cancelled, "dropped")));
        }
    }
}

/// The number of an operation that is told apart.
fn number(word: &str) -> Option<u8> {
    let found = OPERATIONS.iter().position(|operation| operation.eq_ignore_ascii_case(word))?;
    u8::try_from(found).ok()
}

fn first_word(sql: &str) -> &str {
    let text = sql.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '(');
    let end = text.bytes().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(text.len());
    &text[..end]
}
