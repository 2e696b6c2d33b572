//! The words, quotes and marks of an SQL text, in the [`Reading`] of one database or another.
//!
//! Used by `statement`. It must not know what a word means; it never fails, whatever the text.

/// Whose rules for quotes and comments a text is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Comments nest; a backslash escapes in `E'..'` alone; `[` and `#` are operators.
    Postgres,
    /// A backslash escapes in strings; `#` begins a comment; `/*! .. */` is executed.
    Mysql,
    /// `[..]` is a name.
    Sqlite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'s> {
    /// A keyword, a bare name or a number.
    Word(&'s [u8]),
    /// A string or a name, with its quotes.
    Quoted(&'s [u8]),
    Mark(u8),
}

impl Token<'_> {
    /// Whether this is the keyword, or the name, in whatever case and quotes.
    pub(crate) fn is(self, keyword: &str) -> bool {
        match self {
            Self::Word(word) => word.eq_ignore_ascii_case(keyword.as_bytes()),
            Self::Quoted([b'`', name @ .., b'`'] | [b'"', name @ .., b'"'] | [b'[', name @ .., b']']) => {
                name.eq_ignore_ascii_case(keyword.as_bytes())
            }
            Self::Quoted(_) | Self::Mark(_) => false,
        }
    }

    pub(crate) fn is_any(self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    pub(crate) fn is_mark(self, marks: &[u8]) -> bool {
        matches!(self, Self::Mark(mark) if marks.contains(&mark))
    }
}

/// The tokens of a text. Blanks and comments lie between them.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'s> {
    text: &'s [u8],
    at: usize,
    reading: Reading,
    /// Whether a statement begins here.
    fresh: bool,
    /// Whether this is inside of `/*! .. */`.
    executed: bool,
    doubt: bool,
}

impl<'s> Tokens<'s> {
    pub(crate) fn new(text: &'s str, reading: Reading) -> Self {
        Self { text: text.as_bytes(), at: 0, reading, fresh: true, executed: false, doubt: false }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'s [u8] {
        &self.text[self.at..]
    }

    /// Whether anything was met that another database reads otherwise.
    pub(crate) fn doubt(&self) -> bool {
        self.doubt
    }

    fn skip_blank(&mut self) {
        loop {
            match self.rest() {
                [b' ' | b'\t'..=b'\r', ..] => self.at += 1,
                // SQLite skips a byte order mark wherever it stands.
                [0xef, 0xbb, 0xbf, ..] => self.at += 3,
                // Elsewhere two minus signs are two minus signs.
                [b'-', b'-', next, ..] if self.reading == Reading::Mysql && *next > b' ' => {
                    self.doubt = true;
                    return;
                }
                [b'-', b'-', next, ..] if *next > b' ' => {
                    self.doubt = true;
                    self.skip_line();
                }
                [b'-', b'-', ..] => self.skip_line(),
                [b'#', ..] if self.fresh || self.reading == Reading::Mysql => self.skip_line(),
                [b'*', b'/', ..] if self.executed => {
                    self.executed = false;
                    self.at += 2;
                }
                [b'/', b'*', ..] => self.skip_comment(),
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        // A carriage return ends the line on PostgreSQL.
        let end = self.rest().iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        self.at = end.map_or(self.text.len(), |end| self.at + end);
    }

    fn skip_comment(&mut self) {
        let marker = match self.rest() {
            [_, _, b'!', ..] => 3,
            [_, _, b'M', b'!', ..] => 4,
            _ => 0,
        };
        if marker > 0 {
            self.doubt = true;
            if self.reading == Reading::Mysql {
                self.at += marker;
                self.at += self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
                self.executed = true;
                return;
            }
        }
        self.at += 2;
        let mut depth = 1;
        while depth > 0 {
            self.at += match self.rest() {
                [] => return,
                [b'*', b'/', ..] => {
                    depth -= 1;
                    2
                }
                [b'/', b'*', ..] => {
                    self.doubt = true;
                    depth += usize::from(self.reading == Reading::Postgres);
                    // Where comments do not nest, the star may belong to the end of this one.
                    if self.reading == Reading::Postgres { 2 } else { 1 }
                }
                _ => 1,
            };
        }
    }

    fn word(&mut self) -> Token<'s> {
        let start = self.at;
        self.at += self.rest().iter().take_while(|byte| is_word(**byte) || **byte == b'$').count();
        let word = &self.text[start..self.at];
        if self.reading == Reading::Postgres && matches!(word, b"e" | b"E") && self.rest().starts_with(b"'") {
            return self.quoted(b'\'', true);
        }
        Token::Word(word)
    }

    fn quoted(&mut self, close: u8, escapes: bool) -> Token<'s> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.rest() {
                [] => break,
                [one, two, ..] if *one == close && two == one && close != b']' => self.at += 2,
                [one, ..] if *one == close => {
                    self.at += 1;
                    break;
                }
                [b'\\', _, ..] => {
                    self.doubt = true;
                    self.at += if escapes { 2 } else { 1 };
                }
                _ => self.at += 1,
            }
        }
        Token::Quoted(&self.text[start..self.at])
    }

    /// A string between dollars. So it is read for all databases: what else would stand between two equal tags?
    fn dollars(&mut self) -> Token<'s> {
        let (start, rest) = (self.at, self.rest());
        let tag = 1 + rest[1..].iter().take_while(|byte| is_word(**byte)).count();
        let is_tag = rest.get(tag) == Some(&b'$') && !rest[1].is_ascii_digit();
        let (tag, text) = rest.split_at(if is_tag { tag + 1 } else { 1 });
        match text.windows(tag.len()).position(|window| window == tag).filter(|_| is_tag) {
            Some(end) => {
                self.at += end + 2 * tag.len();
                Token::Quoted(&self.text[start..self.at])
            }
            None => {
                self.at += 1;
                Token::Mark(b'$')
            }
        }
    }
}

impl<'s> Iterator for Tokens<'s> {
    type Item = Token<'s>;

    fn next(&mut self) -> Option<Token<'s>> {
        self.skip_blank();
        let first = *self.rest().first()?;
        self.fresh = first == b';';
        self.doubt |= matches!(first, b'#' | b'[');
        let mysql = self.reading == Reading::Mysql;
        Some(match first {
            b'\'' | b'"' => self.quoted(first, mysql),
            b'`' => self.quoted(first, false),
            b'[' if self.reading == Reading::Sqlite => self.quoted(b']', false),
            b'$' => self.dollars(),
            _ if is_word(first) => self.word(),
            _ => {
                self.at += 1;
                Token::Mark(first)
            }
        })
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}
