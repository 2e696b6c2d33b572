//! [`Array`]: arrays of one dimension in PostgreSQL's protocol: binary, or text where an element can be sent only as
//! text.
//!
//! Used by `encode.rs` and `decode.rs`, which know the elements; this file knows the array's header.

use std::error::Error as StdError;

use bytes::BufMut;
use postgres_types::IsNull;

use crate::data::cell::{Cell, Elements, Mismatch, ReadElement};

/// A value that can be written as an element of an array.
pub(super) trait Element {
    fn is_null(&self) -> bool;

    fn is_array(&self) -> bool;

    /// Whether it is sent in the text format. NULL is the same in both.
    fn is_text(&self) -> bool;

    fn write(&self, out: &mut Vec<u8>) -> Result<IsNull, Box<dyn StdError + Sync + Send>>;
}

/// An array to be sent, its elements fitted to their type.
pub(super) struct Array<E> {
    elements: Vec<E>,
    /// The OID of the type of the elements.
    oid: u32,
    text: bool,
}

impl<E: Element> Array<E> {
    /// `None` if the elements cannot be sent together: as text and in binary, or as arrays in an array.
    pub(super) fn new(elements: Vec<E>, oid: u32) -> Option<Self> {
        // A nested array has a header of its own, with all its dimensions.
        let nested = elements.iter().any(Element::is_array);
        let mut values = elements.iter().filter(|element| !element.is_null());
        let text = values.clone().next().is_some_and(Element::is_text);
        let uniform = values.all(|element| element.is_text() == text);
        (uniform && !nested).then_some(Self { elements, oid, text })
    }

    pub(super) fn is_text(&self) -> bool {
        self.text
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), Box<dyn StdError + Sync + Send>> {
        if self.text { self.write_text(out) } else { self.write_binary(out) }
    }

    fn write_binary(&self, out: &mut Vec<u8>) -> Result<(), Box<dyn StdError + Sync + Send>> {
        let nulls = self.elements.iter().any(Element::is_null);
        out.put_i32(i32::from(!self.elements.is_empty()));
        out.put_i32(nulls.into());
        out.put_u32(self.oid);
        if !self.elements.is_empty() {
            out.put_i32(self.elements.len().try_into()?);
            // The index of the first element in SQL.
            out.put_i32(1);
        }
        for element in &self.elements {
            let at = out.len();
            out.put_i32(-1);
            if let IsNull::No = element.write(out)? {
                let length = i32::try_from(out.len() - at - 4)?;
                out[at..at + 4].copy_from_slice(&length.to_be_bytes());
            }
        }
        Ok(())
    }

    /// `{"one","two",NULL}`
    fn write_text(&self, out: &mut Vec<u8>) -> Result<(), Box<dyn StdError + Sync + Send>> {
        let mut text = Vec::new();
        for (index, element) in self.elements.iter().enumerate() {
            out.put_u8(if index == 0 { b'{' } else { b',' });
            text.clear();
            if let IsNull::Yes = element.write(&mut text)? {
                out.put_slice(b"NULL");
                continue;
            }
            out.put_u8(b'"');
            for &byte in &text {
                if matches!(byte, b'"' | b'\\') {
                    out.put_u8(b'\\');
                }
                out.put_u8(byte);
            }
            out.put_u8(b'"');
        }
        out.put_u8(b'}');
        Ok(())
    }
}

/// Reads the header of an array. Arrays of several dimensions are returned as bytes.
pub(super) fn read(raw: &[u8], read: ReadElement) -> Result<Cell<'_>, Mismatch> {
    let (dimensions, rest) = int(raw)?;
    let (_nulls, rest) = int(rest)?;
    let (_oid, rest) = int(rest)?;
    match dimensions {
        0 => Ok(Cell::Array(Elements::new(&[], 0, read))),
        1 => {
            let (count, rest) = int(rest)?;
            let (_first, rest) = int(rest)?;
            let count = usize::try_from(count).map_err(|_| Mismatch::invalid())?;
            Ok(Cell::Array(Elements::new(rest, count, read)))
        }
        _ => Ok(Cell::Other(raw)),
    }
}

fn int(raw: &[u8]) -> Result<(i32, &[u8]), Mismatch> {
    let (int, rest) = raw.split_first_chunk().ok_or_else(Mismatch::invalid)?;
    Ok((i32::from_be_bytes(*int), rest))
}
