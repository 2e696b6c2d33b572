//! Small helpers that make text fit for people.

use std::{error::Error, iter};

/// A number with a comma before every three digits: `3,201`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// At most `widest` characters of a text, the last of them `…` if there were more. Control characters become
/// spaces, as those in a data file must not steer the terminal.
pub(crate) fn cut(text: &str, widest: usize) -> String {
    let clean = |part: &str| part.replace(char::is_control, " ");
    if text.chars().count() <= widest {
        return clean(text);
    }
    let kept: String = text.chars().take(widest.saturating_sub(1)).collect();
    format!("{}…", clean(&kept).trim_end())
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let texts: Vec<_> = iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect();
    texts.join(": ")
}
