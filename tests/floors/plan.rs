//! The plan that the sources are held against: the floor of each room, and the place of each foreign crate.

/// The floor of each room. A file or folder of `src` that is not named here has no place.
pub(crate) const FLOORS: &[(&str, u32)] = &[
    ("data", 0),
    ("sql", 0),
    ("transaction", 0),
    ("error", 0),
    ("detach_on_drop", 0),
    ("primitives", 0),
    ("revocable", 0),
    ("waiters", 0),
    ("driver", 1),
    ("instruments", 1),
    ("runtime", 1),
    ("pool", 2),
    ("session", 3),
    ("db", 4),
    ("model", 5),
    ("tower", 5),
    ("sync", 6),
    ("testing", 6),
    ("guide", 6),
    ("lib", 7),
];

/// The one file whose imports may close a circle among the files of its room: `trait Model` has the constructors of statements,
/// which are about models.
pub(crate) const CONSTRUCTORS: &str = "src/model/table/model.rs";

/// Where a foreign crate may be named, as the beginnings of paths below `src`. A crate that is not here has no place yet.
pub(crate) const FOREIGN: &[(&str, &[&str])] = &[
    ("bb8", &["pool/connection.rs"]),
    ("bytes", &["driver/postgres/"]),
    ("chrono", &["data/crates/", "data/interval.rs", "data/iso.rs", "db/migrations.rs"]),
    (
        "futures_util",
        &[
            "db/",
            "driver/",
            "model/query/model_stream.rs",
            "detach_on_drop.rs",
            "pool/",
            "runtime/",
            "session/",
            "sync/engine.rs",
        ],
    ),
    ("http", &["tower/request_transaction.rs"]),
    ("loom", &["primitives.rs"]),
    ("lru", &["driver/postgres/statement_cache.rs", "driver/mysql/statement_cache.rs"]),
    ("metrics", &["instruments/recorded.rs"]),
    ("mysql_async", &["driver/mysql/", "db/native/mysql.rs", "lib.rs"]),
    ("nestling_derive", &["lib.rs", "model/mod.rs"]),
    ("pin_project", &["driver/mysql/stall_detector.rs", "runtime/clock.rs", "runtime/scope.rs", "session/scope.rs"]),
    ("postgres_types", &["driver/postgres/"]),
    ("proptest", &[]),
    ("refinery_core", &["db/migrations.rs", "lib.rs"]),
    ("rusqlite", &["driver/sqlite/", "db/native/sqlite.rs", "lib.rs"]),
    ("rust_decimal", &["data/crates/"]),
    (
        "rustls",
        &[
            "driver/certificates.rs",
            "driver/mysql/connector.rs",
            "driver/mysql/fallback.rs",
            "driver/self_signed.rs",
            "driver/postgres/tls_connector.rs",
            "driver/postgres/verifier.rs",
        ],
    ),
    ("rustls_native_certs", &["driver/certificates.rs"]),
    ("sea_query", &["db/portable.rs", "lib.rs"]),
    (
        "serde",
        &[
            "data/crates/",
            "data/json.rs",
            "driver/postgres/encode.rs",
            "model/derived_reads.rs",
            "model/expr/json.rs",
            "model/table/",
        ],
    ),
    (
        "serde_json",
        &["data/crates/", "data/json.rs", "data/value.rs", "driver/mysql/param_type.rs", "driver/postgres/", "model/"],
    ),
    ("slab", &["session/registry.rs"]),
    ("smallvec", &["transaction/control.rs", "driver/postgres/", "driver/sqlite/", "model/", "runtime/"]),
    ("socket2", &["driver/postgres/socket.rs"]),
    (
        "tokio",
        &["db/database.rs", "db/listen.rs", "driver/", "detach_on_drop.rs", "pool/", "runtime/", "session/", "sync/"],
    ),
    ("tokio_postgres", &["driver/postgres/", "db/native/postgres.rs", "lib.rs"]),
    ("tokio_postgres_rustls", &["driver/postgres/tls_connector.rs"]),
    ("tower_layer", &["tower/"]),
    ("tower_service", &["tower/"]),
    ("webpki_roots", &["driver/postgres/tls_connector.rs"]),
    ("tracing", &["db/native/", "driver/", "detach_on_drop.rs", "pool/", "runtime/", "session/", "tower/"]),
    ("uuid", &["data/crates/"]),
    ("nestling", &[]),
];
