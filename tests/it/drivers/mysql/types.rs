//! Types on their way to MySQL and MariaDB and back.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use nestling::{Database, ErrorKind, Value, params, types::FromCell};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::value;

/// Stores a value in a column of this type and reads it back.
async fn through<T: for<'r> FromCell<'r>>(db: &Database, column: &str, sent: impl Into<Value>) -> T {
    db.batch(&format!("create or replace table trip (v {column})")).await.ok();
    db.batch(&format!("drop table if exists trip; create table trip (v {column})")).await.expect(column);
    db.execute("insert into trip values ($1)", params![sent.into()])
        .await
        .unwrap_or_else(|error| panic!("{column}: {error:?}"));
    value(db, "select v from trip where v is null or v is not null", params![]).await
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal number")
}

test_on! {
    mysql_and_mariadb;

    /// rule 73: integers of every size, signed and not
    async fn integers_come_back_as_they_were(backend) {
        let db = &backend.db;
        for (column, least, most) in [
            ("tinyint", i64::from(i8::MIN), i64::from(i8::MAX)),
            ("smallint", i64::from(i16::MIN), i64::from(i16::MAX)),
            ("mediumint", -8_388_608, 8_388_607),
            ("int", i64::from(i32::MIN), i64::from(i32::MAX)),
            ("bigint", i64::MIN, i64::MAX),
            ("tinyint unsigned", 0, 255),
            ("smallint unsigned", 0, 65_535),
            ("int unsigned", 0, i64::from(u32::MAX)),
            ("bigint unsigned", 0, i64::MAX),
        ] {
            for sent in [least, most, 1] {
                assert_eq!(through::<i64>(db, column, sent).await, sent, "{column}");
            }
        }
        assert_eq!(through::<u64>(db, "bigint unsigned", u64::MAX).await, u64::MAX);
        assert_eq!(through::<u64>(db, "bigint", i64::MAX as u64).await, i64::MAX as u64);
        assert_eq!(through::<u16>(db, "year", 2024).await, 2024);
        assert_eq!(through::<u64>(db, "bit(64)", u64::MAX).await, u64::MAX);
        assert!(through::<bool>(db, "bit(1)", true).await);
        assert!(through::<bool>(db, "boolean", true).await);
        assert!(!through::<bool>(db, "boolean", false).await);
        let row = db.query_one("select 300, cast(18446744073709551615 as unsigned)", params![]).await.expect("a row");
        assert_eq!(row.get::<u8>(0).expect_err("it does not fit").kind(), ErrorKind::Decode);
        assert_eq!(row.get::<i64>(1).expect_err("it does not fit").kind(), ErrorKind::Decode);
    }

    /// rule 73: decimals keep their scale, floats their bits
    async fn fractions_come_back_as_they_were(backend) {
        let db = &backend.db;
        let exact: Decimal = through(db, "decimal(28, 10)", decimal("-123456789012345678.1234567890")).await;
        assert_eq!(exact.to_string(), "-123456789012345678.1234567890");
        assert_eq!(through::<Decimal>(db, "decimal(10, 2)", decimal("1.5")).await.to_string(), "1.50");
        for sent in [0.1, -1.0e300, 5e-324, 1.0 / 3.0, 0.0] {
            assert_eq!(through::<f64>(db, "double", sent).await, sent);
        }
        assert_eq!(through::<f32>(db, "float", 0.1_f32).await, 0.1);
        for sent in [f64::NAN, f64::INFINITY] {
            let refused = db.execute("insert into trip values ($1)", params![sent]).await.expect_err("MySQL has none");
            assert_eq!(refused.kind(), ErrorKind::Parameter);
        }
    }

    /// rule 73
    async fn text_and_bytes_come_back_as_they_were(backend) {
        let db = &backend.db;
        let text = "ASCII, ü, Ω, 日本, 😀 \\ ' \" ` % \n\t\0 end";
        for column in ["text", "varchar(100)", "longtext", "mediumtext"] {
            assert_eq!(through::<String>(db, column, text).await, text, "{column}");
        }
        assert_eq!(through::<String>(db, "char(3)", "ab").await, "ab");
        assert_eq!(through::<String>(db, "enum('small', 'größer')", "größer").await, "größer");
        assert_eq!(through::<String>(db, "set('a', 'b', 'c')", "a,c").await, "a,c");
        let bytes: Vec<u8> = (0..=255).collect();
        for column in ["blob", "varbinary(300)", "longblob"] {
            assert_eq!(through::<Vec<u8>>(db, column, bytes.clone()).await, bytes, "{column}");
        }
        let large: Vec<u8> = (0..2_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        assert_eq!(through::<Vec<u8>>(db, "longblob", large.clone()).await, large);
    }

    /// rule 73: a TIMESTAMP is a moment, a DATETIME is not
    async fn dates_and_times_come_back_as_they_were(backend) {
        let db = &backend.db;
        let day = NaiveDate::from_ymd_opt(2024, 2, 29).expect("a day");
        let time = NaiveTime::from_hms_micro_opt(23, 59, 58, 123_456).expect("a time");
        let at: NaiveDateTime = day.and_time(time);
        assert_eq!(through::<NaiveDate>(db, "date", day).await, day);
        assert_eq!(through::<NaiveTime>(db, "time(6)", time).await, time);
        assert_eq!(through::<NaiveDateTime>(db, "datetime(6)", at).await, at);
        assert_eq!(through::<DateTime<Utc>>(db, "timestamp(6)", at.and_utc()).await, at.and_utc());
        assert_eq!(value::<String>(db, "select cast(v as char) from trip", params![]).await, "2024-02-29 23:59:58.123456");
        let elsewhere = at.and_local_timezone(chrono::FixedOffset::east_opt(7200).expect("two hours")).single().expect("one moment");
        assert_eq!(through::<DateTime<Utc>>(db, "timestamp(6)", elsewhere).await, elsewhere.to_utc());
        let midnight = day.and_time(NaiveTime::MIN);
        assert_eq!(through::<NaiveDateTime>(db, "datetime", midnight).await, midnight);
        assert_eq!(through::<NaiveTime>(db, "time", NaiveTime::MIN).await, NaiveTime::MIN);
        assert_eq!(through::<NaiveDate>(db, "date", "2024-05-06").await.to_string(), "2024-05-06", "text fits too");
        let row = db.query_one("select cast('30:00:00' as time)", params![]).await.expect("a row");
        assert_eq!(row.get::<NaiveTime>(0).expect_err("no time of day").kind(), ErrorKind::Decode);
    }

    /// rule 73: JSON is text on MariaDB, a type on MySQL, and read alike
    async fn json_and_uuids_come_back_as_they_were(backend) {
        let db = &backend.db;
        for sent in [json!({"a": [1, 2.5, "x\"y", null, true, "😀"]}), json!("text"), json!(null), json!([]), json!(7)] {
            assert_eq!(through::<serde_json::Value>(db, "json", sent.clone()).await, sent);
        }
        assert_eq!(through::<Option<serde_json::Value>>(db, "json", Value::Null).await, None, "NULL is not null");
        let refused = db.execute("insert into trip values ($1)", params!["{no json"]).await.expect_err("it is no JSON");
        assert!(!format!("{refused} {refused:?}").contains("{no json"), "{refused:?}");
        let id = Uuid::from_u128(0x1234_5678_9abc_4ef0_9234_5678_9abc_def0);
        assert_eq!(through::<Uuid>(db, "char(36)", id).await, id);
        assert_eq!(through::<Uuid>(db, "binary(16)", id.as_bytes().to_vec()).await, id);
        if backend.is_mariadb().await {
            assert_eq!(through::<Uuid>(db, "uuid", id).await, id);
        }
    }

    /// rule 73
    async fn null_is_null_in_every_type(backend) {
        let db = &backend.db;
        for column in ["bigint unsigned", "decimal(5, 2)", "double", "text", "blob", "date", "time", "timestamp null", "datetime", "json", "bit(3)", "year"] {
            assert!(through::<Option<Value>>(db, column, None::<i64>).await.is_none(), "{column}");
        }
        let row = db.query_one("select null", params![]).await.expect("a row");
        assert_eq!(row.get::<i64>(0).expect_err("NULL is no number").kind(), ErrorKind::Decode);
    }
}
