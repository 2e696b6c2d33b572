//! Values there and back: every type of Rust that each back end can keep, through a real column, and NULL apart from all.

use std::fmt::Debug;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};
use nestling::{
    Dialect, Error, ErrorKind, Value, params,
    types::{FromCell, Json},
};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use crate::harness::Backend;

/// The table that holds one column of each type, in the words of the back end.
async fn with_things(backend: Backend) -> Backend {
    let sql = if backend.is_postgres() {
        "create table thing (
            id integer primary key, small smallint, mid integer, big bigint, single real, wide double precision,
            yes boolean, name text, raw bytea, day date, clock time, at timestamp, moment timestamptz, tag uuid,
            doc jsonb, plain json, price numeric, exact numeric)"
    } else if backend.is_mysql() {
        // A DECIMAL there has one scale for all rows, so what keeps its own is text.
        "create table thing (
            id integer primary key, small smallint, mid integer, big bigint, single float, wide double,
            yes boolean, name longtext collate utf8mb4_bin, raw longblob, day date, clock time(6), at datetime(6),
            moment timestamp(6) null, tag char(36), doc json, plain json, price varchar(64), exact decimal(38, 10))"
    } else {
        "create table thing (
            id integer primary key, small integer, mid integer, big integer, single real, wide real,
            yes boolean, name text, raw blob, day text, clock text, at text, moment text, tag text,
            doc text, plain text, price text, exact text)"
    };
    backend.db.batch(sql).await.expect("the table of the test");
    backend
}

/// Stores a value in a column, reads it back as its own type, and as `Option` of it; then NULL in its place.
async fn there_and_back<T>(backend: &Backend, column: &str, value: T)
where
    T: for<'r> FromCell<'r> + Into<Value> + Clone + PartialEq + Debug,
{
    let db = &backend.db;
    db.execute("delete from thing", ()).await.unwrap();
    let insert = format!("insert into thing (id, {column}) values (1, $1)");
    assert_eq!(db.execute(&insert, params![value.clone()]).await.expect(column), 1, "{column}");
    let select = format!("select {column} as it from thing where id = $1");
    let row = db.query_one(&select, params![1]).await.expect(column);
    assert_eq!(row.get::<T>("it").expect(column), value, "{column}");
    assert_eq!(row.get::<Option<T>>(0).expect(column), Some(value.clone()), "{column}");
    let found = format!("select count(*) from thing where {column} = $1");
    // On MySQL text is not compared with what a JSON column holds.
    if column != "plain" && !(column == "doc" && backend.is_mysql()) {
        let found: i64 = db.query_one(&found, params![value.clone()]).await.expect(column).get(0).unwrap();
        // NaN and infinities compare by rules of their own.
        assert!(found == 1 || value != value.clone(), "{column}: {value:?} is equal to itself at the server");
    }
    let update = format!("update thing set {column} = $1");
    db.execute(&update, params![None::<T>]).await.expect(column);
    let row = db.query_one(&select, params![1]).await.expect(column);
    assert_eq!(row.get::<Option<T>>(0).expect(column), None, "{column}");
    let error = row.get::<T>(0).expect_err("NULL needs an Option");
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().starts_with("column \"it\" is NULL, which Option<"), "{error}");
}

fn at() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2024, 2, 29).unwrap().and_hms_micro_opt(23, 59, 58, 123_456).unwrap()
}

test_on! {
    every_backend;

    /// rule 73
    async fn numbers_and_booleans_come_back_as_they_went(backend) {
        let backend = with_things(backend).await;
        for value in [i16::MIN, -1, 0, i16::MAX] {
            there_and_back(&backend, "small", value).await;
        }
        for value in [i8::MIN, i8::MAX] {
            there_and_back(&backend, "small", value).await;
        }
        there_and_back(&backend, "small", u8::MAX).await;
        there_and_back(&backend, "mid", i32::MIN).await;
        there_and_back(&backend, "mid", u16::MAX).await;
        there_and_back(&backend, "big", u32::MAX).await;
        there_and_back(&backend, "big", i64::MIN).await;
        there_and_back(&backend, "big", i64::MAX).await;
        there_and_back(&backend, "big", i64::MAX as u64).await;
        there_and_back(&backend, "big", usize::MIN).await;
        there_and_back(&backend, "single", 0.1_f32).await;
        there_and_back(&backend, "single", f32::MIN_POSITIVE).await;
        there_and_back(&backend, "wide", 0.1_f64).await;
        there_and_back(&backend, "wide", f64::MAX).await;
        if backend.is_mysql() {
            // It has neither NaN nor infinity.
            let sql = "insert into thing (id, wide) values (2, $1)";
            let error = backend.db.execute(sql, params![f64::NEG_INFINITY]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Parameter);
        } else {
            there_and_back(&backend, "wide", f64::NEG_INFINITY).await;
        }
        there_and_back(&backend, "yes", true).await;
        there_and_back(&backend, "yes", false).await;
    }
}

test_on! {
    every_backend;

    /// rule 73
    async fn text_and_bytes_come_back_as_they_went(backend) {
        let backend = with_things(backend).await;
        for text in ["", "NULL", "O'Neill \\ \"quoted\"", "日本語 🎬 e\u{301}", "line\nbreak\tand \u{1}"] {
            there_and_back(&backend, "name", text.to_owned()).await;
        }
        there_and_back(&backend, "name", "long ".repeat(200_000)).await;
        there_and_back(&backend, "raw", (0..=255_u8).collect::<Vec<u8>>()).await;
        there_and_back(&backend, "raw", Vec::<u8>::new()).await;
        there_and_back(&backend, "raw", vec![b'\\'; 3]).await;
    }
}

test_on! {
    every_backend;

    /// rule 73
    async fn dates_times_and_moments_come_back_as_they_went(backend) {
        let backend = with_things(backend).await;
        for (year, month, day) in [(1, 1, 1), (1969, 12, 31), (2000, 1, 1), (2024, 2, 29), (9999, 12, 31)] {
            let day = NaiveDate::from_ymd_opt(year, month, day).unwrap();
            there_and_back(&backend, "day", day).await;
            there_and_back(&backend, "at", day.and_time(at().time())).await;
            // MySQL's moments, unlike its dates, are those of 32 bits.
            if !backend.is_mysql() || (1970..2038).contains(&year) {
                there_and_back(&backend, "moment", day.and_hms_opt(0, 0, 0).unwrap().and_utc()).await;
            }
        }
        there_and_back(&backend, "clock", NaiveTime::MIN).await;
        there_and_back(&backend, "clock", at().time()).await;
        there_and_back(&backend, "clock", NaiveTime::from_hms_micro_opt(23, 59, 59, 999_999).unwrap()).await;
        there_and_back(&backend, "moment", at().and_utc()).await;
        let east = "2024-05-06T01:30:00+05:30".parse::<DateTime<chrono::FixedOffset>>().unwrap();
        let db = &backend.db;
        db.execute("update thing set moment = $1", params![east]).await.unwrap();
        let back: DateTime<Utc> = db.query_one("select moment from thing", ()).await.unwrap().get(0).unwrap();
        assert_eq!(back, east, "a moment is the same one in whatever zone it was given");
        assert_eq!(back.hour(), 20);
    }
}

test_on! {
    every_backend;

    /// rule 73
    async fn uuids_decimals_and_json_come_back_as_they_went(backend) {
        let backend = with_things(backend).await;
        there_and_back(&backend, "tag", Uuid::nil()).await;
        there_and_back(&backend, "tag", Uuid::new_v4()).await;
        for text in ["0", "-0.01", "1.50", "79228162514264337593543950335", "0.0000000000000000000000000001", "10000"] {
            let decimal = Decimal::from_str_exact(text).unwrap();
            there_and_back(&backend, "price", decimal).await;
            let sql = "update thing set price = $1 where id = 1";
            backend.db.execute(sql, params![decimal]).await.unwrap();
            let back: Decimal = backend.db.query_one("select price from thing", ()).await.unwrap().get(0).unwrap();
            assert_eq!(back.to_string(), text, "the scale is kept");
        }
        for text in ["1.50", "-0.01", "9999999999999999999999999999"] {
            there_and_back(&backend, "exact", Decimal::from_str_exact(text).unwrap()).await;
        }
        let document = json!({"a": [1, 2.5, null, true], "ü\"": {"nested": "\u{1F3AC}"}, "big": 9_007_199_254_740_993_i64});
        there_and_back(&backend, "doc", document.clone()).await;
        there_and_back(&backend, "plain", document).await;
    }
}

test_on! {
    every_backend;

    /// rule 73
    async fn json_null_is_not_sql_null(backend) {
        let backend = with_things(backend).await;
        let db = &backend.db;
        let sql = "insert into thing (id, doc) values (1, $1), (2, $2)";
        db.execute(sql, params![json!(null), None::<serde_json::Value>]).await.unwrap();
        let rows = db.query("select doc, doc is null as missing from thing order by id", ()).await.unwrap();
        assert_eq!(rows[0].get::<Option<serde_json::Value>>("doc").unwrap(), Some(json!(null)));
        assert!(!rows[0].get::<bool>("missing").unwrap());
        assert_eq!(rows[1].get::<Option<serde_json::Value>>("doc").unwrap(), None);
        assert!(rows[1].get::<bool>("missing").unwrap());
        assert_eq!(rows[1].get::<serde_json::Value>("doc").unwrap_err().kind(), ErrorKind::Decode);
    }
}

test_on! {
    every_backend;

    /// rule 73: also where the type itself may be JSON's null, and in a `json` of PostgreSQL as in its `jsonb`
    async fn none_in_json_is_not_none_of_json(backend) {
        let backend = with_things(backend).await;
        let db = &backend.db;
        for column in ["doc", "plain"] {
            db.execute("delete from thing", ()).await.unwrap();
            let sql = format!("insert into thing (id, {column}) values (1, $1), (2, $2), (3, $3)");
            let given = params![Json(Some(7)), Json(None::<i32>), None::<Json<Option<i32>>>];
            assert_eq!(db.execute(&sql, given).await.unwrap(), 3);
            let sql = format!("select {column}, {column} is null from thing order by id");
            let rows = db.query(&sql, ()).await.unwrap();
            type Read = (Option<Json<Option<i32>>>, bool);
            let read: Vec<Read> = rows.iter().map(|row| row.to().unwrap()).collect();
            assert_eq!(read, [(Some(Json(Some(7))), false), (Some(Json(None)), false), (None, true)], "{column}");
            assert_eq!(rows[1].get::<Json<Option<i32>>>(0).unwrap(), Json(None));
            let error = rows[2].get::<Json<Option<i32>>>(0).unwrap_err();
            assert!(error.to_string().contains("is NULL, which Option<Json<Option<i32>>> can hold"), "{error}");
        }
    }
}

test_on! {
    every_backend;

    /// rule 73
    async fn any_type_of_serde_is_a_json_column(backend) {
        type Minutes = std::collections::BTreeMap<String, (u32, Option<String>)>;
        let backend = with_things(backend).await;
        let db = &backend.db;
        let none = Minutes::new();
        let some = Minutes::from([("Heat".to_owned(), (170, None)), ("\"Ran\"".to_owned(), (210, Some("乱".into())))]);
        for minutes in [none, some] {
            db.execute("delete from thing", ()).await.unwrap();
            db.execute("insert into thing (id, doc) values (1, $1)", params![Json(minutes.clone())]).await.unwrap();
            let row = db.query_one("select doc from thing", ()).await.unwrap();
            assert_eq!(row.get::<Json<Minutes>>(0).unwrap(), Json(minutes));
            let error = row.get::<Json<Vec<i32>>>(0).unwrap_err();
            assert!(error.to_string().contains("holds no valid Json<Vec<i32>>"), "{error}");
            assert!(!format!("{error:?}").contains("210"), "{error:?}");
        }
    }
}

test_on! {
    every_backend;

    /// rule 73: what a column holds may be read as any type that holds it whole, and as no other
    async fn reading_widens_and_never_narrows(backend) {
        let backend = with_things(backend).await;
        let db = &backend.db;
        let sql = "insert into thing (id, big, wide, name, price) values (1, $1, $2, $3, $4)";
        let price = Decimal::from_str_exact("12.00").unwrap();
        db.execute(sql, params![i64::from(i32::MAX) + 1, 0.1, "Heat", price]).await.unwrap();
        let row = db.query_one("select big, wide, name, price, id from thing", ()).await.unwrap();
        assert_eq!(row.get::<u32>("big").unwrap(), 1 << 31);
        assert_eq!(row.get::<f64>("big").unwrap(), f64::from(1_u32 << 31));
        assert_eq!(row.get::<Decimal>("big").unwrap(), Decimal::from(1_i64 << 31));
        assert_eq!(row.get::<Decimal>("wide").unwrap().to_string(), "0.1");
        let (big, double) = match db.dialect() {
            Dialect::Postgres => ("int8", "float8"),
            Dialect::Mysql => ("bigint", "double"),
            _ => ("INTEGER", "REAL"),
        };
        let refusal = |error: Error| {
            assert_eq!(error.kind(), ErrorKind::Decode);
            error.to_string()
        };
        let told = refusal(row.get::<i32>("big").unwrap_err());
        assert_eq!(told.to_lowercase(), format!("column \"big\" of type {big} does not fit into i32").to_lowercase());
        let told = refusal(row.get::<f32>("wide").unwrap_err());
        assert_eq!(told.to_lowercase(), format!("column \"wide\" of type {double} does not fit into f32").to_lowercase());
        let told = refusal(row.get::<i64>("name").unwrap_err());
        assert_eq!(told.to_lowercase(), "column \"name\" of type text cannot be read as i64");
        let told = refusal(row.get::<bool>("big").unwrap_err());
        assert!(told.contains("does not fit into bool"), "{told}");
        let told = refusal(row.get::<Vec<u8>>("name").unwrap_err());
        assert!(told.contains("cannot be read as Vec<u8>"), "{told}");
        refusal(row.get::<i64>("wide").unwrap_err());
        refusal(row.get::<String>("id").unwrap_err());
        refusal(row.get::<NaiveDate>("name").unwrap_err());
        refusal(row.get::<Uuid>("name").unwrap_err());
    }
}
