//! Types that PostgreSQL alone has, and parameters that are fitted to whatever type the server expects.

use std::fmt::Debug;

use chrono::{NaiveDate, NaiveDateTime, Utc};
use nestling::{Database, ErrorKind, Params, Value, params, types::FromCell};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use crate::harness::Backend;

/// Sends a parameter as a type, and reads what the server makes of it.
async fn echo<T: for<'r> FromCell<'r>>(db: &Database, ty: &str, value: impl Into<Value>) -> T {
    let value = value.into();
    let row = db.query_one(&format!("select $1::{ty} as it"), params![value]).await;
    row.expect(ty).get("it").expect(ty)
}

/// What the server itself makes of a parameter, as text.
async fn as_text(db: &Database, ty: &str, value: impl Into<Value>) -> String {
    let value = value.into();
    let row = db.query_one(&format!("select ($1::{ty})::text as it"), params![value]).await;
    row.unwrap_or_else(|error| panic!("{ty}: {error}")).get("it").expect(ty)
}

async fn array<T>(db: &Database, ty: &str, elements: Vec<Option<T>>)
where
    T: for<'r> FromCell<'r> + Into<Value> + Clone + PartialEq + Debug,
{
    let back: Vec<Option<T>> = echo(db, &format!("{ty}[]"), Value::array(elements.clone())).await;
    assert_eq!(back, elements, "{ty}[]");
    let whole: Vec<T> = elements.into_iter().flatten().collect();
    let back: Vec<T> = echo(db, &format!("{ty}[]"), Value::array(whole.clone())).await;
    assert_eq!(back, whole, "{ty}[]");
    assert_eq!(echo::<Vec<T>>(db, &format!("{ty}[]"), Value::array(Vec::<T>::new())).await, []);
    assert_eq!(echo::<Option<Vec<T>>>(db, &format!("{ty}[]"), None::<i32>).await, None);
}

/// rule 73
#[tokio::test]
async fn arrays_of_every_element_type_come_back_as_they_went() {
    let db = Backend::postgres().await.db;
    let day = NaiveDate::from_ymd_opt(2024, 5, 6).unwrap();
    array(&db, "int2", vec![Some(i16::MIN), None, Some(7)]).await;
    array(&db, "int4", vec![Some(i32::MAX), None]).await;
    array(&db, "int8", vec![Some(i64::MIN), Some(0)]).await;
    array(&db, "float4", vec![Some(0.1_f32), None]).await;
    array(&db, "float8", vec![Some(0.1_f64), Some(-1e300)]).await;
    array(&db, "bool", vec![Some(true), None, Some(false)]).await;
    array(&db, "numeric", vec![Some(Decimal::from_str_exact("1.50").unwrap()), None]).await;
    let words = ["", "NULL", "a,b", "{\"x\\", "ü 🎬"];
    array(&db, "text", words.into_iter().map(|word| Some(word.to_owned())).chain([None]).collect()).await;
    array(&db, "varchar", vec![Some(String::from("x"))]).await;
    array(&db, "bytea", vec![Some(vec![0_u8, 255]), None, Some(vec![])]).await;
    array(&db, "date", vec![Some(day), None]).await;
    array(&db, "time", vec![day.and_hms_opt(1, 2, 3).map(|at| at.time()), None]).await;
    array(&db, "timestamp", vec![day.and_hms_micro_opt(1, 2, 3, 4), None]).await;
    array(&db, "timestamptz", vec![day.and_hms_opt(1, 2, 3).map(|at| at.and_utc()), None]).await;
    array(&db, "uuid", vec![Some(Uuid::new_v4()), None]).await;
    array(&db, "jsonb", vec![Some(json!({"a": [null, "\""]})), Some(json!(null)), None]).await;
    array(&db, "json", vec![Some(json!([1]))]).await;
    let row = db.query_one("select array[[1,2],[3,4]] as grid, array[1,null]::int4[] as holed", ()).await.unwrap();
    let told = row.get::<Vec<i32>>("grid").unwrap_err().to_string();
    assert!(told.starts_with("column \"grid\" of type int4[] cannot be read"), "{told}");
    let told = row.get::<Vec<i32>>("holed").unwrap_err().to_string();
    assert!(told.contains("holds an array with a NULL"), "{told}");
}

/// rule 73
#[tokio::test]
async fn enums_domains_and_composites_of_them_are_read_and_written() {
    let db = Backend::postgres().await.db;
    db.batch(
        "create type mood as enum ('sad', 'so so', 'happy'); create domain percent as int2 check (value <= 100);
         create domain title as varchar(20); create domain mood_of_day as mood;
         create table diary (id percent primary key, mood mood, moods mood[], title title, day mood_of_day)",
    )
    .await
    .unwrap();
    let sql = "insert into diary values ($1, $2, $3, $4, $5)";
    let given = params![7_i64, "so so", vec!["sad", "happy"], "Monday", "sad"];
    assert_eq!(db.execute(sql, given).await.unwrap(), 1);
    let row = db.query_one("select * from diary where mood = $1 and id = $2", params!["so so", 7]).await.unwrap();
    let (id, mood, moods, title, day): (u8, String, Vec<String>, String, String) = row.to().unwrap();
    assert_eq!((id, &*mood, &*title, &*day), (7, "so so", "Monday", "sad"));
    assert_eq!(moods, ["sad", "happy"]);
    let told = row.get::<i32>("mood").unwrap_err().to_string();
    assert_eq!(told, "column \"mood\" of type mood cannot be read as i32");
    let error = db.execute(sql, params![40_000, "sad", None::<&str>, "x", "sad"]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Parameter, "parameter $1: i64 does not fit into int2".into())
    );
    let error = db.execute(sql, params![101, "sad", None::<&str>, "x", "sad"]).await.unwrap_err();
    assert!(error.is_check_violation(), "the domain's own check: {error}");
}

/// rule 73
#[tokio::test]
async fn integers_fit_into_whatever_numeric_type_holds_them() {
    let db = Backend::postgres().await.db;
    for ty in ["int2", "int4", "int8", "numeric", "text", "varchar", "float4", "float8", "oid"] {
        assert_eq!(as_text(&db, ty, 1234_i64).await, "1234", "{ty}");
        assert_eq!(as_text(&db, ty, 1234_u64).await, "1234", "{ty}");
    }
    assert_eq!(as_text(&db, "numeric", u64::MAX).await, u64::MAX.to_string());
    assert_eq!(as_text(&db, "text", i64::MIN).await, i64::MIN.to_string());
    assert_eq!(echo::<u64>(&db, "numeric", u64::MAX).await, u64::MAX);
    assert_eq!(as_text(&db, "numeric", 0.1_f64).await, "0.1");
    assert_eq!(as_text(&db, "numeric", 0.1_f32).await, "0.1");
    assert_eq!(as_text(&db, "int4", Decimal::from(7)).await, "7");
    assert_eq!(as_text(&db, "float8", Decimal::from_str_exact("0.1").unwrap()).await, "0.1");
    assert_eq!(as_text(&db, "numeric", f64::NAN).await, "NaN");
    assert!(echo::<f64>(&db, "float8", f64::NAN).await.is_nan());
}

/// rule 73: floats and decimals become the nearest that there is, as by the server's own cast (fault 2.7)
#[tokio::test]
async fn fractions_go_into_a_column_of_less_precision() {
    let db = Backend::postgres().await.db;
    db.batch("create table sample (id int primary key, r real, d double precision)").await.unwrap();
    for (id, text) in (1..).zip(["0.5", "0.1", "0.3333333333333333", "16777217", "-123456.789"]) {
        let (float, decimal): (f64, _) = (text.parse().unwrap(), Decimal::from_str_exact(text).unwrap());
        for value in [Value::from(float), Value::from(decimal)] {
            let sql = "insert into sample values ($1, $2, $3) on conflict (id) do update set r = $2, d = $3";
            db.execute(sql, params![id, value.clone(), value]).await.unwrap_or_else(|error| panic!("{text}: {error}"));
            let sql = "select r = $2::text::real and d = $2::text::double precision from sample where id = $1";
            assert!(db.query_one(sql, params![id, text]).await.unwrap().get::<bool>(0).unwrap(), "{text}");
        }
    }
    for value in [Value::from(0.1), Value::from(Decimal::from_str_exact("0.1").unwrap())] {
        let rows = db.query("select id from sample where r > $1 order by id", params![value]).await.unwrap();
        let ids: Vec<i32> = rows.iter().map(|row| row.get(0).unwrap()).collect();
        assert_eq!(ids, [1, 3, 4], "the column's 0.1 is not greater than 0.1");
    }
}

/// rule 73
#[tokio::test]
async fn text_fits_into_every_type_that_is_written_as_text() {
    let db = Backend::postgres().await.db;
    db.batch("create type mood as enum ('sad', 'happy')").await.unwrap();
    let uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    for (ty, text, told) in [
        ("uuid", uuid, uuid),
        ("date", "2024-05-06", "2024-05-06"),
        ("time", "07:08:09.5", "07:08:09.5"),
        ("timestamp", "2024-05-06 07:08:09", "2024-05-06 07:08:09"),
        ("json", "{\"a\" : 1}", "{\"a\" : 1}"),
        ("jsonb", "{\"a\" : 1}", "{\"a\": 1}"),
        ("mood", "happy", "happy"),
        ("numeric", "1.50", "1.50"),
        ("inet", "10.0.0.1/8", "10.0.0.1/8"),
        ("interval", "1 day 2 hours", "1 day 02:00:00"),
        ("int4", " 42 ", "42"),
        ("float8", "0.5", "0.5"),
        ("bool", "yes", "true"),
        ("int4[]", "{1,2}", "{1,2}"),
        ("int4range", "[1,5)", "[1,5)"),
        ("point", "(1,2)", "(1,2)"),
    ] {
        assert_eq!(as_text(&db, ty, text).await, told, "{ty}");
    }
    assert_eq!(echo::<Uuid>(&db, "uuid", uuid).await.to_string(), uuid);
    assert_eq!(echo::<Decimal>(&db, "numeric", "1.50").await.to_string(), "1.50");
    let many: Vec<Uuid> = echo(&db, "uuid[]", vec![uuid, uuid]).await;
    assert_eq!(many.len(), 2);
    let told = db.query_one("select '10.0.0.1'::inet as host", ()).await.unwrap().get::<String>("host").unwrap_err();
    assert_eq!(told.to_string(), "column \"host\" of type inet cannot be read as String");
    let told = db.query_one("select '(1,2)'::point as place", ()).await.unwrap().get::<String>("place").unwrap_err();
    assert_eq!(
        told.to_string(),
        "column \"place\" of type point cannot be read in its binary form: cast it to text in the SQL"
    );
}

/// rule 73
#[tokio::test]
async fn what_the_server_knows_and_chrono_does_not_is_an_error_and_never_another_day() {
    let db = Backend::postgres().await.db;
    let sql = "select 'infinity'::date as day, '-infinity'::timestamp as at, 'infinity'::timestamptz as moment,
               '24:00:00'::time as clock, 'NaN'::numeric as price, '1e40'::numeric as huge, '0044-03-15 BC'::date as ides";
    let row = db.query_one(sql, ()).await.unwrap();
    for told in [
        row.get::<NaiveDate>("day").unwrap_err(),
        row.get::<NaiveDateTime>("at").unwrap_err(),
        row.get::<chrono::DateTime<Utc>>("moment").unwrap_err(),
        row.get::<chrono::NaiveTime>("clock").unwrap_err(),
        row.get::<Decimal>("price").unwrap_err(),
        row.get::<Decimal>("huge").unwrap_err(),
    ] {
        assert!(told.to_string().contains("does not fit into"), "{told}");
    }
    let ides: NaiveDate = row.get("ides").unwrap();
    assert_eq!(ides.to_string(), "-0043-03-15");
    assert_eq!(as_text(&db, "date", ides).await, "0044-03-15 BC");
}

/// rule 73: a value of a type with a time zone is never taken for one without, nor the other way round
#[tokio::test]
async fn moments_and_local_times_are_not_mixed_up() {
    let db = Backend::postgres().await.db;
    let at = NaiveDate::from_ymd_opt(2024, 5, 6).unwrap().and_hms_opt(7, 8, 9).unwrap();
    for (ty, value) in [("timestamptz", Value::from(at)), ("timestamp", Value::from(at.and_utc()))] {
        let error = db.query(&format!("select $1::{ty}"), Params::from(vec![value])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parameter);
        assert!(error.to_string().starts_with("parameter $1: "), "{error}");
    }
    let row = db.query_one("select $1::timestamptz as moment", params![at.and_utc()]).await.unwrap();
    assert!(row.get::<NaiveDateTime>("moment").is_err());
}
