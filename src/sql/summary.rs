//! What a statement's text tells in logs and spans: its summary (`INSERT item`), and the text without its literals. Both follow
//! OpenTelemetry's conventions for databases.
//!
//! Used by traces, when somebody listens. It tells words from quotes, and does not parse SQL: of a text that it does not
//! understand the summary is short.

use super::tokens::{Syntax, Token, Tokens};

/// A summary is no longer than this.
const LONGEST: usize = 255;

/// What may stand between an operation and its target.
const BEFORE_TARGET: [&str; 22] = [
    "CONCURRENTLY",
    "EXISTS",
    "FROM",
    "GLOBAL",
    "IF",
    "IGNORE",
    "INTO",
    "LATERAL",
    "LOCAL",
    "LOW_PRIORITY",
    "MATERIALIZED",
    "NOT",
    "ONLY",
    "OR",
    "PERSISTENT",
    "REPLACE",
    "TEMP",
    "TEMPORARY",
    "UNIQUE",
    "UNLOGGED",
    "VERBOSE",
    "VIRTUAL",
];

/// What a command is about, as a part of its name.
const KINDS: [&str; 18] = [
    "DATABASE",
    "DOMAIN",
    "EVENT",
    "EXTENSION",
    "FUNCTION",
    "INDEX",
    "POLICY",
    "PROCEDURE",
    "ROLE",
    "ROUTINE",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "TABLE",
    "TRIGGER",
    "TYPE",
    "USER",
    "VIEW",
];

/// What is created with statements in it.
const BODIES: [&str; 6] = ["EVENT", "FUNCTION", "PROCEDURE", "ROUTINE", "RULE", "TRIGGER"];

/// What ends a list of tables.
const CLAUSES: [&str; 14] = [
    "EXCEPT",
    "FETCH",
    "FOR",
    "GROUP",
    "HAVING",
    "INTERSECT",
    "LIMIT",
    "OFFSET",
    "ORDER",
    "RETURNING",
    "SET",
    "UNION",
    "VALUES",
    "WHERE",
];

/// The operations of a statement with their targets, in the order of the text: `INSERT item SELECT gift`. A text of several
/// statements is a `BATCH`. Empty if nothing is known of it.
pub(crate) fn summary(sql: &str, syntax: Syntax) -> String {
    let mut tokens = Tokens::new(sql, syntax.usual());
    let mut scan = Scan { syntax, text: String::new(), depth: 0, lists: Vec::new(), queries: Vec::new(), last: None };
    if scan.statement(&mut tokens) && tokens.any(|token| !token.is_mark(b";")) { "BATCH".into() } else { scan.text }
}

/// A text without its literals, for which `?` stands. From where a setting of the session decides on what a literal is, nothing is
/// left.
pub(crate) fn without_literals(sql: &str, syntax: Syntax) -> String {
    let mut tokens = Tokens::new(sql, syntax.usual());
    let (mut text, mut copied) = (String::with_capacity(sql.len()), 0);
    while let Some(token) = tokens.next() {
        let end = sql.len() - tokens.rest().len();
        let (literal, length) = match token {
            Token::Word(word) => (word[0].is_ascii_digit() || token.is_any(&["TRUE", "FALSE"]), word.len()),
            Token::Quoted(quoted) => (!is_name(token, syntax), quoted.len()),
            Token::Mark(_) => (false, 1),
        };
        let is_doubtful = syntax.is_in_doubt(tokens.doubt());
        if literal || is_doubtful {
            // Tokens end where characters do: what they are told by is ASCII.
            text.push_str(sql.get(copied..end - length).unwrap_or_default());
            copied = end;
            if is_doubtful {
                return text + "…";
            }
            text.push('?');
        }
    }
    text + sql.get(copied..).unwrap_or_default()
}

/// Whether a token may be a name, rather than a value.
fn is_name(token: Token<'_>, syntax: Syntax) -> bool {
    match token {
        Token::Word(word) => word[0] == b'_' || word[0].is_ascii_alphabetic() || !word[0].is_ascii(),
        Token::Quoted(quoted) => match quoted[0] {
            b'`' | b'[' => true,
            b'"' => syntax != Syntax::Mysql,
            _ => false,
        },
        Token::Mark(_) => false,
    }
}

struct Scan<'s> {
    syntax: Syntax,
    text: String,
    /// How many brackets are open.
    depth: usize,
    /// The depths at which a list of tables is open.
    lists: Vec<usize>,
    /// The depths of the operations in which FROM is about tables.
    queries: Vec<usize>,
    last: Option<Token<'s>>,
}

impl<'s> Scan<'s> {
    /// Reads a statement. True if it ends with a `;` behind which another one may stand.
    fn statement(&mut self, tokens: &mut Tokens<'s>) -> bool {
        let mut has_body = false;
        while let Some(token) = tokens.next() {
            match token {
                Token::Mark(b'(') => self.depth += 1,
                Token::Mark(b')') => self.close(),
                Token::Mark(b';') if self.last.is_some() && !has_body => return true,
                Token::Mark(b',') if self.lists.last() == Some(&self.depth) => self.target(tokens),
                Token::Word(_) if self.is_first() && !is_query(token) => has_body = self.command(token, tokens),
                Token::Word(_) if !has_body => self.word(token, tokens),
                Token::Word(_) | Token::Mark(_) | Token::Quoted(_) => {}
            }
            self.last = Some(token);
        }
        false
    }

    fn is_first(&self) -> bool {
        self.last.is_none_or(|last| self.text.is_empty() && last.is_mark(b"(;"))
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        let depth = self.depth;
        self.lists.retain(|list| *list <= depth);
        self.queries.retain(|query| *query <= depth);
    }

    /// A word of a query, which may be one of an expression too.
    fn word(&mut self, word: Token<'s>, tokens: &mut Tokens<'s>) {
        let begins =
            self.last.is_none_or(|last| last.is_mark(b"();") || last.is_any(&["EXPLAIN", "ANALYZE", "VERBOSE"]));
        if word.is("SELECT") {
            self.lists.retain(|list| *list < self.depth);
            self.add(word);
            self.queries.push(self.depth);
        } else if word.is("EXPLAIN") && begins || word.is("VALUES") && self.text.is_empty() {
            self.add(word);
        } else if begins
            && (word.is_any(&["INSERT", "UPDATE", "DELETE", "MERGE"]) || word.is("REPLACE") && self.is_first())
        {
            self.add(word);
            self.queries.push(self.depth);
            self.target(tokens);
        } else if word.is("FROM") {
            let is_distinct = self.last.is_some_and(|last| last.is("DISTINCT"));
            if self.queries.last() == Some(&self.depth) && !is_distinct {
                self.lists.push(self.depth);
                self.target(tokens);
            }
        } else if word.is_any(&["JOIN", "STRAIGHT_JOIN"]) {
            self.target(tokens);
        } else if word.is_any(&CLAUSES) {
            self.lists.retain(|list| *list < self.depth);
        }
    }

    /// A statement that is no query: its name and what it is about. True if other statements are part of it.
    fn command(&mut self, word: Token<'s>, tokens: &mut Tokens<'s>) -> bool {
        self.add(word);
        let mut has_body = false;
        loop {
            let mut ahead = tokens.clone();
            match ahead.next() {
                Some(token @ Token::Word(_)) if token.is_any(&KINDS) => {
                    self.add(token);
                    has_body = token.is_any(&BODIES);
                    *tokens = ahead;
                }
                Some(token) if token.is_any(&BEFORE_TARGET) => *tokens = ahead,
                _ => break,
            }
        }
        self.target(tokens);
        has_body
    }

    /// The name of a table or the like, if one comes next.
    fn target(&mut self, tokens: &mut Tokens<'s>) {
        let mut ahead = tokens.clone();
        let Some(mut name) = ahead.find(|token| !token.is_any(&BEFORE_TARGET)) else { return };
        if !is_name(name, self.syntax) || name.is_any(&["SELECT", "VALUES"]) {
            return;
        }
        self.add(name);
        loop {
            *tokens = ahead.clone();
            if ahead.next() != Some(Token::Mark(b'.')) {
                break;
            }
            match ahead.next().filter(|part| is_name(*part, self.syntax)) {
                Some(part) => name = part,
                None => break,
            }
            self.text.push('.');
            self.append(name);
        }
        self.last = Some(name);
    }

    fn add(&mut self, part: Token<'s>) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.append(part);
    }

    fn append(&mut self, part: Token<'s>) {
        let (Token::Word(part) | Token::Quoted(part)) = part else { return };
        if self.text.len() + part.len() <= LONGEST {
            self.text.push_str(&String::from_utf8_lossy(part));
        }
    }
}

/// Whether a statement that begins with this word may have several operations.
fn is_query(word: Token<'_>) -> bool {
    word.is_any(&["SELECT", "WITH", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE", "EXPLAIN"])
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
