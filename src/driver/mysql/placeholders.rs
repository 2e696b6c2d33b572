//! [`Template`]: numbered parameters for a protocol that has only `?`. It replaces each `$1`, remembers which value
//! goes where, and puts a cast around the placeholders whose values would lose their type.

use std::sync::Arc;

use super::{
    implicit,
    param_type::ParamType,
    result_meta::ResultMetaCache,
    server::Server,
    statement::{StatementHandle, StatementText},
};
use crate::{
    data::value::Value,
    driver::wrong_count,
    error::Error,
    sql::{
        statement::{SessionEffect, session_effect},
        tokens::{Reading, Syntax, Token, Tokens},
    },
};

/// Whether there is no statement in a text.
pub(super) fn is_empty(sql: &str) -> bool {
    Tokens::new(sql, Reading::MYSQL).all(|token| token.is_mark(b";"))
}

/// A statement as it was given, and facts about its placeholders.
#[derive(Debug)]
pub(super) struct Template {
    sql: Arc<str>,
    order: Option<Arc<[usize]>>,
    /// For each value whether it is only stored; empty if none is.
    stored: Box<[bool]>,
    effect: SessionEffect,
    is_opaque: bool,
}

impl Template {
    pub(super) fn new(given: &str) -> Self {
        let (sql, order) = numbered(given);
        let stored = if inserts(&sql) { stored(&sql, order.as_deref()) } else { Box::default() };
        let (effect, is_opaque) = (session_effect(given, Syntax::Mysql), implicit::is_opaque(given));
        Self { sql: sql.into(), order: order.map(Into::into), stored, effect, is_opaque }
    }

    /// The types of these values here.
    pub(super) fn types(&self, values: &[Value], server: Server) -> impl Iterator<Item = ParamType> {
        values
            .iter()
            .enumerate()
            .map(move |(at, value)| ParamType::of(value, self.stored.get(at).copied().unwrap_or(false), server))
    }

    /// The statement for values of these types.
    ///
    /// # Errors
    /// `Parameter` if there are more of them than it takes, or fewer.
    pub(super) fn text(&self, types: &[ParamType], server: Server, is_cached: bool) -> Result<StatementText, Error> {
        if let Some(order) = &self.order {
            let takes = order.iter().max().map_or(0, |last| last + 1);
            if takes != types.len() {
                return Err(wrong_count(types.len(), takes));
            }
        }
        let mut out = String::new();
        let mut copied = 0;
        if types.iter().any(|one| one.cast(true, server).is_some()) {
            for (at, placeholder) in placeholders(&self.sql).enumerate() {
                let of_value = value_at(self.order.as_deref(), at).and_then(|value| types.get(value));
                let Some((ahead, behind)) = of_value.and_then(|one| one.cast(placeholder.is_argument, server)) else {
                    continue;
                };
                out.push_str(&self.sql[copied..placeholder.at]);
                out.push_str(ahead);
                out.push('?');
                out.push_str(&behind);
                copied = placeholder.at + 1;
            }
        }
        let sql = if copied == 0 { Arc::clone(&self.sql) } else { (out + &self.sql[copied..]).into() };
        Ok(StatementText {
            sql,
            order: self.order.clone(),
            meta: ResultMetaCache::default(),
            handle: StatementHandle::default(),
            is_cached,
            effect: self.effect,
            is_opaque: self.is_opaque,
        })
    }
}

/// Which value a placeholder takes.
fn value_at(order: Option<&[usize]>, placeholder: usize) -> Option<usize> {
    order.map_or(Some(placeholder), |order| order.get(placeholder).copied())
}

/// For each value of an INSERT whether all its placeholders are values of rows by themselves.
fn stored(sql: &str, order: Option<&[usize]>) -> Box<[bool]> {
    let mut stored = Vec::new();
    for (at, placeholder) in placeholders(sql).enumerate() {
        let Some(value) = value_at(order, at) else { continue };
        if stored.len() <= value {
            stored.resize(value + 1, None);
        }
        stored[value] = Some(placeholder.is_stored && stored[value] != Some(false));
    }
    stored.into_iter().map(|all| all == Some(true)).collect()
}

fn inserts(sql: &str) -> bool {
    Tokens::new(sql, Reading::MYSQL).next().is_some_and(|token| token.is_any(&["INSERT", "REPLACE"]))
}

/// The text with `?` for each `$1`, and their numbers.
fn numbered(sql: &str) -> (String, Option<Vec<usize>>) {
    let mut out = String::with_capacity(sql.len());
    let mut order = Vec::new();
    let mut copied = 0;
    let mut tokens = Tokens::new(sql, Reading::MYSQL);
    while let Some(token) = tokens.next() {
        let at = sql.len() - tokens.rest().len();
        if !token.is_mark(b"$") {
            continue;
        }
        let digits = tokens.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = sql.get(at..at + digits).and_then(|digits| digits.parse::<usize>().ok());
        let Some(index) = number.and_then(|number| number.checked_sub(1)) else { continue };
        // The dollar is one byte, just ahead.
        out.push_str(&sql[copied..at - 1]);
        out.push('?');
        order.push(index);
        copied = at + digits;
        if let Some(Token::Word(word)) = tokens.next() {
            debug_assert!(word.len() >= digits, "a number is one word");
        }
    }
    out.push_str(&sql[copied..]);
    (out, (!order.is_empty()).then_some(order))
}

/// A placeholder in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Placeholder {
    /// Its byte in the text.
    at: usize,
    /// Whether it is an element of a list: the argument of a function, as a rule.
    is_argument: bool,
    /// Whether it is, by itself, a value of a row that is inserted.
    is_stored: bool,
}

/// The placeholders of a text, in order.
fn placeholders(sql: &str) -> impl Iterator<Item = Placeholder> {
    let mut tokens = Tokens::new(sql, Reading::MYSQL);
    let mut state = InsertScanner { inserts: inserts(sql), ..InsertScanner::default() };
    std::iter::from_fn(move || {
        loop {
            let token = tokens.next()?;
            let before = state.last.replace(token);
            if !token.is_mark(b"?") {
                state.pass(token);
                continue;
            }
            let is_argument = before.is_some_and(|token| token.is_mark(b"(,"))
                && tokens.clone().next().is_some_and(|token| token.is_mark(b",)"));
            let at = sql.len() - tokens.rest().len() - 1;
            return Some(Placeholder { at, is_argument, is_stored: is_argument && state.in_rows && state.depth == 1 });
        }
    })
}

/// How far the rows of an INSERT have been read.
#[derive(Debug, Default)]
struct InsertScanner<'s> {
    last: Option<Token<'s>>,
    inserts: bool,
    in_rows: bool,
    depth: usize,
}

impl InsertScanner<'_> {
    fn pass(&mut self, token: Token<'_>) {
        match token {
            Token::Mark(b'(') => self.depth += 1,
            Token::Mark(b')') => self.depth = self.depth.saturating_sub(1),
            // A word behind the rows ends them.
            Token::Word(_) if self.depth == 0 => {
                self.in_rows = self.inserts && !self.in_rows && token.is_any(&["VALUES", "VALUE"]);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "placeholders_tests.rs"]
mod tests;
