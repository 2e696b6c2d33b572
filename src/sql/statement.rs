//! What the text of a statement would do to the transaction around it: control statements are refused (rule 23).
//!
//! Used by `db` before a statement is sent, and by the drivers for what a statement does to its session. It does not
//! parse SQL: it tells words from quotes and comments, and where the settings of a session decide on these it reads a
//! text in every way.

#[cfg_attr(
    not(any(feature = "sqlite-system", feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "without a driver nobody asks")
)]
mod session_effect;

#[cfg(feature = "postgres")]
pub(crate) use self::session_effect::session_keeps;
#[cfg_attr(
    not(any(feature = "sqlite-system", feature = "postgres", feature = "mysql")),
    allow(unused_imports, reason = "without a driver nobody asks")
)]
pub(crate) use self::session_effect::{SessionEffect, session_effect};
use crate::{
    error::{Error, ErrorKind},
    sql::tokens::{Doubt, Reading, Syntax, Token, Tokens},
};

const OPEN: &str = "open a block with Database::atomic instead";
const KEEP: &str = "return Ok from the block instead";
const UNDO: &str = "return an error from the block or call Database::set_rollback_only instead";
const NEST: &str = "open a block with Database::savepoint instead";
const SETTINGS: &str = "ask for it with Database::build_transaction instead, as in build_transaction().isolation(..)";
const PHASES: &str = "a block ends in one phase, by returning Ok or an error";

/// What a control statement begins with, and what is to be done in its place.
#[derive(Debug, Clone, Copy)]
struct Rule {
    first: &'static str,
    then: Then,
    what: &'static str,
    instead: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    Anything,
    Only(&'static str),
    AllBut(&'static str),
}

const fn rule(first: &'static str, then: Then, what: &'static str, instead: &'static str) -> Rule {
    Rule { first, then, what, instead }
}

const RULES: [Rule; 10] = [
    // MariaDB's `BEGIN NOT ATOMIC` opens a compound statement, not a transaction.
    rule("BEGIN", Then::AllBut("NOT"), "BEGIN", OPEN),
    rule("START", Then::Only("TRANSACTION"), "START TRANSACTION", OPEN),
    // What was prepared belongs to no session: deciding on it touches no block.
    rule("COMMIT", Then::AllBut("PREPARED"), "COMMIT", KEEP),
    rule("END", Then::Anything, "END", KEEP),
    rule("ROLLBACK", Then::AllBut("PREPARED"), "ROLLBACK", UNDO),
    rule("ABORT", Then::Anything, "ABORT", UNDO),
    rule("SAVEPOINT", Then::Anything, "SAVEPOINT", NEST),
    rule("RELEASE", Then::Anything, "RELEASE", KEEP),
    rule("PREPARE", Then::Only("TRANSACTION"), "PREPARE TRANSACTION", PHASES),
    rule("XA", Then::AllBut("RECOVER"), "XA", PHASES),
];
const AUTOCOMMIT: Rule = rule("SET", Then::Anything, "SET autocommit", OPEN);
const SET_TRANSACTION: Rule = rule("SET", Then::Anything, "SET TRANSACTION", SETTINGS);

/// What may stand before the name of a setting.
const SCOPES: [&str; 5] = ["SESSION", "LOCAL", "GLOBAL", "PERSIST", "PERSIST_ONLY"];
/// The settings of a transaction, of PostgreSQL and MySQL.
const MODES: [&str; 7] = [
    "TRANSACTION",
    "CHARACTERISTICS",
    "TRANSACTION_ISOLATION",
    "TRANSACTION_READ_ONLY",
    "TRANSACTION_DEFERRABLE",
    "TX_ISOLATION",
    "TX_READ_ONLY",
];
/// What may stand between CREATE and the kind of thing that is created.
const MODIFIERS: [&str; 8] =
    ["OR", "REPLACE", "TEMP", "TEMPORARY", "DEFINER", "CURRENT_USER", "CONSTRAINT", "AGGREGATE"];
const ROUTINES: [&str; 5] = ["TRIGGER", "FUNCTION", "PROCEDURE", "EVENT", "RULE"];
/// Words of a routine's head that a name follows, not a body.
const BEFORE_NAME: [&str; 7] = ["TRIGGER", "FUNCTION", "PROCEDURE", "EVENT", "EXISTS", "OF", "ON"];
/// Words of a body that a statement follows.
const BEFORE_STATEMENT: [&str; 7] = ["BEGIN", "ATOMIC", "THEN", "ELSE", "DO", "LOOP", "REPEAT"];

/// Refuses what is not one ordinary statement.
///
/// # Errors
/// `ControlStatement`; `Config` for several statements: those are for `batch`; `Parameter` for none at all.
pub(crate) fn refuse_control(sql: &str, syntax: Syntax) -> Result<(), Error> {
    if is_plain(sql.as_bytes()) {
        return Ok(());
    }
    let Findings { control, several, begins, doubt: _ } = inspect(sql, syntax);
    refuse(control, sql)?;
    if !begins {
        let message = "the text holds no statement: it is empty, or has comments and semicolons only";
        return Err(Error::new(ErrorKind::Parameter, message).with_statement(sql));
    }
    if several {
        let message = "a text of several statements: run it with Database::batch instead";
        return Err(Error::new(ErrorKind::Config, message).with_statement(sql));
    }
    Ok(())
}

/// Refuses a text of any number of statements if one of them is a control statement.
///
/// # Errors
/// `ControlStatement`.
pub(crate) fn check_batch(sql: &str, syntax: Syntax) -> Result<(), Error> {
    refuse(inspect(sql, syntax).control, sql)
}

fn refuse(control: Option<Rule>, sql: &str) -> Result<(), Error> {
    control.map_or(Ok(()), |Rule { first: _, then: _, what, instead }| {
        let message = format!("{what} is a control statement: {instead}");
        Err(Error::new(ErrorKind::ControlStatement, message).with_statement(sql))
    })
}

/// Whether a look at the first letters and for semicolons is enough, as it is for nearly all: every statement pays this.
fn is_plain(sql: &[u8]) -> bool {
    let [one, two, three, ..] = sql else { return false };
    let word = [one | 0x20, two | 0x20, three | 0x20];
    if !one.is_ascii_alphabetic() || matches!(&word, b"set") {
        return false;
    }
    let [one, two, _] = word;
    let suspect = matches!(&[one, two], b"ab" | b"be" | b"co" | b"en" | b"pr" | b"re" | b"ro" | b"sa" | b"st" | b"xa");
    !suspect && (!has_semicolon(sql) || !has_semicolon(without_end(sql)))
}

fn has_semicolon(sql: &[u8]) -> bool {
    // No early way out: so it is done by many bytes at a time.
    sql.iter().fold(false, |found, byte| found | (*byte == b';'))
}

fn without_end(sql: &[u8]) -> &[u8] {
    let end = sql.iter().rposition(|byte| *byte != b';' && !byte.is_ascii_whitespace());
    &sql[..end.map_or(0, |at| at + 1)]
}

#[derive(Debug, Default)]
struct Findings {
    control: Option<Rule>,
    several: bool,
    /// There is a statement that begins with a word, as all do.
    begins: bool,
    doubt: Doubt,
}

/// A control statement counts if it is one in any reading, several statements only if they are so in all readings:
/// nothing must slip through, but a `;` in a string must not be held against its statement.
fn inspect(sql: &str, syntax: Syntax) -> Findings {
    let mut found = Findings { several: true, ..Findings::default() };
    syntax.each_reading(|reading| {
        let Findings { control, several, begins, doubt } = scan(sql, reading, true);
        found.control = found.control.or(control);
        found.several &= several;
        // What no reading takes for the beginning of a statement is none: `--x` is no comment on MySQL, and no statement.
        found.begins |= begins;
        found.control.is_none().then_some(doubt)
    });
    found
}

fn scan(sql: &str, reading: Reading, bodies: bool) -> Findings {
    let mut found = Findings::default();
    let mut tokens = Tokens::new(sql, reading);
    let mut statements = 0;
    while let Some(first) = tokens.next() {
        if matches!(first, Token::Mark(b';' | b'(')) {
            continue;
        }
        statements += 1;
        if let Token::Word(_) = first {
            found.begins = true;
            let mut ahead = tokens.clone();
            found.control = control(first, &mut ahead);
            found.doubt.add(ahead.doubt());
        }
        if found.control.is_some() || !tokens.rest().contains(&b';') {
            break;
        }
        if !pass_statement(first, &mut tokens, bodies) {
            // A body without an end: either the text is broken or it was no body.
            return scan(sql, reading, false);
        }
    }
    found.several = statements > 1;
    found.doubt.add(tokens.doubt());
    found
}

/// Goes on to behind the `;` of a statement. False if the text ends inside a body.
fn pass_statement<'s>(first: Token<'s>, tokens: &mut Tokens<'s>, bodies: bool) -> bool {
    let mut body = Body::of(first, bodies);
    while let Some(token) = tokens.next() {
        if token == Token::Mark(b';') && !body.is_open() {
            return true;
        }
        body.step(token, tokens);
    }
    !body.is_open()
}

fn control(first: Token<'_>, ahead: &mut Tokens<'_>) -> Option<Rule> {
    if first.is("SET") {
        return set_control(ahead);
    }
    let rule = RULES.iter().find(|rule| first.is(rule.first))?;
    let second = ahead.next();
    let second = |keyword| second.is_some_and(|token| token.is(keyword));
    let applies = match rule.then {
        Then::Anything => true,
        Then::AllBut(keyword) => !second(keyword),
        // A statement may be prepared under the name `transaction`.
        Then::Only(keyword) => second(keyword) && !ahead.next().is_some_and(begins_prepared),
    };
    applies.then_some(*rule)
}

fn begins_prepared(token: Token<'_>) -> bool {
    token.is_mark(b"(") || token.is_any(&["AS", "FROM"])
}

/// Looks at the names that a SET statement sets, of which MySQL takes several.
fn set_control(ahead: &mut Tokens<'_>) -> Option<Rule> {
    let mut first = true;
    loop {
        let found = match ahead.find(|token| *token != Token::Mark(b'.') && !token.is_any(&SCOPES))? {
            // `@@autocommit` is the server's, `@autocommit` the caller's own.
            Token::Mark(b'@') if ahead.next()? == Token::Mark(b'@') => continue,
            name if name.is("AUTOCOMMIT") => Some(AUTOCOMMIT),
            name if name.is_any(&MODES) => Some(SET_TRANSACTION),
            _ => None,
        };
        let mut next = ahead.next();
        // Behind a comma may stand another value as well: a name is followed by `=` or `:=`.
        if found.is_some() && (first || matches!(next, Some(Token::Mark(b'=' | b':')))) {
            return found;
        }
        while next? != Token::Mark(b',') {
            if next? == Token::Mark(b';') {
                return None;
            }
            next = ahead.next();
        }
        first = false;
    }
}

/// The part of a statement where `;` does not end it: the body of a trigger or a routine, or the action of a rule.
struct Body<'s> {
    stage: Stage,
    /// What was opened and waits for its `END`.
    open: Vec<Opener>,
    parentheses: usize,
    /// Whether this is the declaration of a handler, which has a block of its own.
    handler: bool,
    last: Token<'s>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// A statement without a body.
    Plain,
    /// Something is created; what it is comes next.
    Created,
    /// What is created may have a body.
    Routine,
}

#[derive(Clone, Copy, PartialEq)]
enum Opener {
    Block,
    Case,
}

impl<'s> Body<'s> {
    fn of(first: Token<'s>, bodies: bool) -> Self {
        let stage = match first {
            _ if !bodies => Stage::Plain,
            _ if first.is_any(&["CREATE", "ALTER"]) => Stage::Created,
            _ if first.is("BEGIN") => Stage::Routine,
            _ => Stage::Plain,
        };
        let open = if stage == Stage::Routine { vec![Opener::Block] } else { vec![] };
        Self { stage, open, parentheses: 0, handler: false, last: first }
    }

    fn is_open(&self) -> bool {
        !self.open.is_empty() || self.parentheses > 0
    }

    fn step(&mut self, token: Token<'s>, ahead: &Tokens<'s>) {
        match (self.stage, token) {
            (Stage::Plain, _) => return,
            (Stage::Created, Token::Word(_)) if !self.last.is_mark(b"=@") && !token.is_any(&MODIFIERS) => {
                self.stage = if token.is_any(&ROUTINES) { Stage::Routine } else { Stage::Plain };
            }
            (Stage::Routine, Token::Mark(b'(')) => self.parentheses += 1,
            (Stage::Routine, Token::Mark(b')')) => self.parentheses = self.parentheses.saturating_sub(1),
            (Stage::Routine, Token::Mark(b';')) => self.handler = false,
            (Stage::Routine, Token::Word(_)) => self.word(token, ahead.clone().next()),
            _ => {}
        }
        self.last = token;
    }

    fn word(&mut self, word: Token<'s>, next: Option<Token<'s>>) {
        if word.is("BEGIN") && self.begins(next) {
            self.open.push(Opener::Block);
            self.handler = false;
        } else if word.is("CASE") && !self.last.is("END") && !self.last.is_mark(b".") {
            self.open.push(Opener::Case);
        } else if word.is("END") && self.ends(next) {
            self.open.pop();
        } else if word.is("HANDLER") {
            self.handler = true;
        }
    }

    /// Whether `BEGIN` opens a block here. It may be the name of a column or a trigger too.
    fn begins(&self, next: Option<Token<'s>>) -> bool {
        if self.parentheses > 0 {
            false
        } else if self.open.is_empty() {
            let ends_name = next.is_some_and(|next| next.is_mark(b".,=)"));
            !ends_name && !self.last.is_mark(b".,") && !self.last.is_any(&BEFORE_NAME)
        } else {
            self.handler || self.last.is_mark(b";:") || self.last.is_any(&BEFORE_STATEMENT)
        }
    }

    /// Whether `END` closes what is open. `END IF` and the like close what is not counted here.
    fn ends(&self, next: Option<Token<'s>>) -> bool {
        let of_flow = next.is_some_and(|next| next.is_any(&["IF", "LOOP", "WHILE", "REPEAT", "FOR"]));
        match self.open.last() {
            _ if of_flow => false,
            Some(Opener::Case) => !self.last.is_mark(b"."),
            Some(Opener::Block) => self.last.is_mark(b";") || self.last.is_any(&["BEGIN", "ATOMIC"]),
            None => false,
        }
    }
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;
