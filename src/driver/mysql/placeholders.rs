//! Numbered parameters for a protocol that knows only `?`: the text with each `$1` replaced, and which value goes where.

use super::{handles::Handle, implicit, shape::LastShape};
use crate::{
    statement::{SessionEffect, session_effect},
    tokens::{Reading, Syntax, Token, Tokens},
};

/// A statement as MySQL takes it.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) sql: Box<str>,
    /// The index of the value for each `?`; `None` if the text has `?` of its own, which take the values in turn.
    pub(super) order: Option<Box<[usize]>>,
    pub(super) shape: LastShape,
    pub(super) handle: Handle,
    /// What it leaves behind in the session.
    pub(super) effect: SessionEffect,
    /// Whether it may end the transaction that it runs in, and begin another.
    pub(super) is_opaque: bool,
}

impl Text {
    pub(super) fn new(sql: &str) -> Self {
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
        Self {
            sql: out.into(),
            order: (!order.is_empty()).then(|| order.into()),
            shape: LastShape::default(),
            handle: Handle::default(),
            effect: session_effect(sql, Syntax::Mysql),
            is_opaque: implicit::is_opaque(sql),
        }
    }

    /// Whether there is no statement in it.
    pub(super) fn is_empty(&self) -> bool {
        Tokens::new(&self.sql, Reading::MYSQL).all(|token| token.is_mark(b";"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_question_marks_in_their_order() {
        let new = |sql: &str| {
            let Text { sql, order, shape: _, handle: _, effect: _, is_opaque: _ } = Text::new(sql);
            (sql, order)
        };
        let text = |sql: &str, order: Option<&[usize]>| (Box::from(sql), order.map(Box::from));
        assert_eq!(new("select 1"), text("select 1", None));
        assert_eq!(new("select ?"), text("select ?", None));
        assert_eq!(new("a = $2 and b = $1, $1"), text("a = ? and b = ?, ?", Some(&[1, 0, 0])));
        assert_eq!(new("'$1' \"$2\" `$3` -- $4\n $12"), text("'$1' \"$2\" `$3` -- $4\n ?", Some(&[11])));
        assert_eq!(new("json->'$.a' = $1"), text("json->'$.a' = ?", Some(&[0])));
        assert_eq!(new("ü$1ü"), text("ü$1ü", None));
        assert_eq!(new("$0 $"), text("$0 $", None));
        assert_eq!(new("5--$1 -- $2"), text("5--? -- $2", Some(&[0])));
    }

    #[test]
    fn comments_and_semicolons_are_no_statement() {
        for empty in ["", " ", "-- nothing\n;;", "/* x */ ; # y"] {
            assert!(Text::new(empty).is_empty(), "{empty}");
        }
        for full in ["do 0", ";do 0", "/*!50000 do 0 */"] {
            assert!(!Text::new(full).is_empty(), "{full}");
        }
    }
}
