//! The words, quotes and marks of an SQL text, in a [`Reading`].
//!
//! Used by `statement` and by the drivers. It must not know what a word means; it never fails, whatever the text.

/// Whose rules for quotes and comments a text is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Comments nest; a backslash escapes in `E'..'`; `$tag$..$tag$` is a string.
    Postgres,
    /// `#` begins a comment, and `--` only ahead of a blank; a backslash escapes in strings; `/*! .. */` is executed.
    Mysql,
    /// `[..]` is a name; a variable may have any text in parentheses at its end.
    Sqlite,
}

/// One way to read a text. Settings of a session and the version of its server decide which one is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    syntax: Syntax,
    /// The quotes in which a backslash escapes.
    escapes: &'static [u8],
    /// Whether `/*! .. */` is executed.
    executes: bool,
    /// Whether `$tag$..$tag$` is a string.
    dollars: bool,
}

const fn reading(syntax: Syntax, escapes: &'static [u8], executes: bool, dollars: bool) -> Reading {
    Reading { syntax, escapes, executes, dollars }
}

impl Reading {
    /// As MySQL reads a text unless its `sql_mode` says otherwise.
    #[cfg_attr(not(feature = "mysql"), allow(dead_code, reason = "one driver alone asks for one reading"))]
    pub(crate) const MYSQL: Self = MYSQL[0];

    fn differs_from(self, other: Self) -> Doubt {
        let mut doubt = Doubt::default();
        if self.escapes != other.escapes {
            doubt.add(Doubt::ESCAPE);
        }
        if self.executes != other.executes {
            doubt.add(Doubt::EXECUTED);
        }
        if self.dollars != other.dollars {
            doubt.add(Doubt::DOLLARS);
        }
        doubt
    }
}

/// The other one is that of `standard_conforming_strings = off`.
const POSTGRES: [Reading; 2] =
    [reading(Syntax::Postgres, b"", false, true), reading(Syntax::Postgres, b"'", false, true)];

/// A backslash may escape nowhere (`NO_BACKSLASH_ESCAPES`), or not in double quotes (`ANSI_QUOTES`); `/*!` may be for
/// another version; MySQL 9 has strings between dollars, MariaDB has not.
const MYSQL: [Reading; 12] = [
    reading(Syntax::Mysql, b"'\"", true, false),
    reading(Syntax::Mysql, b"'\"", true, true),
    reading(Syntax::Mysql, b"'\"", false, false),
    reading(Syntax::Mysql, b"'\"", false, true),
    reading(Syntax::Mysql, b"'", true, false),
    reading(Syntax::Mysql, b"'", true, true),
    reading(Syntax::Mysql, b"'", false, false),
    reading(Syntax::Mysql, b"'", false, true),
    reading(Syntax::Mysql, b"", true, false),
    reading(Syntax::Mysql, b"", true, true),
    reading(Syntax::Mysql, b"", false, false),
    reading(Syntax::Mysql, b"", false, true),
];

const SQLITE: [Reading; 1] = [reading(Syntax::Sqlite, b"", false, false)];

impl Syntax {
    fn readings(self) -> &'static [Reading] {
        match self {
            Self::Postgres => &POSTGRES,
            Self::Mysql => &MYSQL,
            Self::Sqlite => &SQLITE,
        }
    }

    /// The reading of a session whose settings are the usual ones.
    pub(crate) fn usual(self) -> Reading {
        self.readings()[0]
    }

    /// Whether the settings of a session decide on what was met.
    pub(crate) fn is_in_doubt(self, met: Doubt) -> bool {
        self.readings()[1..].iter().any(|reading| met.covers(reading.differs_from(self.usual())))
    }

    /// Looks at a text in every way in which a server may read it: the usual one first, and then those that differ from it
    /// in what was met so far. `look` answers with what it has met, or `None` if it has seen enough.
    pub(crate) fn each_reading(self, mut look: impl FnMut(Reading) -> Option<Doubt>) {
        let mut left: Vec<Reading> = self.readings().to_vec();
        let usual = left[0];
        let mut met = Doubt::default();
        while let Some(at) = left.iter().position(|reading| met.covers(reading.differs_from(usual))) {
            let Some(more) = look(left.remove(at)) else { return };
            met.add(more);
        }
    }
}

/// What was met in a text that another reading of the same syntax takes otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Doubt(u8);

impl Doubt {
    /// A backslash in quotes.
    const ESCAPE: Self = Self(1);
    /// A comment that may be executed.
    const EXECUTED: Self = Self(2);
    /// A tag between dollars.
    const DOLLARS: Self = Self(4);

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
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
    /// Whether this is inside of `/*! .. */`.
    executed: bool,
    doubt: Doubt,
}

impl<'s> Tokens<'s> {
    pub(crate) fn new(text: &'s str, reading: Reading) -> Self {
        Self { text: text.as_bytes(), at: 0, reading, executed: false, doubt: Doubt::default() }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'s [u8] {
        &self.text[self.at..]
    }

    /// What was met so far that another reading takes otherwise.
    pub(crate) fn doubt(&self) -> Doubt {
        self.doubt
    }

    fn skip_blank(&mut self) {
        let is_mysql = self.reading.syntax == Syntax::Mysql;
        loop {
            match self.rest() {
                [b' ' | b'\t'..=b'\r', ..] => self.at += 1,
                // SQLite skips a byte order mark wherever it stands.
                [0xef, 0xbb, 0xbf, ..] => self.at += 3,
                // For MySQL, two minus signs are two minus signs unless a blank or a control character follows.
                [b'-', b'-', b'!'..=b'~' | 0x80.., ..] if is_mysql => return,
                [b'-', b'-', ..] => self.skip_line(),
                [b'#', ..] if is_mysql => self.skip_line(),
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
        // A carriage return ends the line on PostgreSQL alone.
        let is_end = |byte: &u8| *byte == b'\n' || (*byte == b'\r' && self.reading.syntax == Syntax::Postgres);
        let end = self.rest().iter().position(is_end);
        self.at = end.map_or(self.text.len(), |end| self.at + end);
    }

    fn skip_comment(&mut self) {
        let marker = match self.rest() {
            [_, _, b'!', ..] if self.reading.syntax == Syntax::Mysql => 3,
            [_, _, b'M', b'!', ..] if self.reading.syntax == Syntax::Mysql => 4,
            _ => 0,
        };
        if marker > 0 {
            self.doubt.add(Doubt::EXECUTED);
            if self.reading.executes {
                self.at += marker;
                self.at += self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
                self.executed = true;
                return;
            }
        }
        // What MySQL does not execute may hold one comment more.
        let deepest = match self.reading.syntax {
            Syntax::Postgres => usize::MAX,
            Syntax::Mysql if marker > 0 => 2,
            Syntax::Mysql | Syntax::Sqlite => 1,
        };
        self.at += 2;
        let mut depth = 1;
        while depth > 0 {
            self.at += match self.rest() {
                [] => return,
                [b'*', b'/', ..] => {
                    depth -= 1;
                    2
                }
                [b'/', b'*', ..] if depth < deepest => {
                    depth += 1;
                    2
                }
                _ => 1,
            };
        }
    }

    fn word(&mut self) -> Token<'s> {
        let start = self.at;
        self.at += self.rest().iter().take_while(|byte| is_word(**byte) || **byte == b'$').count();
        let word = &self.text[start..self.at];
        if self.reading.syntax == Syntax::Postgres && matches!(word, b"e" | b"E") && self.rest().starts_with(b"'") {
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
                    if matches!(close, b'\'' | b'"') {
                        self.doubt.add(Doubt::ESCAPE);
                    }
                    self.at += if escapes { 2 } else { 1 };
                }
                _ => self.at += 1,
            }
        }
        Token::Quoted(&self.text[start..self.at])
    }

    /// A string between dollars, where there are such.
    fn dollars(&mut self) -> Token<'s> {
        let (start, rest) = (self.at, self.rest());
        let tag = 1 + rest[1..].iter().take_while(|byte| is_word(**byte)).count();
        let is_tag = rest.get(tag) == Some(&b'$') && !rest[1].is_ascii_digit();
        if is_tag {
            self.doubt.add(Doubt::DOLLARS);
        }
        if is_tag && self.reading.dollars {
            let (tag, text) = rest.split_at(tag + 1);
            // Without an end it is one all the same, and the server refuses the text.
            let end = text.windows(tag.len()).position(|window| window == tag);
            self.at += end.map_or(rest.len(), |end| end + 2 * tag.len());
            return Token::Quoted(&self.text[start..self.at]);
        }
        self.at += 1;
        Token::Mark(b'$')
    }

    /// What begins a variable of SQLite: `:a`, `@a`, `$a` or `#a`. One that ends in `(..)` is taken as a whole, as quotes
    /// mean nothing in there.
    fn variable(&mut self) -> Token<'s> {
        let (start, rest) = (self.at, self.rest());
        let mut end = 1;
        loop {
            match &rest[end..] {
                [byte, ..] if is_word(*byte) || *byte == b'$' => end += 1,
                [b':', b':', ..] => end += 2,
                [b'(', inside @ ..] if rest[1..end].iter().any(|byte| *byte != b':') => {
                    let is_end = |byte: &u8| *byte == b')' || matches!(byte, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r');
                    let inside = inside.iter().position(is_end).unwrap_or(inside.len());
                    self.at += end + 1 + inside + usize::from(rest.get(end + 1 + inside) == Some(&b')'));
                    return Token::Word(&self.text[start..self.at]);
                }
                _ => break,
            }
        }
        self.at += 1;
        Token::Mark(rest[0])
    }
}

impl<'s> Iterator for Tokens<'s> {
    type Item = Token<'s>;

    fn next(&mut self) -> Option<Token<'s>> {
        self.skip_blank();
        let first = *self.rest().first()?;
        let Reading { syntax, escapes, .. } = self.reading;
        Some(match first {
            b'\'' | b'"' => self.quoted(first, escapes.contains(&first)),
            b'`' if syntax != Syntax::Postgres => self.quoted(first, false),
            b'[' if syntax == Syntax::Sqlite => self.quoted(b']', false),
            b'$' | b':' | b'@' | b'#' if syntax == Syntax::Sqlite => self.variable(),
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
