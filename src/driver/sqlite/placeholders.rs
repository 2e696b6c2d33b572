//! Placeholders of long texts. SQLite takes `$1` for a name and looks names up one after the other, which is quadratic
//! in their number; `?1` is a number. The text keeps its length, so that positions in messages stay right.
//!
//! It knows no values.

use std::borrow::Cow;

/// Shorter texts have too few placeholders for it to matter.
const LONG: usize = 1024;
/// The highest number that SQLite takes in `?NNN`.
const HIGHEST: usize = 32_766;

/// A text as SQLite is to have it.
#[derive(Debug, PartialEq)]
pub(super) struct Text<'q> {
    pub(super) sql: Cow<'q, str>,
    /// All its placeholders are known to be numbers, so that none need be asked for its name.
    pub(super) is_numbered: bool,
}

impl<'q> Text<'q> {
    pub(super) fn of(sql: &'q str) -> Self {
        let plain = Self { sql: Cow::Borrowed(sql), is_numbered: false };
        if sql.len() < LONG {
            return plain;
        }
        let Some(dollars) = numbers(sql.as_bytes()) else { return plain };
        let mut bytes = sql.as_bytes().to_vec();
        dollars.into_iter().for_each(|at| bytes[at] = b'?');
        // One character of ASCII was put in place of another.
        String::from_utf8(bytes).map_or(plain, |sql| Self { sql: Cow::Owned(sql), is_numbered: true })
    }
}

/// Where the `$` of `$1` and the like are; `None` if there is a placeholder that has no number.
fn numbers(sql: &[u8]) -> Option<Vec<usize>> {
    let (mut dollars, mut at) = (Vec::new(), 0);
    while let Some(byte) = sql.get(at) {
        let rest = &sql[at + 1..];
        let until = |end: &[u8]| rest.windows(end.len()).position(|window| window == end).map(|to| to + end.len());
        at += 1 + match byte {
            b'\'' | b'"' | b'`' => until(&[*byte]).unwrap_or(rest.len()),
            b'[' => until(b"]").unwrap_or(rest.len()),
            b'-' if rest.starts_with(b"-") => until(b"\n").unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"*") => {
                let comment = &rest[1..];
                1 + comment.windows(2).position(|end| end == b"*/").map_or(comment.len(), |to| to + 2)
            }
            b'$' | b'?' => {
                let name = word(rest);
                let number: usize = str::from_utf8(&rest[..name]).ok()?.parse().ok()?;
                if !(1..=HIGHEST).contains(&number) || rest[name..].starts_with(b"(") || rest[name..].starts_with(b"::")
                {
                    return None;
                }
                if *byte == b'$' {
                    dollars.push(at);
                }
                name
            }
            b':' | b'@' | b'#' => return None,
            byte if is_word(*byte) => word(rest),
            _ => 0,
        };
    }
    Some(dollars)
}

fn word(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_word(**byte)).count()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(sql: &str) -> String {
        format!("{sql} --{}", " ".repeat(LONG))
    }

    #[test]
    fn numbers_stand_in_place_of_names_and_all_else_stays() {
        for (sql, numbered) in [
            ("select $1, $22 from t where a$1 = $3", "select ?1, ?22 from t where a$1 = ?3"),
            ("select '$1', \"$1\", `$1`, [$1], $2", "select '$1', \"$1\", `$1`, [$1], ?2"),
            ("select 'it''s $1' /* $1 */ + $1 -- $1\n, ?2", "select 'it''s $1' /* $1 */ + ?1 -- $1\n, ?2"),
            ("select 'é' || $1", "select 'é' || ?1"),
        ] {
            assert_eq!(Text::of(&long(sql)), Text { sql: long(numbered).into(), is_numbered: true });
        }
    }

    #[test]
    fn a_text_with_other_placeholders_stays_as_it_is() {
        for sql in
            ["select $1, ?", "select $1, :a", "select @a", "select $a", "select $0", "select $40000", "select $1(2)"]
        {
            let sql = long(sql);
            assert_eq!(Text::of(&sql), Text { sql: (&*sql).into(), is_numbered: false });
        }
    }
}
