//! Secrets in URLs that are not understood, and values of parameters in what servers say. Fault kind: a quoted part of a
//! message that does not stand in the statement's own text is a value.

use std::error::Error as StdError;

use nestling::{Database, Error, ErrorKind, params};

use crate::harness::Backend;

const SECRET: &str = "hunter2";

/// Everything that can be printed of an error without asking for its detail, sources included.
fn printed(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {:?}", error.statement());
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    text
}

/// Texts that are given for a URL, whatever is wrong with them.
const NO_URLS: [&str; 18] = [
    "host=localhost user=u password=hunter2",
    "host=localhost password=hunter2 options=-c:x",
    "password=a:hunter2 host=h",
    "hunter2",
    "hunter2:",
    "u:hunter2@localhost/x",
    "postgres//u:hunter2@localhost:5432/x",
    "Server=h;Uid=u;Pwd=hunter2;",
    "jdbc:postgresql://h/x?user=u&password=hunter2",
    "postgres://u:p?hunter2@localhost:1/x",
    "postgres://u:p?hunter2=1@localhost:1/x",
    "postgres://u:p?x=1&hunter2=1@localhost:1/x",
    "postgres://u:p@s?hunter2=1@localhost:1/x",
    "postgres://u:hunter2@localhost:port/x",
    "postgres://localhost/x?password=hunter2&what=1",
    "mysql://u:p?hunter2=1@localhost:1/x",
    "mysql://u:hunter2?x@localhost:1/x",
    "mysql:u:hunter2@localhost",
];

/// rule 53
#[tokio::test]
async fn what_is_given_for_a_url_is_not_told() {
    for url in NO_URLS {
        let builder = Database::builder(url).connect_timeout(std::time::Duration::from_secs(1));
        assert!(!format!("{builder:?}").contains(SECRET), "{url}: {builder:?}");
        let error = match builder.build() {
            Ok(db) => {
                assert!(!format!("{db:?}").contains(SECRET), "{url}: {db:?}");
                db.connect().await.expect_err("nobody listens there")
            }
            Err(error) => error,
        };
        assert!(!printed(&error).contains(SECRET), "{url}: {}", printed(&error));
    }
    let error = Database::open("host=localhost password=hunter2").expect_err("no URL");
    assert_eq!(error.kind(), ErrorKind::Config);
    let plain = Database::builder("postgres://u:hunter2@db.example:5432/shop?sslmode=disable");
    assert!(format!("{plain:?}").contains("\"postgres://db.example:5432/shop\""), "{plain:?}");
}

async fn schema(backend: &Backend) {
    let make = backend.choose(
        "create table item (id integer primary key, name text unique, words tsvector)",
        "create table item (id integer primary key, name varchar(100) unique)",
        "create table item (id integer primary key, name text unique); create virtual table words using fts5 (word)",
    );
    backend.db.batch(make).await.expect("the schema");
}

const POSTGRES: [&str; 16] = [
    "select to_tsquery($1 || ' &')",
    "select to_tsquery('simple', $1 || ' x')",
    "select ($1::text || '(')::jsonpath",
    "select ($1::text || '((')::jsonpath",
    "select $1::text::regclass",
    "select $1::text::regproc",
    "select $1::text::regtype",
    "select $1::text::regrole",
    "select nextval($1::text::regclass)",
    "select current_setting($1)",
    "select set_config($1, 'x', true)",
    "select has_table_privilege($1, 'select')",
    "select pg_read_file($1)",
    "select pg_get_serial_sequence($1, 'x')",
    "select ts_lexize($1::text::regdictionary, 'x')",
    "select to_tsvector($1::text::regconfig, 'x')",
];

const MYSQL: [&str; 10] = [
    "select extractvalue('<a/>', concat('/', $1, '('))",
    "select updatexml('<a/>', concat($1, '['), 'x')",
    "set session collation_connection = $1",
    "set session character_set_results = $1",
    "set session lc_time_names = $1",
    "set session default_storage_engine = $1",
    "set session tx_isolation = $1",
    "select json_extract('{}', concat('$.', $1, '['))",
    "select st_geomfromtext(concat($1, '('))",
    "select 'x' regexp concat($1, '[')",
];

const SQLITE: [&str; 5] = [
    "select * from words where words match $1 || ' AND'",
    "select * from words where words match $1 || ':x'",
    "attach '/proc/none/' || $1 as x",
    "select json_extract('{}', $1)",
    "select json($1)",
];

test_on! {
    every_backend;

    /// rule 53: messages of every class, not only of those that are about data
    async fn messages_of_the_server_tell_no_values(backend) {
        schema(&backend).await;
        let statements: &[&str] = backend.choose(&POSTGRES[..], &MYSQL[..], &SQLITE[..]);
        let mut failed = 0;
        for sql in statements {
            let Err(error) = backend.db.query(sql, params![SECRET]).await else { continue };
            failed += 1;
            assert!(!printed(&error).contains(SECRET), "{sql}: {}", printed(&error));
            assert!(error.to_string().len() > 5, "{sql}: {error}");
        }
        assert!(failed > statements.len() / 2, "{failed} of {} have failed", statements.len());
    }

    /// What stands in the statement, and what the schema is made of, is told as it was
    async fn messages_of_the_server_tell_names(backend) {
        schema(&backend).await;
        let db = &backend.db;
        db.execute("insert into item (id, name) values (1, 'x')", ()).await.expect("an item");
        for (sql, name) in [
            ("select * from no_such_table", "no_such_table"),
            ("select no_such_column from item", "no_such_column"),
            ("insert into item (id, name) values (1, 'y')", backend.choose("item_pkey", "PRIMARY", "item.id")),
            ("insert into item (id, name) values (2, 'x')", backend.choose("item_name_key", "name", "item.name")),
            ("select id from item x y", "y"),
        ] {
            let error = db.execute(sql, ()).await.expect_err(sql);
            assert!(error.to_string().contains(name), "{sql}: {error}");
        }
    }
}
