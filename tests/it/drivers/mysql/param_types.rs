//! What type a parameter has at the server: the one of its value, whatever the statement was run with before.

use chrono::{NaiveDate, NaiveTime};
use nestling::{Database, Params, Value, params, types::FromCell};
use rust_decimal::Decimal;
use serde_json::json;

use super::value;

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal number")
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 2, 29).expect("a day")
}

/// What a statement returns for values that it was not run with before: a comment makes it another text.
async fn fresh<T: for<'r> FromCell<'r>>(db: &Database, sql: &str, number: usize, params: Params) -> T {
    value(db, &format!("{sql} /* {number} */"), params).await
}

test_on! {
    mysql_and_mariadb;

    /// fault 2.4: a cached statement kept the types of its first values
    async fn a_statement_takes_values_of_any_type_after_any_other(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        let db = &backend.db;
        let values: [Value; 13] = [
            2.5.into(), "Ann".into(), 7.into(), Value::Null, u64::MAX.into(), decimal("0.1").into(), day().into(), "Bob".into(),
            day().and_hms_opt(1, 2, 3).expect("a time").into(), NaiveTime::MIN.into(), true.into(), 1.5_f32.into(), (-1).into(),
        ];
        for (place, sql) in [
            "select cast(json_array($1) as char)", "select cast(json_set('{}', '$.x', $1) as char)", "select cast($1 as char)",
            "select cast(coalesce($1, 'none') as char)", "select cast(if($1 is null, 1, $1) as char)", "select cast(json_array(?) as char)",
        ].into_iter().enumerate() {
            // Each behind each.
            for first in 0..values.len() {
                for second in 0..values.len() {
                    for (step, at) in [first, second].into_iter().enumerate() {
                        let number = ((place * 20 + first) * 20 + second) * 2 + step;
                        let given = || Params::from(vec![values[at].clone()]);
                        let told: Option<String> = value(db, sql, given()).await;
                        if step == 1 && first == 0 {
                            let wanted: Option<String> = fresh(db, sql, number, given()).await;
                            assert_eq!(told, wanted, "{sql} with {:?}", values[at]);
                        }
                    }
                }
            }
        }
        assert!(!value::<bool>(db, "select $1 = $2", params![3, 4]).await);
        assert!(!value::<bool>(db, "select $1 = $2", params!["Ann", "Bob"]).await);
        let greatest = "select cast(greatest($1, $2) as char)";
        assert_eq!(value::<String>(db, greatest, params![9, 10]).await, "10");
        assert_eq!(value::<String>(db, greatest, params!["9", "10"]).await, "9");
    }

    /// fault 2.4, as it was found
    async fn a_document_takes_a_number_and_then_a_text(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        let db = &backend.db;
        db.batch("create table t (id int primary key, doc json); insert into t values (1, '{}')").await.expect("a table");
        let set = "update t set doc = json_set(doc, $1, $2)";
        db.execute(set, params!["$.a", 2.5]).await.expect("a number");
        db.execute(set, params!["$.b", "Ann"]).await.expect("a text");
        db.execute(set, params!["$.c", 7]).await.expect("a whole number");
        db.execute(set, params!["$.d", json!([1, {"x": null}])]).await.expect("a document");
        db.execute(set, params!["$.e", decimal("0.10")]).await.expect("a decimal");
        db.execute(set, params!["$.f", None::<String>]).await.expect("a NULL");
        db.execute(set, params!["$.g", day()]).await.expect("a day");
        db.execute(set, params!["$.h", "Bob"]).await.expect("a text again");
        db.execute(set, params!["$.i", true]).await.expect("a truth value");
        db.execute(set, params!["$.j", 1]).await.expect("a whole number again");
        let doc: serde_json::Value = value(db, "select doc from t", params![]).await;
        let wanted = json!({"a": 2.5, "b": "Ann", "c": 7, "d": [1, {"x": null}], "e": 0.10, "f": null, "g": "2024-02-29", "h": "Bob", "i": true, "j": 1});
        assert_eq!(doc, wanted);
    }

    /// fault 2.4: NULLs need no statements of their own
    async fn a_null_is_of_every_type(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        let db = &backend.db;
        db.batch("create table t (id int primary key, a int, b varchar(9), c double, d json, e decimal(9, 2))").await.expect("a table");
        let insert = "insert into t values ($1, $2, $3, $4, $5, $6)";
        let prepared = "show session status like 'Com_stmt_prepare'";
        let mut counts = Vec::new();
        for round in 0..3 {
            for mask in 0..32 {
                let one = |bit: i64, value: Value| if mask & bit == 0 { value } else { Value::Null };
                let values = vec![
                    (round * 32 + mask).into(), one(1, 5.into()), one(2, "b".into()), one(4, 0.5.into()),
                    one(8, json!({"x": [mask]}).into()), one(16, Decimal::new(mask, u32::try_from(mask % 3).expect("small")).into()),
                ];
                db.execute(insert, Params::from(values)).await.unwrap_or_else(|error| panic!("{mask}: {error:?}"));
            }
            let row = db.query_one(prepared, params![]).await.expect("a row");
            counts.push(row.get::<String>(1).expect("a text").parse::<i64>().expect("a number"));
        }
        assert_eq!(counts[2], counts[0], "no statement is prepared anew");
        assert!(counts[0] <= 6, "{counts:?}");
        let row = db.query_one("select count(*), count(a), count(b), count(c), count(d), count(e), sum(e) from t", params![]).await.expect("a row");
        let counts: Vec<i64> = (0..6).map(|at| row.get(at).expect("a count")).collect();
        assert_eq!(counts, [96, 48, 48, 48, 48, 48]);
        let sum: Decimal = (0..16).map(|mask| Decimal::new(mask, u32::try_from(mask % 3).expect("small"))).sum();
        assert_eq!(row.get::<Decimal>(6).expect("a sum"), sum * Decimal::from(3));
    }

    /// fault 4.1: decimals were computed with as floats
    async fn decimals_are_computed_with_exactly(backend) {
        let db = &backend.db;
        db.batch("create table account (id int primary key, amount decimal(38, 18), note varchar(60)); insert into account values (1, 0.1, '')")
            .await
            .expect("a table");
        let d = decimal;
        assert_eq!(value::<Decimal>(db, "select $1 + $2", params![d("0.1"), d("0.2")]).await, d("0.3"));
        assert_eq!(value::<Decimal>(db, "select ? * ?", params![d("0.1"), d("0.2")]).await, d("0.02"));
        assert_eq!(value::<Decimal>(db, "select $1", params![d("-1.50")]).await.to_string(), "-1.50", "its scale is kept");
        assert_eq!(value::<Decimal>(db, "select $1", params![Decimal::MAX]).await, Decimal::MAX);
        let small = Decimal::from_i128_with_scale(-1, 28);
        assert_eq!(value::<Decimal>(db, "select $1", params![small]).await, small);
        assert_eq!(value::<Decimal>(db, "select amount + $1 from account", params![d("0.2")]).await, d("0.3"));
        db.execute("update account set amount = amount + $1 where amount = $2", params![d("0.2"), d("0.1")]).await.expect("an update");
        assert_eq!(value::<String>(db, "select cast(amount as char) from account", params![]).await, "0.300000000000000000");
        // Two numbers that are one as floats.
        let (near, exact) = (d("1234567890.123456789012345679"), d("1234567890.123456789012345678"));
        db.execute("update account set amount = $1, note = $1", params![exact]).await.expect("an update");
        let counts = "select count(*) from account where amount = $1 or amount in ($1, $2) or amount > $3";
        assert_eq!(value::<i64>(db, counts, params![near, near, near]).await, 0);
        assert_eq!(value::<i64>(db, counts, params![exact, near, near]).await, 1);
        assert_eq!(value::<String>(db, "select note from account", params![]).await, exact.to_string());
        db.execute("insert into account values ($1, $2, $2)", params![2, d("7.250")]).await.expect("a row");
        assert_eq!(value::<String>(db, "select note from account where id = 2", params![]).await, "7.250");
        let cached = "select cast(sum($1 * amount) as char) from account where id > $2";
        for (factor, wanted) in [("1", "7.250000000000000000"), ("0.5", "3.6250000000000000000"), ("2.00", "14.50000000000000000000")] {
            assert_eq!(value::<String>(db, cached, params![d(factor), 1]).await, wanted);
        }
    }

    /// fault 4.1, its kind: days, bytes and documents
    async fn what_travels_as_something_else_is_what_it_was(backend) {
        let db = &backend.db;
        assert_eq!(value::<NaiveDate>(db, "select $1", params![day()]).await, day());
        assert_eq!(value::<String>(db, "select concat($1, '')", params![day()]).await, "2024-02-29");
        let bytes = vec![0xff_u8, 0x00, 0xc3, 0x28];
        assert_eq!(value::<Vec<u8>>(db, "select $1", params![bytes.clone()]).await, bytes);
        assert_eq!(value::<Vec<u8>>(db, "select coalesce(null, $1)", params![bytes.clone()]).await, bytes);
        assert_eq!(value::<i64>(db, "select length($1)", params![bytes.clone()]).await, 4);
        assert_eq!(value::<i64>(db, "select $1 = 'a'", params![b"A".to_vec()]).await, 0, "bytes have no case");
        let large: Vec<u8> = (0..2_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        assert_eq!(value::<Vec<u8>>(db, "select $1", params![large.clone()]).await, large);
        db.batch("create table t (id int primary key, bin varbinary(20), at date, doc json); insert into t (id) values (1)").await.expect("a table");
        db.execute("update t set bin = $1, at = $2, doc = $3", params![bytes.clone(), day(), json!({"b": [1, 2], "a": "ü"})]).await.expect("an update");
        let found = "select count(*) from t where bin = $1 and at = $2 and bin in ($1, $3)";
        assert_eq!(value::<i64>(db, found, params![bytes.clone(), day(), b"x".to_vec()]).await, 1);
        assert_eq!(value::<Vec<u8>>(db, "select bin from t", params![]).await, bytes);
        let inner: serde_json::Value = value(db, "select json_extract(json_array($1, 1), '$[0].b')", params![json!({"b": [1, null]})]).await;
        assert_eq!(inner, json!([1, null]));
        assert_eq!(value::<i64>(db, "select json_contains(doc, $1) from t", params![json!({"b": [2]})]).await, 1);
    }

    /// fault 4.2: no document was ever equal to another
    async fn documents_are_compared_as_documents(backend) {
        let db = &backend.db;
        db.batch("create table t (id int primary key, doc json)").await.expect("a table");
        let docs = [json!([1, 2]), json!({"b": 1, "a": [true, null]}), json!("text"), json!(null), json!(1.5)];
        for (id, doc) in (1..).zip(&docs) {
            db.execute("insert into t values ($1, $2)", params![id, doc.clone()]).await.expect("a row");
        }
        for (id, doc) in (1_i64..).zip(&docs) {
            let found = "select id from t where doc = $1";
            assert_eq!(value::<i64>(db, found, params![doc.clone()]).await, id, "{doc}");
            let found = "select id from t where doc in ($1, $2)";
            assert_eq!(value::<i64>(db, found, params![doc.clone(), json!("none")]).await, id, "{doc}");
        }
        let others = value::<i64>(db, "select count(*) from t where doc <> $1", params![docs[0].clone()]).await;
        assert_eq!(others, 4);
        // MariaDB takes nothing for JSON that is nested deeper than 32 times: text it stays, and is not lost.
        let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
        if backend.is_mariadb().await {
            assert_eq!(value::<String>(db, "select concat('', $1)", params![deep.clone()]).await, deep.to_string());
        }
    }
}
