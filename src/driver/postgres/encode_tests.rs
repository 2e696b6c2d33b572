//! Parameters and cells on PostgreSQL's wire, without a server: what is encoded is decoded again.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use postgres_types::{Kind, Type};
use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::bind;
use crate::{
    data::{cell::FromCell, json::Json, value::Value},
    driver::postgres::decode::cell,
    error::ErrorKind,
};

/// What is sent for a value: text, or bytes.
#[derive(Debug, PartialEq)]
enum Sent {
    Null,
    Text(String),
    Binary(Vec<u8>),
}

fn send(value: impl Into<Value>, ty: &Type) -> Result<Sent, String> {
    let mut out = Vec::new();
    let misfit = bind(b"s", &[value.into()], std::slice::from_ref(ty), &mut out)
        .map_err(|refused| refused.into_error().to_string());
    misfit.map_err(|text| text.strip_prefix("parameter $1: ").expect("it names the parameter").to_owned())?;
    let (head, rest) = out.split_at(5);
    assert_eq!((head[0], head[1..].to_vec()), (b'B', u32::try_from(out.len() - 1).unwrap().to_be_bytes().to_vec()));
    // The unnamed portal, the statement, one format, one value; the results are wanted in binary.
    let rest = rest.strip_prefix(b"\0s\0\0\x01\0").expect("one format");
    let (format, rest) = rest.split_first().expect("a format");
    let value = rest.strip_prefix(b"\0\x01").and_then(|rest| rest.strip_suffix(&[0, 1, 0, 1])).expect("one value");
    let (length, value) = value.split_first_chunk().expect("a length");
    let length = i32::from_be_bytes(*length);
    assert_eq!(usize::try_from(length).unwrap_or(0), value.len());
    Ok(match (length, format) {
        (-1, _) => Sent::Null,
        (_, 0) => Sent::Text(String::from_utf8(value.to_vec()).unwrap()),
        _ => Sent::Binary(value.to_vec()),
    })
}

fn text(text: &str) -> Result<Sent, String> {
    Ok(Sent::Text(text.into()))
}

fn refusal(value: impl Into<Value>, ty: &Type) -> String {
    send(value, ty).unwrap_err()
}

/// Encodes a value and reads what would come back.
fn back<T: for<'r> FromCell<'r>>(value: impl Into<Value>, ty: &Type) -> T {
    let bytes = match send(value, ty).unwrap() {
        Sent::Null => None,
        // The binary forms of text and JSON are the text itself.
        Sent::Text(text) => Some(text.into_bytes()),
        Sent::Binary(bytes) => Some(bytes),
    };
    let cell = cell(ty, bytes.as_deref()).unwrap();
    T::from_cell(cell).unwrap()
}

/// The form of a numeric on the wire: count, weight, sign, scale, then the digits.
fn numeric(words: &[u16]) -> Result<String, String> {
    let raw: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let cell = cell(&Type::NUMERIC, Some(&raw)).map_err(|mismatch| mismatch.to_string())?;
    Decimal::from_cell(cell).map(|decimal| decimal.to_string()).map_err(|error| error.to_string())
}

fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

#[test]
fn integers_go_into_every_type_they_fit_into() {
    assert_eq!(send(7, &Type::INT2), Ok(Sent::Binary(vec![0, 7])));
    assert_eq!(send(7_u64, &Type::INT4), Ok(Sent::Binary(vec![0, 0, 0, 7])));
    assert_eq!(back::<i64>(-7, &Type::INT8), -7);
    assert_eq!(back::<u32>(u32::MAX, &Type::OID), u32::MAX);
    assert_eq!(back::<f64>(1_i64 << 53, &Type::FLOAT8), 9_007_199_254_740_992.0);
    assert_eq!(send(u64::MAX, &Type::NUMERIC), text("18446744073709551615"));
    assert_eq!(send(-5, &Type::TEXT), text("-5"));
    assert_eq!(refusal(1_i64 << 31, &Type::INT4), "i64 does not fit into int4");
    assert_eq!(refusal(u64::MAX, &Type::INT8), "u64 does not fit into int8");
    assert_eq!(refusal((1_i64 << 53) + 1, &Type::FLOAT8), "i64 does not fit into float8");
    assert_eq!(refusal(1, &Type::BOOL), "i64 does not fit into bool");
    assert_eq!(refusal(true, &Type::INT4), "bool does not fit into int4");
}

#[test]
fn floats_go_into_floats_as_the_nearest_and_by_shortest_digits_into_numeric() {
    assert_eq!(back::<f64>(0.1_f32, &Type::FLOAT8), f64::from(0.1_f32));
    assert_eq!(back::<f32>(0.5, &Type::FLOAT4), 0.5);
    assert_eq!(back::<f32>(0.1, &Type::FLOAT4), 0.1_f32);
    assert_eq!(refusal(1e39, &Type::FLOAT4), "f64 does not fit into float4");
    assert_eq!(refusal(1e-50, &Type::FLOAT4), "f64 does not fit into float4");
    assert_eq!(send(0.1_f32, &Type::NUMERIC), text("0.1"));
    assert_eq!(send(f64::NAN, &Type::NUMERIC), text("NaN"));
    assert!(send(f64::INFINITY, &Type::NUMERIC).is_err());
    assert_eq!(back::<i32>(3.0, &Type::INT4), 3);
    assert!(send(3.5, &Type::INT4).is_err());
    assert!(send(1e10, &Type::INT4).is_err());
    assert!(send(1.5, &Type::TEXT).is_err());
}

#[test]
fn decimals_keep_their_scale() {
    let decimal = |text| Decimal::from_str_exact(text).unwrap();
    assert_eq!(send(decimal("1.50"), &Type::NUMERIC), text("1.50"));
    assert_eq!(back::<i64>(decimal("2.00"), &Type::INT8), 2);
    assert_eq!(back::<f64>(decimal("0.1"), &Type::FLOAT8), 0.1);
    assert_eq!(back::<f64>(decimal("0.12345678901234567890"), &Type::FLOAT8), 0.123_456_789_012_345_68);
    assert_eq!(back::<f32>(decimal("0.1"), &Type::FLOAT4), 0.1);
    assert!(send(decimal("2.01"), &Type::INT8).is_err());
}

#[test]
fn text_goes_anywhere_and_is_checked_where_that_is_certain() {
    assert_eq!(send("1 day", &Type::INTERVAL), text("1 day"));
    assert_eq!(send("1e3", &Type::NUMERIC), text("1e3"));
    assert_eq!(send(" 12 ", &Type::INT4), Ok(Sent::Binary(vec![0, 0, 0, 12])));
    assert_eq!(send("{\"a\": 1}", &Type::JSONB), text("{\"a\": 1}"));
    let uuid = Uuid::from_u128(5);
    assert_eq!(back::<Uuid>(uuid.to_string(), &Type::UUID), uuid);
    assert_eq!(refusal("x", &Type::UUID), "str is no valid uuid");
    assert_eq!(refusal("{", &Type::JSON), "str is no valid json");
    assert_eq!(refusal("x", &Type::INT4), "str does not fit into int4");
    assert_eq!(refusal("40000", &Type::INT2), "str does not fit into int2");
    assert_eq!(refusal("\\x00", &Type::BYTEA), "str does not fit into bytea");
    assert_eq!(refusal("a\0b", &Type::TEXT), "str with a NUL character does not fit into text");
}

#[test]
fn text_goes_into_types_of_the_user_as_the_server_reads_it() {
    let user = |name: &str, kind| Type::new(name.into(), 70_000, kind, "public".into());
    let mood = user("mood", Kind::Enum(vec!["ok".into()]));
    assert_eq!(back::<String>("ok", &mood), "ok");
    let citext = user("citext", Kind::Simple);
    assert_eq!(back::<String>("Ok", &citext), "Ok");
    let domain = user("small", Kind::Domain(Type::INT2));
    assert_eq!(back::<i16>(7, &domain), 7);
    assert_eq!(refusal(1 << 20, &domain), "i64 does not fit into int2");
    let moods = user("_mood", Kind::Array(mood));
    assert_eq!(send(vec!["ok"], &moods), text("{\"ok\"}"));
}

#[test]
fn dates_and_times_go_out_and_come_back() {
    let day = date(1999, 12, 31);
    let at = day.and_hms_micro_opt(23, 59, 59, 999_999).unwrap();
    assert_eq!(send(day, &Type::DATE), Ok(Sent::Binary(vec![255; 4])));
    assert_eq!(send(at, &Type::TIMESTAMP), Ok(Sent::Binary(vec![255; 8])));
    assert_eq!(back::<NaiveDateTime>(day, &Type::TIMESTAMP), day.and_time(NaiveTime::MIN));
    assert_eq!(back::<DateTime<Utc>>(at.and_utc(), &Type::TIMESTAMPTZ), at.and_utc());
    assert_eq!(back::<NaiveTime>(at.time(), &Type::TIME), at.time());
    assert!(send(date(-4713, 11, 24), &Type::DATE).is_ok());
    assert!(send(date(-4713, 11, 23), &Type::DATE).is_err());
    assert!(send(date(-4713, 11, 23), &Type::TIMESTAMP).is_err());
    let leap = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_000_000_000).unwrap();
    assert!(send(leap, &Type::TIME).is_err());
}

#[test]
fn time_zones_are_neither_invented_nor_dropped() {
    let at = date(2024, 1, 1).and_time(NaiveTime::MIN);
    assert_eq!(
        refusal(at, &Type::TIMESTAMPTZ),
        "NaiveDateTime has no time zone and timestamptz is a moment: give a DateTime<Utc>"
    );
    assert_eq!(
        refusal(at.and_utc(), &Type::TIMESTAMP),
        "DateTime<Utc> is a moment and timestamp has no time zone: give a NaiveDateTime"
    );
}

#[test]
fn infinite_dates_are_told_and_not_wrapped() {
    for (ty, raw) in [
        (Type::DATE, &i32::MAX.to_be_bytes()[..]),
        (Type::DATE, &i32::MIN.to_be_bytes()),
        (Type::TIMESTAMP, &i64::MAX.to_be_bytes()),
        (Type::TIMESTAMPTZ, &i64::MIN.to_be_bytes()),
        (Type::TIME, &86_400_000_000_i64.to_be_bytes()),
        (Type::TIME, &(-1_i64).to_be_bytes()),
    ] {
        let mismatch = cell(&ty, Some(raw)).and_then(NaiveDate::from_cell).unwrap_err();
        assert_eq!(mismatch.to_string(), "the value does not fit", "{ty}");
    }
}

#[test]
fn uuid_json_and_bytes_go_where_they_belong() {
    let uuid = Uuid::from_u128(9);
    assert_eq!(back::<Uuid>(uuid, &Type::BYTEA), uuid);
    assert_eq!(send(uuid, &Type::VARCHAR), text(&uuid.to_string()));
    let json = serde_json::json!({"a": [1, null]});
    assert_eq!(back::<serde_json::Value>(json.clone(), &Type::JSON), json);
    assert_eq!(send(Json([1]), &Type::TEXT), text("[1]"));
    assert_eq!(back::<Vec<u8>>(vec![1_u8, 0], &Type::BYTEA), [1, 0]);
    assert!(send(vec![1_u8], &Type::TEXT).is_err());
    let stored = cell(&Type::JSONB, Some(b"\x01[1]")).unwrap();
    assert_eq!(Json::<Vec<i32>>::from_cell(stored).unwrap(), Json(vec![1]));
    assert!(cell(&Type::JSONB, Some(b"\x02[1]")).is_err());
}

#[test]
fn arrays_go_out_and_come_back_with_nulls_and_empty() {
    let ints = vec![Some(1), None, Some(-3)];
    assert_eq!(back::<Vec<Option<i32>>>(ints.clone(), &Type::INT4_ARRAY), ints);
    assert!(back::<Vec<i64>>(Vec::<i64>::new(), &Type::INT8_ARRAY).is_empty());
    assert_eq!(back::<Option<Vec<i64>>>(None::<Vec<i64>>, &Type::INT8_ARRAY), None);
    let words = vec!["a\"b", "c\\d", "", "NULL", "{e}"];
    let quoted = r#"{"a\"b","c\\d","","NULL","{e}"}"#;
    assert_eq!(send(words, &Type::TEXT_ARRAY), text(quoted));
    assert_eq!(send(vec![None::<&str>], &Type::UUID_ARRAY).map(|_| ()), Ok(()));
    assert_eq!(send(vec![None, Some("x")], &Type::TEXT_ARRAY), text("{NULL,\"x\"}"));
    assert_eq!(
        send(Vec::<&str>::new(), &Type::TEXT_ARRAY),
        Ok(Sent::Binary(vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25]))
    );
    assert_eq!(refusal(vec![1, 1 << 20], &Type::INT2_ARRAY), "element 1: i64 does not fit into int2");
    assert_eq!(refusal(vec![1], &Type::INT4), "an array does not fit into int4");
    assert_eq!(refusal(1, &Type::INT4_ARRAY), "i64 does not fit into int4[]");
    let mixed = Value::Array(vec!["2024-01-01".into(), date(2024, 1, 1).into()]);
    assert!(refusal(mixed, &Type::DATE_ARRAY).contains("different forms"));
    assert!(send(Value::Array(vec![Value::from(vec![1])]), &Type::INT4_ARRAY).is_err());
}

#[test]
fn null_goes_into_anything_and_what_is_invalid_into_nothing() {
    assert_eq!(send(None::<i32>, &Type::POLYGON), Ok(Sent::Null));
    assert_eq!(refusal(Value::Invalid("no"), &Type::TEXT), "no");
}

#[test]
fn a_misfit_is_refused_by_name_before_anything_is_sent() {
    let error = |values: &[Value], types: &[Type]| {
        let error = bind(b"s", values, types, &mut Vec::new()).unwrap_err().into_error();
        assert_eq!(error.kind(), ErrorKind::Parameter);
        error.to_string()
    };
    let two = [Type::INT4, Type::INT4];
    assert_eq!(error(&[1.into()], &two), "the statement takes 2 parameters, 1 was given");
    assert_eq!(error(&[], &two[..1]), "the statement takes 1 parameter, 0 were given");
    let values = [1.into(), Value::I64(1 << 40)];
    assert_eq!(error(&values, &two), "parameter $2: i64 does not fit into int4");
    bind(b"s", &values[..1], &two[..1], &mut Vec::new()).unwrap();
}

#[test]
fn numerics_are_read_with_their_scale_or_refused() {
    assert_eq!(numeric(&[0, 0, 0, 2]).as_deref(), Ok("0.00"));
    assert_eq!(numeric(&[2, 0, 0, 2, 1, 5000]).as_deref(), Ok("1.50"));
    assert_eq!(numeric(&[1, 1, 0x4000, 0, 12]).as_deref(), Ok("-120000"));
    assert_eq!(numeric(&[1, 0xFFFF, 0, 4, 1]).as_deref(), Ok("0.0001"));
    assert_eq!(numeric(&[1, 0, 0, 40, 7]).as_deref(), Ok("7.0000000000000000000000000000"));
    assert!(numeric(&[1, (-11_i16).cast_unsigned(), 0, 44, 1]).is_err());
    assert!(numeric(&[1, 7, 0, 0, 9]).is_err());
    assert!(numeric(&[0, 0, 0xC000, 0]).is_err());
    assert!(numeric(&[1, 0x7FFF, 0, 0, 1]).is_err());
    assert!(numeric(&[2, 0, 0, 0, 1]).is_err());
    // 12345678901234 with a scale that leaves no room for it.
    let long = numeric(&[4, 3, 0, 28, 12, 3456, 7890, 1234]);
    assert_eq!(long.as_deref(), Ok("12345678901234.000000000000000"));
}

#[test]
fn what_cannot_be_read_says_so() {
    let point = cell(&Type::POINT, Some(&[0; 16])).unwrap();
    let message = String::from_cell(point).unwrap_err().to_string();
    assert_eq!(message, "the type cannot be read in its binary form");
    assert!(Option::<i32>::from_cell(cell(&Type::VOID, Some(&[])).unwrap()).unwrap().is_none());
    assert!(cell(&Type::INT4, Some(&[1])).is_err());
    assert!(cell(&Type::INTERVAL, Some(&[0; 15])).is_err() && cell(&Type::INTERVAL, Some(&[0; 17])).is_err());
    for address in [&[2, 32, 0][..], &[2, 32, 0, 4, 1, 2, 3], &[3, 128, 0, 4, 1, 2, 3, 4], &[4, 32, 0, 4, 1, 2, 3, 4]] {
        assert!(cell(&Type::INET, Some(address)).is_err(), "{address:?}");
    }
    assert!(cell(&Type::TEXT, Some(&[0xFF])).is_err());
    let plane = cell(&Type::INT4_ARRAY, Some(&[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 23])).unwrap();
    assert!(Vec::<i32>::from_cell(plane).is_err());
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        int: i64, small: i16, float: f64, word in "[^\0]*", bytes: Vec<u8>, flag: bool,
        micros in -200_000_000_000_000_000_i64..8_000_000_000_000_000_000, uuid: u128,
        ints: Vec<Option<i64>>,
    ) {
        prop_assert_eq!(back::<i64>(int, &Type::INT8), int);
        prop_assert_eq!(back::<i16>(small, &Type::INT2), small);
        prop_assert_eq!(back::<f64>(float, &Type::FLOAT8).to_bits(), float.to_bits());
        prop_assert_eq!(back::<String>(&word, &Type::TEXT), word);
        prop_assert_eq!(back::<Vec<u8>>(&bytes, &Type::BYTEA), bytes);
        prop_assert_eq!(back::<bool>(flag, &Type::BOOL), flag);
        let at = DateTime::from_timestamp_micros(micros).unwrap();
        prop_assert_eq!(back::<DateTime<Utc>>(at, &Type::TIMESTAMPTZ), at);
        prop_assert_eq!(back::<NaiveDate>(at.date_naive(), &Type::DATE), at.date_naive());
        prop_assert_eq!(back::<NaiveTime>(at.time(), &Type::TIME), at.time());
        let uuid = Uuid::from_u128(uuid);
        prop_assert_eq!(back::<Uuid>(uuid, &Type::UUID), uuid);
        prop_assert_eq!(back::<Vec<Option<i64>>>(ints.clone(), &Type::INT8_ARRAY), ints);
    }

    /// A domain's values are fitted; those of the very type are not.
    #[test]
    fn what_needs_no_fitting_is_sent_as_if_it_were_fitted(int: i64, word: String) {
        let domain = |base: Type| Type::new("d".into(), 99_999, Kind::Domain(base), "public".into());
        prop_assert_eq!(send(int, &Type::INT8), send(int, &domain(Type::INT8)));
        for ty in [Type::TEXT, Type::VARCHAR] {
            let (exact, fitted) = (send(&word[..], &ty), send(&word[..], &domain(ty)));
            prop_assert_eq!(exact, fitted);
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(raw: Vec<u8>) {
        for ty in [Type::NUMERIC, Type::INT4_ARRAY, Type::TEXT_ARRAY, Type::JSONB, Type::TIME, Type::DATE] {
            if let Ok(cell) = cell(&ty, Some(&raw)) {
                let _ = Vec::<Option<String>>::from_cell(cell);
            }
        }
    }
}
