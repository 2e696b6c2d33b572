//! Removes values from the messages of servers. A message quotes names, which may be shown, and values, which may be
//! secrets, and does not say which is which. A quotation that also stands in the statement's text is not a parameter's
//! value.
//!
//! Used by the `classify.rs` of the drivers. It is pure.

/// What opens a quotation, and what may close it. Servers that speak other languages have other quotes, and some of them
/// the other way round.
const QUOTES: [(char, &[char]); 11] = [
    ('"', &['"']),
    ('\'', &['\'']),
    ('«', &['»']),
    ('»', &['«']),
    ('“', &['”', '“']),
    ('”', &['”']),
    ('„', &['“', '”', '‟']),
    ('‘', &['’']),
    ('‚', &['‘', '’']),
    ('「', &['」']),
    ('[', &[']']),
];

/// The message without its values, or `None` if it has none: what is quoted and not known, and all that stands between
/// such quotations, as a value may have quotes in it.
pub(super) fn without_values(message: &str, is_known: impl Fn(&str) -> bool) -> Option<String> {
    let mut from = 0;
    while let Some((open, mark, closers)) = opening(message, from) {
        let start = open + mark.len_utf8();
        let head = &message[..open];
        let Some((close, next)) = closing(message, start, closers) else {
            return Some(format!("{head}\"…\""));
        };
        let quoted = &message[start..close];
        if is_known(quoted) || is_name_of_value(quoted, &message[next..]) {
            from = next;
            continue;
        }
        // "invalid input syntax for type integer: "x"": what stands last is the value, and nothing is lost without it.
        if let Some(head) = head.strip_suffix(": ") {
            return Some(head.to_owned());
        }
        let last = message.char_indices().rev().find(|(at, c)| *at >= close && is_mark(message, *at, *c));
        let rest = last.map_or("", |(at, c)| &message[at + c.len_utf8()..]);
        return Some(format!("{head}\"…\"{rest}"));
    }
    None
}

/// Whether what a server quotes stands in a text, in whatever case and quotes: a word as a whole word.
pub(super) fn stands_in(quoted: &str, text: &str) -> bool {
    let plain = |text: &str| text.replace(['"', '`'], "").to_lowercase();
    let (quoted, text) = (plain(quoted), plain(text));
    if quoted.is_empty() {
        return true;
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if !quoted.chars().all(is_word) {
        return text.contains(&quoted);
    }
    text.match_indices(&quoted)
        .any(|(at, found)| !text[..at].ends_with(is_word) && !text[at + found.len()..].starts_with(is_word))
}

fn opening(message: &str, from: usize) -> Option<(usize, char, &'static [char])> {
    message[from..].char_indices().map(|(at, c)| (from + at, c)).find_map(|(at, c)| {
        let (_, closers) = QUOTES.iter().find(|(open, _)| *open == c && is_mark(message, at, c))?;
        Some((at, c, *closers))
    })
}

/// Where a quotation ends, and where the text goes on.
fn closing(message: &str, from: usize, closers: &[char]) -> Option<(usize, usize)> {
    let mut marks = message[from..].char_indices().map(|(at, c)| (from + at, c));
    let (at, c) = marks.find(|(at, c)| closers.contains(c) && is_mark(message, *at, *c))?;
    Some((at, at + c.len_utf8()))
}

/// Whether a character quotes: an apostrophe within a word does not.
fn is_mark(message: &str, at: usize, c: char) -> bool {
    let within = || {
        message[..at].ends_with(char::is_alphabetic) && message[at + c.len_utf8()..].starts_with(char::is_alphabetic)
    };
    QUOTES.iter().any(|(open, closers)| *open == c || closers.contains(&c)) && !(matches!(c, '\'' | '’') && within())
}

/// `invalid value for parameter "work_mem": "lots"`
fn is_name_of_value(quoted: &str, rest: &str) -> bool {
    let value = rest.strip_prefix(": ").and_then(|rest| rest.chars().next());
    let is_name = quoted.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    is_name && value.is_some_and(|mark| QUOTES.iter().any(|(open, _)| *open == mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str, sql: &str) -> String {
        without_values(message, |quoted| stands_in(quoted, sql)).unwrap_or_else(|| message.to_owned())
    }

    #[test]
    fn what_is_quoted_and_not_in_the_statement_is_a_value() {
        let sql = "select to_tsquery($1), \"Film\".name from item";
        for (message, silent) in [
            ("syntax error in tsquery: \"a\"b\"", "syntax error in tsquery"),
            ("relation \"hunter2\" does not exist", "relation \"…\" does not exist"),
            ("relation \"item\" does not exist", "relation \"item\" does not exist"),
            ("relation \"film\" does not exist", "relation \"film\" does not exist"),
            ("relation \"ite\" does not exist", "relation \"…\" does not exist"),
            ("column \"name\" of \"x\" and \"item\" is odd", "column \"name\" of \"…\" is odd"),
            ("value \"99999\" is out of range", "value \"…\" is out of range"),
            ("invalid value for parameter \"work_mem\": \"lots\"", "invalid value for parameter \"work_mem\""),
            ("ungültige Eingabesyntax für Typ inet: »x«", "ungültige Eingabesyntax für Typ inet"),
            ("Table 'O'Neill' doesn't exist", "Table \"…\" doesn't exist"),
            ("malformed MATCH expression: [hunter2]", "malformed MATCH expression"),
            ("an end is \"missing", "an end is \"…\""),
            ("function f(integer[]) does not exist", "function f(integer[]) does not exist"),
            ("date out of range", "date out of range"),
        ] {
            assert_eq!(told(message, sql), silent);
        }
    }
}
