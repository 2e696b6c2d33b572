//! hstore in PostgreSQL's protocol. Its OID differs between databases, so the type is known by its name, which is
//! looked up when a statement that uses it is prepared. An extension that was created later is found.
//!
//! Used by `encode.rs`, `decode.rs`, and the connection, which refuses such values where they were switched off.

use std::error::Error as StdError;

use bytes::BufMut;
use postgres_types::{Kind, Type};

use crate::{
    data::{
        cell::{Cell, Mismatch, Pairs},
        hstore::HStore,
        value::Value,
    },
    error::{Error, ErrorKind},
    transaction::impact::DriverError,
};

/// Whether a type is hstore, in whatever schema its extension was created.
pub(super) fn is(ty: &Type) -> bool {
    ty.name() == "hstore" && *ty.kind() == Kind::Simple
}

/// Whether a type is hstore, an array of it, or a domain over these.
pub(super) fn is_made_of(ty: &Type) -> bool {
    match ty.kind() {
        Kind::Array(of) | Kind::Domain(of) => is_made_of(of),
        _ => is(ty),
    }
}

/// The number of pairs, then each key and value behind its length, which is -1 for NULL.
pub(super) fn write(map: &HStore, out: &mut Vec<u8>) -> Result<(), Box<dyn StdError + Sync + Send>> {
    out.put_i32(map.len().try_into()?);
    for (key, value) in map.iter() {
        for text in [Some(key), value] {
            match text {
                Some(text) => {
                    out.put_i32(text.len().try_into()?);
                    out.put_slice(text.as_bytes());
                }
                None => out.put_i32(-1),
            }
        }
    }
    Ok(())
}

pub(super) fn read(raw: &[u8]) -> Result<Cell<'_>, Mismatch> {
    Pairs::new(raw).map(Cell::HStore)
}

/// Refuses values of hstore, on a connection that is not to know them.
pub(super) fn refuse(values: &[Value]) -> Result<(), DriverError> {
    fn holds(value: &Value) -> bool {
        match value {
            Value::HStore(_) => true,
            Value::Array(elements) => elements.iter().any(holds),
            _ => false,
        }
    }
    let Some(at) = values.iter().position(holds) else { return Ok(()) };
    let text = format!("parameter ${}: HStore cannot be sent, as register_hstore(false) was said", at + 1);
    Err(DriverError::harmless(Error::new(ErrorKind::Parameter, text)))
}
