//! Values without the crates of types: what needs one is an error that names its feature, and all else is as ever. Built without the
//! features `chrono`, `uuid`, `rust_decimal` and `serde_json`, by `.ci/run`; with one of them there is nothing in it.
#![cfg(not(any(feature = "chrono", feature = "uuid", feature = "rust_decimal", feature = "serde_json")))]
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{env, time::Duration};

use nestling::{
    Database, Dialect, ErrorKind, Model, Params, Query, Result, Row, Value, create_tables,
    model::{ColumnType, Field},
    params,
    query::{Document, functions::row},
    types::{Cell, FromCell, Mismatch},
};

fn at(variable: &str) -> Database {
    let url = env::var(variable).unwrap_or_else(|_| panic!("{variable} is missing: tests/run.sh sets it"));
    // Tables of one connection, which are gone with it.
    Database::builder(&url).max_connections(1).build().unwrap()
}

/// Runs tests on all of them.
macro_rules! on_every {
    ($($test:ident)+) => {$(
        mod $test {
            #[tokio::test]
            async fn sqlite() {
                super::super::$test(nestling::Database::open("sqlite::memory:").unwrap()).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::super::$test(super::super::at("NESTLING_POSTGRES_URL")).await;
            }

            #[tokio::test]
            async fn mariadb() {
                super::super::$test(super::super::at("NESTLING_MYSQL_URL")).await;
            }

            #[tokio::test]
            async fn mysql9() {
                super::super::$test(super::super::at("NESTLING_MYSQL9_URL")).await;
            }
        }
    )+};
}

mod on {
    on_every! {
        a_column_is_an_error_that_names_the_feature
        what_needs_no_crate_is_read_from_such_columns
        whole_decimals_are_integers
        lists_of_any_length_are_found
        paths_into_documents_need_no_crate
    }
}

/// A value in SQL, and the feature that its type needs.
fn typed(dialect: Dialect) -> &'static [(&'static str, &'static str)] {
    match dialect {
        Dialect::Postgres => &[
            ("date '2024-05-06'", "chrono"),
            ("date 'infinity'", "chrono"),
            ("time '07:08:09'", "chrono"),
            ("timestamp '2024-05-06 07:08:09'", "chrono"),
            ("timestamptz '2024-05-06 07:08:09+00'", "chrono"),
            ("array[date '2024-05-06']", "chrono"),
            ("uuid '00000000-0000-0000-0000-000000000007'", "uuid"),
            ("1.50", "rust_decimal"),
            ("1e30::numeric", "rust_decimal"),
            ("5.0", "rust_decimal"),
            ("jsonb '[1]'", "serde_json"),
        ],
        Dialect::Mysql => &[
            ("date '2024-05-06'", "chrono"),
            ("time '07:08:09'", "chrono"),
            ("timestamp '2024-05-06 07:08:09'", "chrono"),
            ("utc_timestamp()", "chrono"),
            ("cast('1.50' as decimal(9, 2))", "rust_decimal"),
            ("cast('1e30' as decimal(40, 0))", "rust_decimal"),
            ("1 / 3", "rust_decimal"),
        ],
        // SQLite has text for all of it.
        _ => &[],
    }
}

/// The value alone, and beside a parameter: MySQL sends the one as text and the other in binary.
async fn both(db: &Database, value: &str) -> [Row; 2] {
    let plain = db.query_one(&format!("select {value} as it"), params![]).await.unwrap();
    let mark = if db.dialect() == Dialect::Postgres { "$1::int4" } else { "?" };
    [plain, db.query_one(&format!("select {value} as it, {mark}"), params![7]).await.unwrap()]
}

// rule 73
async fn a_column_is_an_error_that_names_the_feature(db: Database) {
    for (value, feature) in typed(db.dialect()) {
        for row in both(&db, value).await {
            let as_float = (*feature == "rust_decimal").then(|| row.get::<f64>(0).map(drop));
            let as_value = [row.get::<Value>(0).map(drop), row.get::<Option<Value>>("it").map(drop)];
            for error in as_value.into_iter().chain(as_float) {
                let error = error.unwrap_err();
                let told = [r#"column "it""#.to_owned(), format!("nestling's feature `{feature}` is not on")];
                assert_eq!(error.kind(), ErrorKind::Decode, "{value}");
                assert!(told.iter().all(|part| error.to_string().contains(part)), "{value}: {error}");
            }
        }
    }
}

// rule 73
async fn what_needs_no_crate_is_read_from_such_columns(db: Database) {
    for (value, _) in typed(db.dialect()) {
        for row in both(&db, &format!("nullif({value}, {value})")).await {
            assert_eq!((row.get::<Value>(0).unwrap(), row.get::<Option<String>>(0).unwrap()), (Value::Null, None));
        }
        let text = if db.dialect() == Dialect::Postgres { "text" } else { "char" };
        for row in both(&db, &format!("cast({value} as {text})")).await {
            assert!(!row.get::<String>(0).unwrap().is_empty(), "{value}");
        }
    }
    let json = match db.dialect() {
        Dialect::Postgres => "json '[1]'",
        Dialect::Mysql => "json_array(1)",
        _ => "json('[1]')",
    };
    for row in both(&db, json).await {
        assert_eq!(row.get::<String>(0).unwrap(), "[1]");
    }
    if db.dialect() == Dialect::Sqlite {
        db.batch("create table day (day date, amount decimal, id uuid)").await.unwrap();
        db.execute("insert into day values ('2024-05-06', 'x1.5', '7')", params![]).await.unwrap();
        let row = db.query_one("select day, amount, id from day", params![]).await.unwrap();
        assert_eq!(row.get::<Value>(0).unwrap(), Value::Text("2024-05-06".into()));
        assert_eq!(row.get::<String>(1).unwrap(), "x1.5");
    }
    if db.dialect() == Dialect::Postgres {
        let row = db
            .query_one("select interval '1 day 0.5 s', interval '-1 s', interval '1 month'", params![])
            .await
            .unwrap();
        assert_eq!(row.get::<Duration>(0).unwrap(), Duration::from_millis(86_400_500));
        assert!(row.get::<Duration>(1).is_err() && row.get::<Duration>(2).is_err());
    }
}

/// The tables are made anew: a server may have them from a test that was stopped.
async fn table<M: Model>(db: &Database) {
    db.batch(&format!("drop table if exists {}", M::TABLE.name)).await.unwrap();
    create_tables(db, &[M::TABLE]).await.unwrap();
}

#[derive(Model)]
#[model(table = "without_types_score")]
struct Score {
    id: i64,
    points: i64,
}

// rule 73
async fn whole_decimals_are_integers(db: Database) {
    table::<Score>(&db).await;
    let insert = |id: i64, points: i64| [Score::ID.set(id), Score::POINTS.set(points)];
    Score::insert_many([insert(1, 3), insert(2, -10)]).run_on(&db).await.unwrap();
    let sums = Score::select().columns((Score::POINTS.sum(), Score::POINTS.avg()));
    assert_eq!(sums.one(&db).await.unwrap(), (Some(-7), Some(-3.5)));
    for row in both(&db, "(select sum(points) from without_types_score)").await {
        assert_eq!((row.get::<i64>(0).unwrap(), row.get::<Value>(0).unwrap()), (-7, Value::I64(-7)));
    }
    if db.dialect() != Dialect::Sqlite {
        for row in both(&db, "cast('18446744073709551615' as decimal(20, 0))").await {
            assert_eq!(row.get::<u64>(0).unwrap(), u64::MAX);
        }
        for row in both(&db, "cast('10000' as decimal(20, 0))").await {
            assert_eq!(row.get::<i32>(0).unwrap(), 10_000);
        }
    }
}

#[derive(Model)]
#[model(table = "without_types_name")]
struct Name {
    id: i64,
    text: String,
}

/// More than any back end takes as parameters of their own.
const MANY: i64 = 12_000;

// rule 73
async fn lists_of_any_length_are_found(db: Database) {
    table::<Name>(&db).await;
    let names = ["it's", "a \"b\" \\ c", "\u{1}\n\t", "é€😀"];
    let rows = (1_i64..).zip(names).map(|(id, name)| [Name::ID.set(id), Name::TEXT.set(name)]);
    Name::insert_many(rows).run_on(&db).await.unwrap();
    assert_eq!(Name::select().filter(Name::ID.in_((2..MANY).collect::<Vec<_>>())).count(&db).await.unwrap(), 3);
    let all: Vec<_> = (0..MANY).map(|at| format!("none {at}")).chain(names.map(String::from)).collect();
    assert_eq!(Name::select().filter(Name::TEXT.in_(all.clone())).count(&db).await.unwrap(), 4);
    let rows = (0..MANY).zip(all).chain([(2, names[1].to_owned())]);
    assert_eq!(Name::select().filter(row((Name::ID, Name::TEXT)).in_(rows)).count(&db).await.unwrap(), 1);
}

/// A document that is kept as its text.
struct Raw(String);

impl<'r> FromCell<'r> for Raw {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        String::from_cell(cell).map(Self)
    }
}

impl Field for Raw {
    const TYPE: ColumnType = ColumnType::Json;

    fn to_value(&self) -> Value {
        Value::from(&self.0)
    }
}

impl From<Raw> for Value {
    fn from(raw: Raw) -> Self {
        raw.0.into()
    }
}

impl Document for Raw {}

#[derive(Model)]
#[model(table = "without_types_note")]
struct Note {
    id: i64,
    body: Raw,
}

// rule 73
async fn paths_into_documents_need_no_crate(db: Database) {
    table::<Note>(&db).await;
    let body = Raw(r#"{"a \"b\" \\": {"ä": ["x", "y"]}}"#.into());
    Note::insert([Note::ID.set(1), Note::BODY.set(body)]).run_on(&db).await.unwrap();
    let part = Note::BODY.text_at((r#"a "b" \"#, "ä", 1));
    assert_eq!(Note::select().columns(part).one(&db).await.unwrap().as_deref(), Some("y"));
    assert!(Note::select().filter(Note::BODY.has_key(r#"a "b" \"#)).exists(&db).await.unwrap());
    let contains = Note::select().filter(Note::BODY.contains_json([1])).count(&db).await.unwrap_err();
    let (kind, missing) = match db.dialect() {
        Dialect::Sqlite => (ErrorKind::Unsupported, "SQLite"),
        _ => (ErrorKind::Parameter, "nestling's feature `serde_json` is not on"),
    };
    assert_eq!(contains.kind(), kind);
    assert!(contains.to_string().contains(missing), "{contains}");
}

// rule 73: the server parses what no crate does
#[tokio::test]
async fn text_and_bytes_are_taken_for_uuids_and_documents() {
    let db = at("NESTLING_POSTGRES_URL");
    let text = "00000000-0000-0000-0000-000000000007";
    let one: bool = get(&db, "select $1::uuid = $2::text::uuid", params![text, text]).await.unwrap();
    let bytes: bool =
        get(&db, "select $1::uuid = $2::text::uuid", params![7_u128.to_be_bytes().to_vec(), text]).await.unwrap();
    let array: bool = get(&db, "select $2::text::uuid = any($1::uuid[])", params![vec![text], text]).await.unwrap();
    let json: String = get(&db, "select $1::jsonb ->> 'a'", params![r#"{"a": "b"}"#]).await.unwrap();
    assert_eq!((one, bytes, array, json.as_str()), (true, true, true, "b"));
    let error = get::<bool>(&db, "select $1::uuid is null", params!["x"]).await.unwrap_err();
    assert!(error.sqlstate() == Some("22P02"), "{error:?}");
    let error = get::<bool>(&db, "select $1::uuid is null", params![vec![7_u8]]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Parameter);
}

async fn get<T: for<'r> FromCell<'r>>(db: &Database, sql: &str, params: Params) -> Result<T> {
    db.query_one(sql, params).await?.get(0)
}

// An index in another order would be broken.
#[tokio::test]
async fn sqlite_has_no_order_of_decimals() {
    let db = Database::open("sqlite::memory:").unwrap();
    let error = db.batch("create table price (amount text collate decimal); select amount from price order by 1").await;
    assert!(error.unwrap_err().to_string().contains("no such collation sequence"));
}
