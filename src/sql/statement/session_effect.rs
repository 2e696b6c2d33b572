//! [`SessionEffect`]: what a text leaves behind in the session that runs it, as far as its words tell. Settings, locks
//! and temporary tables must not reach the connection's next user (rule 36).
//!
//! Used by the drivers, once for each statement that they keep. Functions, triggers and routines that change the session
//! from within are not seen; statements that run such code and nothing else (CALL, DO, EXECUTE) count as if they did.

use crate::sql::tokens::{Doubt, Reading, Syntax, Token, Tokens};

/// What is to be done to a session before it may go to the next user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SessionEffect {
    /// Nothing.
    #[default]
    None,
    /// It must be reset.
    Reset,
    /// No reset undoes it: the connection is thrown away.
    Discard,
}

use SessionEffect::{Discard, None as Nothing, Reset};

/// What statements begin with that leave no trace in their session. What is not here is taken to change it.
const POSTGRES: [&str; 38] = [
    "SELECT",
    "WITH",
    "VALUES",
    "TABLE",
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "TRUNCATE",
    "COPY",
    "EXPLAIN",
    "SHOW",
    "CREATE",
    "ALTER",
    "DROP",
    "COMMENT",
    "GRANT",
    "REVOKE",
    "ANALYZE",
    "VACUUM",
    "REINDEX",
    "CLUSTER",
    "REFRESH",
    "LOCK",
    "NOTIFY",
    "UNLISTEN",
    "FETCH",
    "MOVE",
    "CLOSE",
    "CHECKPOINT",
    "SECURITY",
    "REASSIGN",
    "IMPORT",
    "RESET",
    "COMMIT",
    "ROLLBACK",
    "ANALYSE",
    "DEALLOCATE",
];
const MYSQL: [&str; 33] = [
    "SELECT",
    "WITH",
    "VALUES",
    "TABLE",
    "INSERT",
    "REPLACE",
    "UPDATE",
    "DELETE",
    "SHOW",
    "EXPLAIN",
    "DESCRIBE",
    "DESC",
    "DO",
    "CREATE",
    "ALTER",
    "DROP",
    "TRUNCATE",
    "RENAME",
    "GRANT",
    "REVOKE",
    "ANALYZE",
    "CHECK",
    "CHECKSUM",
    "OPTIMIZE",
    "REPAIR",
    "LOAD",
    "KILL",
    "UNLOCK",
    "FLUSH",
    "DEALLOCATE",
    "PURGE",
    "SIGNAL",
    "XA",
];
const SQLITE: [&str; 14] = [
    "SELECT", "WITH", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "ANALYZE",
    "REINDEX", "VACUUM", "EXPLAIN",
];
/// Statements of MySQL in which `@` belongs to the name of an account.
const ACCOUNTS: [&str; 7] = ["CREATE", "ALTER", "DROP", "RENAME", "GRANT", "REVOKE", "SHOW"];
/// PRAGMAs of SQLite that take an argument and set nothing in the session: they read, or they belong to the file or the
/// transaction.
const PRAGMAS: [&str; 22] = [
    "TABLE_INFO",
    "TABLE_XINFO",
    "TABLE_LIST",
    "INDEX_INFO",
    "INDEX_LIST",
    "INDEX_XINFO",
    "FOREIGN_KEY_LIST",
    "FOREIGN_KEY_CHECK",
    "INTEGRITY_CHECK",
    "QUICK_CHECK",
    "FUNCTION_LIST",
    "COLLATION_LIST",
    "OPTIMIZE",
    "WAL_CHECKPOINT",
    "INCREMENTAL_VACUUM",
    "USER_VERSION",
    "APPLICATION_ID",
    "SCHEMA_VERSION",
    "DEFER_FOREIGN_KEYS",
    "AUTO_VACUUM",
    "PAGE_SIZE",
    "ENCODING",
];

/// What a text of any number of statements leaves behind, in the worst of its readings.
pub(crate) fn session_effect(sql: &str, syntax: Syntax) -> SessionEffect {
    let mut worst = Nothing;
    syntax.each_reading(|reading| {
        let (effect, doubt) = scan(sql, syntax, reading);
        worst = worst.max(effect);
        Some(doubt)
    });
    worst
}

/// Whether a text of PostgreSQL leaves something in its session for certain, as far as its words tell: not as CALL, DO and
/// EXECUTE may, nor as a temporary table that goes with the transaction.
#[cfg(feature = "postgres")]
pub(crate) fn session_keeps(sql: &str) -> bool {
    const CERTAIN: [&str; 7] = ["SET", "LISTEN", "PREPARE", "DECLARE", "DISCARD", "DEALLOCATE", "LOAD"];
    let mut keeps = false;
    Syntax::Postgres.each_reading(|reading| {
        let mut tokens = Tokens::new(sql, reading);
        let mut first: Option<Token<'_>> = None;
        let mut last = [Token::Mark(b';'); 2];
        let mut of_statement = Nothing;
        while let Some(token) = tokens.next() {
            match first {
                _ if token.is_mark(b";") => {
                    keeps |= of_statement != Nothing;
                    (first, of_statement) = (None, Nothing);
                }
                None if token.is_mark(b"(") => {}
                None => {
                    first = Some(token);
                    if token.is_any(&CERTAIN) {
                        of_statement = of_first(token, tokens.clone(), Syntax::Postgres);
                    }
                }
                Some(_) if token.is("DROP") && last[0].is("ON") && last[1].is("COMMIT") => of_statement = Nothing,
                Some(first) => {
                    of_statement = of_statement.max(of_word(first, last[1], token, &tokens, Syntax::Postgres));
                }
            }
            last = [last[1], token];
        }
        keeps |= of_statement != Nothing;
        Some(tokens.doubt())
    });
    keeps
}

/// The effect in one reading, and what others might see otherwise.
fn scan(sql: &str, syntax: Syntax, reading: Reading) -> (SessionEffect, Doubt) {
    let mut tokens = Tokens::new(sql, reading);
    let mut effect = Nothing;
    let mut first: Option<Token<'_>> = None;
    let mut last = Token::Mark(b';');
    // The statements in the body of a routine are looked at as if they ran: a reset too many harms nobody.
    while let Some(token) = tokens.next() {
        match first {
            _ if token.is_mark(b";") => first = None,
            None if token.is_mark(b"(") => {}
            None => {
                first = Some(token);
                effect = effect.max(of_first(token, tokens.clone(), syntax));
            }
            Some(first) => effect = effect.max(of_word(first, last, token, &tokens, syntax)),
        }
        last = token;
    }
    (effect, tokens.doubt())
}

/// What a statement leaves behind by what it begins with.
fn of_first(first: Token<'_>, mut rest: Tokens<'_>, syntax: Syntax) -> SessionEffect {
    let mut has = |keywords: &[&str]| statement(&mut rest).any(|token| token.is_any(keywords));
    match syntax {
        Syntax::Postgres if first.is("SET") => match rest.next() {
            Some(next) if next.is_any(&["LOCAL", "CONSTRAINTS", "TRANSACTION"]) => Nothing,
            _ => Reset,
        },
        // Statements by which the driver looks up types, and cannot be made to prepare again, go with them.
        Syntax::Postgres if first.is_any(&["DISCARD", "DEALLOCATE"]) => {
            if has(&["ALL"]) {
                Discard
            } else {
                Nothing
            }
        }
        Syntax::Postgres if first.is("LOAD") => Discard,
        Syntax::Postgres if first.is("DECLARE") => {
            if has(&["HOLD"]) {
                Reset
            } else {
                Nothing
            }
        }
        Syntax::Mysql if first.is("SET") => mysql_set(rest),
        Syntax::Mysql if first.is("FLUSH") => {
            if has(&["LOCK", "EXPORT"]) {
                Reset
            } else {
                Nothing
            }
        }
        Syntax::Sqlite if first.is("PRAGMA") => pragma(rest),
        Syntax::Postgres if first.is_any(&POSTGRES) => Nothing,
        Syntax::Mysql if first.is_any(&MYSQL) => Nothing,
        Syntax::Sqlite if first.is_any(&SQLITE) => Nothing,
        _ => Reset,
    }
}

/// The tokens up to the end of the statement.
fn statement<'t, 's>(tokens: &'t mut Tokens<'s>) -> impl Iterator<Item = Token<'s>> + use<'t, 's> {
    tokens.take_while(|token| !token.is_mark(b";"))
}

fn mysql_set(mut rest: Tokens<'_>) -> SessionEffect {
    let Some(kind) = rest.next() else { return Nothing };
    let others = statement(&mut rest).any(|token| token.is_mark(b","));
    if kind.is_any(&["ROLE", "RESOURCE"]) {
        Discard
    } else if !others && kind.is_any(&["GLOBAL", "PERSIST", "PERSIST_ONLY", "PASSWORD", "DEFAULT"]) {
        Nothing
    } else {
        Reset
    }
}

fn pragma(mut rest: Tokens<'_>) -> SessionEffect {
    let (mut name, mut next) = (rest.next(), rest.next());
    if next.is_some_and(|token| token.is_mark(b".")) {
        (name, next) = (rest.next(), rest.next());
    }
    let sets = next.is_some_and(|token| token.is_mark(b"=("));
    if sets && !name.is_some_and(|name| name.is_any(&PRAGMAS)) { Reset } else { Nothing }
}

/// What a word inside a statement leaves behind: a temporary table, a function that locks or sets, a variable.
fn of_word(first: Token<'_>, last: Token<'_>, token: Token<'_>, rest: &Tokens<'_>, syntax: Syntax) -> SessionEffect {
    let next = |marks: &[u8]| rest.clone().next().is_some_and(|token| token.is_mark(marks));
    let is_temporary = token.is_any(&["TEMP", "TEMPORARY", "PG_TEMP"]);
    let changes = match syntax {
        _ if is_temporary && first.is("CREATE") && next(b".") => true,
        _ if is_temporary && last.is_any(&["CREATE", "REPLACE", "LOCAL", "GLOBAL", "INTO"]) => true,
        Syntax::Postgres => is_setting(token) && next(b"(") && !is_local(token, rest.clone()),
        Syntax::Mysql if token.is_mark(b"@") => !last.is_mark(b"@") && !next(b"@") && !first.is_any(&ACCOUNTS),
        Syntax::Mysql => token.is("GET_LOCK") && next(b"("),
        Syntax::Sqlite => false,
    };
    if changes { Reset } else { Nothing }
}

/// Functions of PostgreSQL that set something in the session, or take locks that it keeps.
fn is_setting(token: Token<'_>) -> bool {
    const LOCKS: [&str; 4] =
        ["PG_ADVISORY_LOCK", "PG_ADVISORY_LOCK_SHARED", "PG_TRY_ADVISORY_LOCK", "PG_TRY_ADVISORY_LOCK_SHARED"];
    token.is_any(&["SET_CONFIG", "SETSEED", "DBLINK_CONNECT", "DBLINK_CONNECT_U"]) || token.is_any(&LOCKS)
}

/// Whether this is `set_config(.., .., true)`, which ends with the transaction.
fn is_local(function: Token<'_>, rest: Tokens<'_>) -> bool {
    let (mut depth, mut commas) = (0_usize, 0);
    let mut third = Vec::new();
    for token in rest {
        match token {
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') if depth <= 1 => break,
            Token::Mark(b')') => depth -= 1,
            Token::Mark(b',') if depth == 1 => commas += 1,
            _ if commas == 2 => third.push(token),
            _ => {}
        }
    }
    function.is("SET_CONFIG") && matches!(third[..], [word @ Token::Word(_)] if word.is("TRUE"))
}

#[cfg(test)]
#[path = "session_effect_tests.rs"]
mod tests;
