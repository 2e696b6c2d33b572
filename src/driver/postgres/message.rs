//! Writes the messages of a request, except for the parameters, which `encode.rs` writes.

use bytes::{BufMut as _, BytesMut};
use postgres_types::Type;

/// Runs the unnamed portal to its end.
const EXECUTE: &[u8] = b"E\0\0\0\x09\0\0\0\0\0";
/// Ends a group: what fails in it keeps what stands behind it in the group from running.
pub(super) const SYNC: &[u8] = b"S\0\0\0\x04";

/// Writes a message of some tag, whose length is put in front of what `body` writes.
pub(super) fn message(tag: u8, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    let start = out.len();
    out.put_i32(0);
    body(out);
    // The limits of a message are checked where texts and parameters come in.
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn put_name(name: &[u8], out: &mut BytesMut) {
    out.put_slice(name);
    out.put_u8(0);
}

/// Prepares a text, whose first parameters are of these types; the server finds out the others.
pub(super) fn parse(name: &[u8], text: &str, types: &[Type], out: &mut BytesMut) {
    // More than this no statement has.
    let count = u16::try_from(types.len()).unwrap_or(u16::MAX);
    message(b'P', out, |out| {
        put_name(name, out);
        put_name(text.as_bytes(), out);
        out.put_u16(count);
        types.iter().take(count.into()).for_each(|ty| out.put_u32(ty.oid()));
    });
}

/// Asks for the types of a prepared statement.
pub(super) fn describe(name: &[u8], out: &mut BytesMut) {
    message(b'D', out, |out| {
        out.put_u8(b'S');
        put_name(name, out);
    });
}

/// Makes the server forget a prepared statement. That it does not know it is no error.
pub(super) fn close(name: &[u8], out: &mut BytesMut) {
    message(b'C', out, |out| {
        out.put_u8(b'S');
        put_name(name, out);
    });
}

/// Asks for the columns of what was bound last.
pub(super) fn describe_bound(out: &mut BytesMut) {
    out.put_slice(b"D\0\0\0\x06P\0");
}

/// Binds texts to a prepared statement. They go as bytes, which is how a text and a `bytea` are alike.
pub(super) fn bind_texts(name: &[u8], texts: &[&str], out: &mut BytesMut) {
    let count = i16::try_from(texts.len()).unwrap_or(i16::MAX);
    message(b'B', out, |out| {
        out.put_u8(0);
        put_name(name, out);
        // All in binary, or there are none.
        out.put_slice(if texts.is_empty() { &[0, 0] } else { &[0, 1, 0, 1] });
        out.put_i16(count);
        for text in texts {
            out.put_i32(i32::try_from(text.len()).unwrap_or(i32::MAX));
            out.put_slice(text.as_bytes());
        }
        out.put_i16(0);
    });
}

pub(super) fn execute(out: &mut BytesMut) {
    out.put_slice(EXECUTE);
}

pub(super) fn sync(out: &mut BytesMut) {
    out.put_slice(SYNC);
}

/// A text of any number of statements.
pub(super) fn query(before: &str, text: &str, out: &mut BytesMut) {
    message(b'Q', out, |out| {
        out.put_slice(before.as_bytes());
        put_name(text.as_bytes(), out);
    });
}

/// The number of rows in the tag of a command.
pub(super) fn affected(tag: &[u8]) -> u64 {
    let tag = tag.strip_suffix(b"\0").unwrap_or(tag);
    let digits = tag.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let value = |sum: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    };
    digits.iter().try_fold(0, value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_tells_how_many_rows_there_were() {
        let tags: [&[u8]; 5] = [b"INSERT 0 12\0", b"SELECT 3\0", b"BEGIN\0", b"COPY 7\0", b""];
        assert_eq!(tags.map(affected), [12, 3, 0, 7, 0]);
    }

    #[test]
    fn a_length_counts_itself() {
        let mut out = BytesMut::new();
        close(b"ab", &mut out);
        assert_eq!(out, &b"C\0\0\0\x08Sab\0"[..]);
    }
}
