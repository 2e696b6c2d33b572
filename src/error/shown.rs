//! The text of a statement as errors and traces show it: without the values that this crate has written into it.
//!
//! Used by the writers of such texts and by all that show them.

use std::borrow::Cow;

/// What stands around values that are part of a statement's text, so that errors and traces leave them out.
pub(crate) const VALUES: [&str; 2] = ["/*nestling: values*/", "/*nestling: end*/"];

/// Texts with values in them are longer than this: only many values are written so.
const SHORT: usize = 8_192;

/// The text of a statement without the values that this crate has written into it.
pub(crate) fn shown(sql: &str) -> Cow<'_, str> {
    let [begin, end] = VALUES;
    if sql.len() < SHORT || !sql.contains(begin) {
        return sql.into();
    }
    let mut parts = sql.split(begin);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push('…');
        text.push_str(part.split_once(end).map_or("", |(_, rest)| rest));
    }
    text.into()
}

/// The beginning of a statement's text, up to so many bytes, and not into values that this crate has written into it.
pub(crate) fn shown_start(sql: &str, most: usize) -> &str {
    if sql.len() <= most {
        return sql;
    }
    let cut = |end: usize| &sql[..(0..=end).rev().find(|at| sql.is_char_boundary(*at)).unwrap_or_default()];
    if sql.len() < SHORT {
        return cut(most);
    }
    let [begin, _] = VALUES;
    let start = cut(most + begin.len());
    start.find(begin).map_or_else(|| cut(most), |values| &start[..values.min(cut(most).len())])
}
