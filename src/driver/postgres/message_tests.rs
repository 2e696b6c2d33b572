//! Each message whole, against what the crate postgres-protocol writes of the same.

use bytes::BytesMut;
use postgres_protocol::{IsNull, message::frontend};
use proptest::{collection::vec, prelude::*};

use super::{super::encode, *};
use crate::data::value::Value;

/// What that crate writes.
fn theirs<E>(write: impl FnOnce(&mut BytesMut) -> Result<(), E>) -> BytesMut {
    let mut out = BytesMut::from(AHEAD);
    assert!(write(&mut out).is_ok(), "it is within the limits");
    out
}

/// What this one writes, behind what stands in the buffer.
fn ours(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = AHEAD.to_vec();
    write(&mut out);
    out
}

const AHEAD: &[u8] = b"a message ahead";

fn name() -> impl Strategy<Value = String> {
    "[a-z_0-9\u{e4}]{0,70}"
}

fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,300}"
}

/// A parameter, its type, and what is sent of it.
fn parameter() -> impl Strategy<Value = (Value, Type, Option<Vec<u8>>)> {
    prop_oneof![
        any::<i64>().prop_map(|value| (value.into(), Type::INT8, Some(value.to_be_bytes().to_vec()))),
        any::<bool>().prop_map(|value| (value.into(), Type::BOOL, Some(vec![value.into()]))),
        vec(any::<u8>(), 0..200).prop_map(|bytes| (bytes.clone().into(), Type::BYTEA, Some(bytes))),
        text().prop_map(|text| (text.clone().into(), Type::TEXT, Some(text.into_bytes()))),
        Just((Value::Null, Type::INT8, None)),
    ]
}

fn put(value: Option<&[u8]>, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Send + Sync>> {
    match value {
        Some(bytes) => {
            out.put_slice(bytes);
            Ok(IsNull::No)
        }
        None => Ok(IsNull::Yes),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn statements_are_prepared_described_and_closed(name in name(), text in text(), ids in vec(any::<u32>(), 0..40)) {
        let types: Vec<Type> = ids.iter().filter_map(|id| Type::from_oid(id % 5_000)).collect();
        let ids = types.iter().map(Type::oid);
        let key = name.as_bytes();
        prop_assert_eq!(ours(|out| parse(key, &text, &types, out)), theirs(|out| frontend::parse(&name, &text, ids, out)));
        prop_assert_eq!(ours(|out| describe(key, out)), theirs(|out| frontend::describe(b'S', &name, out)));
        prop_assert_eq!(ours(|out| close(key, out)), theirs(|out| frontend::close(b'S', &name, out)));
    }

    #[test]
    fn a_text_of_statements_goes_behind_what_is_owed(before in text(), text in text()) {
        let both = format!("{before}{text}");
        prop_assert_eq!(ours(|out| query(&before, &text, out)), theirs(|out| frontend::query(&both, out)));
    }

    #[test]
    fn texts_are_bound(name in name(), texts in vec(text(), 0..10)) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let formats = (!texts.is_empty()).then_some(1);
        let values = texts.iter().map(|text| Some(text.as_bytes()));
        let theirs = theirs(|out| frontend::bind("", &name, formats, values, put, None::<i16>, out));
        prop_assert_eq!(ours(|out| bind_texts(name.as_bytes(), &texts, out)), theirs);
    }

    #[test]
    fn parameters_are_bound(name in name(), parameters in vec(parameter(), 0..30)) {
        let values: Vec<Value> = parameters.iter().map(|(value, ..)| value.clone()).collect();
        let types: Vec<Type> = parameters.iter().map(|(_, ty, _)| ty.clone()).collect();
        let bytes = parameters.iter().map(|(.., bytes)| bytes.as_deref());
        // A text goes as what it is.
        let formats = parameters.iter().map(|(_, ty, _)| i16::from(*ty != Type::TEXT));
        let theirs = theirs(|out| frontend::bind("", &name, formats, bytes, put, Some(1), out));
        let ours = ours(|out| encode::bind(name.as_bytes(), &values, &types, out).unwrap());
        prop_assert_eq!(ours, theirs);
    }
}

#[test]
fn what_never_changes_is_as_theirs() {
    let execution = |out: &mut BytesMut| frontend::execute("", 0, out);
    let sync_of = |out: &mut BytesMut| {
        frontend::sync(out);
        Ok::<_, std::io::Error>(())
    };
    assert_eq!(ours(execute), theirs(execution));
    assert_eq!(ours(sync), theirs(sync_of));
    assert_eq!(ours(execute_and_sync), theirs(|out| execution(out).and_then(|()| sync_of(out))));
    assert_eq!(ours(describe_bound), theirs(|out| frontend::describe(b'P', "", out)));
}

#[test]
fn as_many_parameters_as_can_be_counted_are_bound_and_no_more() {
    let most = usize::from(u16::MAX);
    let (values, types) = (vec![Value::Null; most + 1], vec![Type::INT8; most + 1]);
    let mut out = Vec::new();
    encode::bind(b"s1", &values[1..], &types[1..], &mut out).unwrap();
    let formats = std::iter::repeat_n(1, most);
    let nulls = std::iter::repeat_n(None, most);
    let mut theirs = BytesMut::new();
    assert!(frontend::bind("", "s1", formats, nulls, put, Some(1), &mut theirs).is_ok());
    assert_eq!(out, theirs);
    let refused = encode::bind(b"s1", &values, &types, &mut out).unwrap_err().into_error();
    assert_eq!(refused.kind(), crate::error::ErrorKind::Parameter);
}
