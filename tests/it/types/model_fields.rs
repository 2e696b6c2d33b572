//! Every type of field there and back through a derived model, on every back end, with its extremes and as NULL.

use std::fmt::Debug;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use nestling::{Database, ForeignKey, Model, Query as _, Value, create_tables, model::TextEnum, params, types::Json};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::harness::Backend;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
#[text_enum(rename_all = "snake_case")]
enum State {
    New,
    InProgress,
    #[text_enum(rename = "It's done")]
    Done,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Meta {
    note: String,
    scores: Vec<f64>,
}

/// One field of every type that each database can have.
#[derive(Debug, Clone, PartialEq, Model)]
struct Thing {
    id: i64,
    yes: bool,
    tiny: i8,
    small: i16,
    mid: i32,
    big: i64,
    byte: u8,
    short: u16,
    int: u32,
    wide: u64,
    single: f32,
    double: f64,
    price: Decimal,
    name: String,
    #[model(max_length = 10)]
    word: String,
    bytes: Vec<u8>,
    day: NaiveDate,
    clock: NaiveTime,
    local: NaiveDateTime,
    moment: DateTime<Utc>,
    zoned: DateTime<FixedOffset>,
    tag: Uuid,
    doc: serde_json::Value,
    meta: Json<Meta>,
    state: State,
}

/// The same, where all may be NULL.
#[derive(Debug, Clone, PartialEq, Model)]
struct Maybe {
    id: i64,
    yes: Option<bool>,
    small: Option<i16>,
    mid: Option<i32>,
    big: Option<i64>,
    wide: Option<u64>,
    single: Option<f32>,
    double: Option<f64>,
    price: Option<Decimal>,
    name: Option<String>,
    bytes: Option<Vec<u8>>,
    day: Option<NaiveDate>,
    clock: Option<NaiveTime>,
    local: Option<NaiveDateTime>,
    moment: Option<DateTime<Utc>>,
    tag: Option<Uuid>,
    doc: Option<serde_json::Value>,
    meta: Option<Json<Meta>>,
    state: Option<State>,
    thing: Option<ForeignKey<Thing>>,
}

/// What PostgreSQL alone has.
#[derive(Debug, Clone, PartialEq, Model)]
struct Lists {
    id: i64,
    bools: Vec<bool>,
    numbers: Vec<i64>,
    prices: Vec<Decimal>,
    words: Vec<String>,
    perhaps: Vec<Option<String>>,
    blobs: Vec<Vec<u8>>,
    days: Option<Vec<NaiveDate>>,
    moments: Vec<DateTime<Utc>>,
    tags: Vec<Uuid>,
    docs: Vec<serde_json::Value>,
}

/// Stores a row by its own values, as an insert does.
async fn store<M: Model>(db: &Database, row: &M) -> nestling::Result<()> {
    let quote = if db.dialect() == nestling::Dialect::Mysql { "`" } else { "\"" };
    let columns: Vec<String> = M::TABLE.columns.iter().map(|column| format!("{quote}{}{quote}", column.name)).collect();
    let marks: Vec<String> = (1..=columns.len()).map(|number| format!("${number}")).collect();
    let sql = format!("insert into {} ({}) values ({})", M::TABLE.name, columns.join(", "), marks.join(", "));
    let values: Vec<Value> = (0..columns.len()).map(|column| row.value(column)).collect();
    db.execute(&sql, values).await.map(|_| ())
}

/// Stores rows, and reads them back by position, and by name in another order.
async fn there_and_back<M: Model + PartialEq + Debug>(db: &Database, rows: &[M]) {
    create_tables(db, &[M::TABLE]).await.expect("the table");
    for row in rows {
        store(db, row).await.unwrap_or_else(|error| panic!("{row:?}: {error:?}"));
    }
    let (sql, _) = M::select().sql(db.dialect()).expect("the query");
    let back = db.query(&format!("{sql} order by id"), params![]).await.expect("the rows");
    assert_eq!(back.iter().map(|row| M::read(row, 0).expect("a row")).collect::<Vec<_>>(), rows);
    assert_eq!(back.iter().map(|row| row.to::<M>().expect("a row")).collect::<Vec<_>>(), rows);
    let quote = if db.dialect() == nestling::Dialect::Mysql { "`" } else { "\"" };
    let columns = M::TABLE.columns.iter().rev().map(|column| format!("{quote}{}{quote}", column.name));
    let turned =
        format!("select 7 as more, {} from {} order by id", columns.collect::<Vec<_>>().join(", "), M::TABLE.name);
    let back = db.query(&turned, params![]).await.expect("the rows");
    assert_eq!(back.iter().map(|row| row.to::<M>().expect("a row")).collect::<Vec<_>>(), rows);
}

fn ordinary(id: i64) -> Thing {
    let day = NaiveDate::from_ymd_opt(2024, 2, 29).expect("a leap year");
    let local = day.and_hms_micro_opt(23, 59, 58, 123_456).expect("a time");
    Thing {
        id,
        yes: true,
        tiny: 1,
        small: 2,
        mid: 3,
        big: 4,
        byte: 5,
        short: 6,
        int: 7,
        wide: 8,
        single: 0.1,
        double: 0.1,
        price: Decimal::from_str_exact("19.90").expect("a number"),
        name: "Łódź 🎬 'quoted' \\ \"twice\" and blanks  ".into(),
        word: "ünf Zeich".into(),
        bytes: (0..=255).collect(),
        day,
        clock: local.time(),
        local,
        moment: local.and_utc(),
        zoned: local.and_utc().fixed_offset(),
        tag: Uuid::from_u128(0x1234_5678_9abc_4ef0_9234_5678_9abc_def0),
        doc: serde_json::json!({"a": [1, 2.5, null, "x"], "b": {"c": true}}),
        meta: Json(Meta { note: "n".into(), scores: vec![1.5, -2.0] }),
        state: State::InProgress,
    }
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("a day")
}

/// The least that each type has where all databases have it too.
fn least() -> Thing {
    let local = day(1, 1, 1).and_time(NaiveTime::MIN);
    Thing {
        yes: false,
        tiny: i8::MIN,
        small: i16::MIN,
        mid: i32::MIN,
        big: i64::MIN,
        byte: 0,
        short: 0,
        int: 0,
        wide: 0,
        single: f32::MIN_POSITIVE,
        double: f64::MIN_POSITIVE,
        price: Decimal::MIN,
        name: String::new(),
        word: String::new(),
        bytes: vec![],
        day: local.date(),
        clock: local.time(),
        local,
        moment: local.and_utc(),
        zoned: local.and_utc().fixed_offset(),
        tag: Uuid::nil(),
        doc: serde_json::Value::Null,
        meta: Json(Meta { note: "\"".into(), scores: vec![] }),
        state: State::New,
        ..ordinary(2)
    }
}

fn most(wide: u64) -> Thing {
    let local = day(9999, 12, 31).and_hms_micro_opt(23, 59, 59, 999_999).expect("a time");
    Thing {
        tiny: i8::MAX,
        small: i16::MAX,
        mid: i32::MAX,
        big: i64::MAX,
        byte: u8::MAX,
        short: u16::MAX,
        int: u32::MAX,
        wide,
        single: f32::MAX,
        double: f64::MAX,
        price: Decimal::MAX,
        name: "long ".repeat(100_000),
        word: "日本語日本語日本語日".into(),
        bytes: vec![0; 300_000],
        day: local.date(),
        clock: local.time(),
        local,
        moment: local.and_utc(),
        zoned: local.and_utc().fixed_offset(),
        tag: Uuid::max(),
        doc: serde_json::json!("a text"),
        state: State::Done,
        ..ordinary(3)
    }
}

test_on! {
    every_backend;

    /// rule 73
    async fn every_type_of_field_comes_back_as_it_went(backend) {
        // SQLite has no integers beyond these, and refuses them.
        let wide = backend.choose(u64::MAX, u64::MAX, i64::MAX as u64);
        there_and_back(&backend.db, &[ordinary(1), least(), most(wide)]).await;
        // The smallest decimal, whose digits are all behind the point.
        let small = Decimal::from_i128_with_scale(1, 28);
        let odd = [Thing { price: small, doc: serde_json::json!(5), ..ordinary(4) }, Thing { price: -small, doc: serde_json::json!("7"), ..ordinary(5) }];
        let db = &backend.db;
        for thing in &odd {
            store(db, thing).await.expect("stored");
            let found = Thing::select().filter(Thing::ID.eq(thing.id)).one(db).await.expect("found");
            assert_eq!(&found, thing);
        }
        let error = store(db, &Thing { word: "elf Zeichen".into(), ..ordinary(6) }).await.expect_err("eleven characters");
        assert!(!error.is_unique_violation(), "{error}");
    }
}

test_on! {
    every_backend;

    /// rule 73
    async fn null_comes_back_as_none_and_apart_from_the_null_of_json(backend) {
        let db = &backend.db;
        create_tables(db, &[Thing::TABLE]).await.expect("the table");
        let thing = ordinary(1);
        store(db, &thing).await.expect("the thing");
        let none = Maybe {
            id: 1, yes: None, small: None, mid: None, big: None, wide: None, single: None, double: None, price: None, name: None,
            bytes: None, day: None, clock: None, local: None, moment: None, tag: None, doc: None, meta: None, state: None, thing: None,
        };
        let some = Maybe {
            id: 2, yes: Some(thing.yes), small: Some(thing.small), mid: Some(thing.mid), big: Some(thing.big), wide: Some(thing.wide),
            single: Some(thing.single), double: Some(thing.double), price: Some(thing.price), name: Some(thing.name.clone()),
            bytes: Some(thing.bytes.clone()), day: Some(thing.day), clock: Some(thing.clock), local: Some(thing.local),
            moment: Some(thing.moment), tag: Some(thing.tag), doc: Some(serde_json::Value::Null), meta: Some(thing.meta.clone()),
            state: Some(thing.state), thing: Some(ForeignKey::to(&thing)),
        };
        there_and_back(db, &[none, some]).await;
        let nulls = Maybe::select().filter(Maybe::DOC.is_null()).all(db).await.expect("one");
        assert_eq!(nulls.iter().map(Model::key).collect::<Vec<_>>(), [1]);
    }
}

test_on! {
    every_backend;

    /// rule 73
    async fn values_are_compared_as_what_they_are(backend) {
        let db = &backend.db;
        create_tables(db, &[Thing::TABLE]).await.expect("the table");
        let prices = ["9.5", "10", "-3", "100.25"];
        for (id, price) in (1..).zip(prices) {
            let price = Decimal::from_str_exact(price).expect("a number");
            let name = if id == 1 { "a" } else { "A" };
            store(db, &Thing { price, name: name.into(), state: State::Done, ..ordinary(id) }).await.expect("stored");
        }
        let ordered = Thing::select().order_by(Thing::PRICE.asc()).columns(Thing::ID).all(db).await.expect("all");
        assert_eq!(ordered, [3, 1, 2, 4], "as numbers, and not as text");
        let nine = Decimal::from_str_exact("9.50").expect("a number");
        let ids = |condition| Thing::select().filter(condition).order_by(Thing::ID.asc()).columns(Thing::ID).all(db);
        assert_eq!(ids(Thing::PRICE.gt(nine)).await.expect("two"), [2, 4]);
        assert_eq!(ids(Thing::PRICE.eq(nine)).await.expect("one"), [1], "equal, whatever its zeros");
        assert_eq!(ids(Thing::NAME.eq("a")).await.expect("one"), [1], "capitals are other letters");
        assert_eq!(ids(Thing::STATE.eq(State::Done)).await.expect("all").len(), 4);
        assert_eq!(ids(Thing::MOMENT.le(ordinary(1).moment) & Thing::ZONED.eq(ordinary(1).zoned)).await.expect("all").len(), 4);
        assert_eq!(ids(Thing::TAG.eq(ordinary(1).tag) & Thing::CLOCK.eq(ordinary(1).clock)).await.expect("all").len(), 4);
        assert_eq!(ids(Thing::DAY.between(day(2024, 1, 1), day(2024, 12, 31))).await.expect("all").len(), 4);
        assert_eq!(ids(Thing::BYTES.eq(&ordinary(1).bytes)).await.expect("all").len(), 4);
        assert_eq!(ids(Thing::WIDE.eq(8_u64) & Thing::DOUBLE.eq(0.1) & Thing::YES.eq(true)).await.expect("all").len(), 4);
    }
}

/// rule 73
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn arrays_come_back_as_they_went() {
    let backend = Backend::postgres().await;
    let thing = ordinary(1);
    let full = Lists {
        id: 1,
        bools: vec![true, false],
        numbers: vec![i64::MIN, i64::MAX],
        prices: vec![thing.price, Decimal::MAX],
        words: vec![String::new(), "NULL".into(), "{\"a,b\\".into()],
        perhaps: vec![None, Some("x".into())],
        blobs: vec![vec![], thing.bytes.clone()],
        days: Some(vec![thing.day]),
        moments: vec![thing.moment],
        tags: vec![thing.tag],
        docs: vec![thing.doc.clone(), serde_json::Value::Null],
    };
    let empty = Lists {
        id: 2,
        bools: vec![],
        numbers: vec![],
        prices: vec![],
        words: vec![],
        perhaps: vec![],
        blobs: vec![],
        days: None,
        moments: vec![],
        tags: vec![],
        docs: vec![],
    };
    there_and_back(&backend.db, &[full, empty]).await;
}
