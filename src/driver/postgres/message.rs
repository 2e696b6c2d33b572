//! Writes the messages of a request, except for the parameters, which `encode.rs` writes.

use bytes::BufMut as _;
use postgres_types::Type;

/// Runs the unnamed portal to its end.
const EXECUTE: &[u8] = b"E\0\0\0\x09\0\0\0\0\0";
/// Ends a group: what fails in it keeps what stands behind it in the group from running.
pub(super) const SYNC: &[u8] = b"S\0\0\0\x04";

/// Writes a message of some tag, with a body of `size` bytes that `body` writes. The buffer grows once: to grow it costs more than
/// the bytes do.
fn message(tag: u8, size: usize, out: &mut Vec<u8>, body: impl FnOnce(&mut &mut [u8])) {
    let start = out.len();
    out.resize(start + HEAD + size, 0);
    let (head, mut rest) = out[start..].split_at_mut(HEAD);
    head[0] = tag;
    head[1..].copy_from_slice(&length(4 + size));
    body(&mut rest);
    debug_assert!(rest.is_empty(), "a message has the size that it says");
}

/// The tag and the length.
const HEAD: usize = 5;

/// The limits of a message are checked where texts and parameters come in.
fn length(size: usize) -> [u8; 4] {
    u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes()
}

fn put_name(name: &[u8], rest: &mut &mut [u8]) {
    rest.put_slice(name);
    rest.put_u8(0);
}

/// Begins a Bind of `count` parameters to a prepared statement, and returns where its formats stand, two bytes each. The
/// parameters follow, each behind its length, and then [`bound`].
pub(super) fn bind(name: &[u8], count: u16, out: &mut Vec<u8>) -> usize {
    let count_bytes = count.to_be_bytes();
    let formats = 2 * usize::from(count);
    let start = out.len();
    message(b'B', name.len() + 6 + formats, out, |rest| {
        rest.put_u8(0);
        put_name(name, rest);
        rest.put_slice(&count_bytes);
        *rest = &mut std::mem::take(rest)[formats..];
        rest.put_slice(&count_bytes);
    });
    start + HEAD + name.len() + 4
}

/// Ends the Bind that begins at `start`: all results are asked for in binary.
pub(super) fn bound(start: usize, out: &mut Vec<u8>) {
    out.put_slice(&[0, 1, 0, 1]);
    let size = length(out.len() - start - 1);
    out[start + 1..start + HEAD].copy_from_slice(&size);
}

/// Prepares a text, whose first parameters are of these types; the server finds out the others.
pub(super) fn parse(name: &[u8], text: &str, types: &[Type], out: &mut Vec<u8>) {
    // More than this no statement has.
    let count = u16::try_from(types.len()).unwrap_or(u16::MAX);
    message(b'P', name.len() + text.len() + 4 + 4 * usize::from(count), out, |rest| {
        put_name(name, rest);
        put_name(text.as_bytes(), rest);
        rest.put_u16(count);
        types.iter().take(count.into()).for_each(|ty| rest.put_u32(ty.oid()));
    });
}

/// Asks for the types of a prepared statement.
pub(super) fn describe(name: &[u8], out: &mut Vec<u8>) {
    statement(b'D', name, out);
}

/// Makes the server forget a prepared statement. That it does not know it is no error.
pub(super) fn close(name: &[u8], out: &mut Vec<u8>) {
    statement(b'C', name, out);
}

fn statement(tag: u8, name: &[u8], out: &mut Vec<u8>) {
    message(tag, name.len() + 2, out, |rest| {
        rest.put_u8(b'S');
        put_name(name, rest);
    });
}

/// Asks for the columns of what was bound last.
pub(super) fn describe_bound(out: &mut Vec<u8>) {
    out.put_slice(b"D\0\0\0\x06P\0");
}

/// Binds texts to a prepared statement. They go as bytes, which is how a text and a `bytea` are alike.
pub(super) fn bind_texts(name: &[u8], texts: &[&str], out: &mut Vec<u8>) {
    let count = i16::try_from(texts.len()).unwrap_or(i16::MAX);
    // All in binary, or there are none.
    let formats: &[u8] = if texts.is_empty() { &[0, 0] } else { &[0, 1, 0, 1] };
    let size = name.len() + 2 + formats.len() + 4 + texts.iter().map(|text| 4 + text.len()).sum::<usize>();
    message(b'B', size, out, |rest| {
        rest.put_u8(0);
        put_name(name, rest);
        rest.put_slice(formats);
        rest.put_i16(count);
        for text in texts {
            rest.put_i32(i32::try_from(text.len()).unwrap_or(i32::MAX));
            rest.put_slice(text.as_bytes());
        }
        rest.put_i16(0);
    });
}

pub(super) fn execute(out: &mut Vec<u8>) {
    out.put_slice(EXECUTE);
}

/// Runs the unnamed portal, and ends the group.
pub(super) fn execute_and_sync(out: &mut Vec<u8>) {
    out.put_slice(b"E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04");
}

pub(super) fn sync(out: &mut Vec<u8>) {
    out.put_slice(SYNC);
}

/// A text of any number of statements.
pub(super) fn query(before: &str, text: &str, out: &mut Vec<u8>) {
    message(b'Q', before.len() + text.len() + 1, out, |rest| {
        rest.put_slice(before.as_bytes());
        put_name(text.as_bytes(), rest);
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
#[path = "message_tests.rs"]
mod message_tests;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_tells_how_many_rows_there_were() {
        let tags: [&[u8]; 5] = [b"INSERT 0 12\0", b"SELECT 3\0", b"BEGIN\0", b"COPY 7\0", b""];
        assert_eq!(tags.map(affected), [12, 3, 0, 7, 0]);
    }
}
