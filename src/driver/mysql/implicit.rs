//! Detects statements that commit implicitly, as far as their text tells. The server's status flags tell it for
//! certain, but only afterwards; this serves what must be known before, and errors, which have no flags.

use crate::{
    error::{Error, ErrorKind},
    sql::tokens::{Doubt, Reading, Syntax, Token, Tokens},
};

/// What such a statement begins with.
const FIRST: [&str; 21] = [
    "ALTER",
    "ANALYZE",
    "CACHE",
    "CHANGE",
    "CHECK",
    "CREATE",
    "DROP",
    "FLUSH",
    "GRANT",
    "IMPORT",
    "INSTALL",
    "LOCK",
    "OPTIMIZE",
    "RENAME",
    "REPAIR",
    "RESET",
    "REVOKE",
    "STOP",
    "TRUNCATE",
    "UNINSTALL",
    "UNLOCK",
];

/// What statements begin with that commit only where the status flags tell: they run no code that could commit and begin
/// anew.
const PLAIN: [&str; 18] = [
    "DEALLOCATE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DO",
    "EXPLAIN",
    "INSERT",
    "KILL",
    "LOAD",
    "PREPARE",
    "REPLACE",
    "SELECT",
    "SHOW",
    "TABLE",
    "UPDATE",
    "USE",
    "VALUES",
    "WITH",
];

/// What is seen of a text in one reading.
#[derive(Default)]
struct Scan {
    /// Whether any statement commits implicitly.
    commits: bool,
    /// Whether any statement may run whatever it likes: a procedure, a prepared text, a compound statement.
    is_opaque: bool,
    /// Bodies of routines count as several, which is no matter: what has one commits itself.
    statements: usize,
}

/// Whether a text of one statement, or one of its statements, commits implicitly.
pub(super) fn commits(sql: &str) -> bool {
    any(sql, |scan| scan.commits)
}

/// Whether one of several statements commits implicitly: those behind it would run on their own.
pub(super) fn commits_among_several(sql: &str) -> bool {
    sql.contains(';') && any(sql, |scan| scan.commits && scan.statements > 1)
}

/// Whether a text may end the transaction that it runs in and begin another.
pub(super) fn is_opaque(sql: &str) -> bool {
    any(sql, |scan| scan.is_opaque)
}

/// Whether something is so in any reading of a text.
fn any(sql: &str, test: impl Fn(&Scan) -> bool) -> bool {
    let mut is_so = false;
    Syntax::Mysql.each_reading(|reading| {
        let (scan, doubt) = scan_text(sql, reading);
        is_so = test(&scan);
        (!is_so).then_some(doubt)
    });
    is_so
}

fn scan_text(sql: &str, reading: Reading) -> (Scan, Doubt) {
    let mut tokens = Tokens::new(sql, reading);
    let (mut scan, mut begins) = (Scan::default(), true);
    while let Some(token) = tokens.next() {
        if token.is_mark(b";") {
            begins = true;
        } else if !token.is_mark(b"(") && std::mem::take(&mut begins) {
            scan.statements += 1;
            scan.commits |= is_committing(token, tokens.clone());
            // `SET STATEMENT .. FOR` has a statement in it.
            let is_set = token.is("SET") && !tokens.clone().next().is_some_and(|next| next.is("STATEMENT"));
            scan.is_opaque |= !(token.is_any(&PLAIN) || token.is_any(&FIRST) || is_set);
        }
    }
    (scan, tokens.doubt())
}

fn is_committing(first: Token<'_>, mut rest: Tokens<'_>) -> bool {
    if !matches!(first, Token::Word(_)) || !first.is_any(&FIRST) {
        return false;
    }
    // Temporary tables are the session's own: they come and go without a commit.
    let is_temporary = rest.find(|token| !token.is_any(&["OR", "REPLACE"])).is_some_and(|token| token.is("TEMPORARY"));
    !(is_temporary && first.is_any(&["CREATE", "DROP"]))
}

/// The error of a statement behind which the transaction is over.
pub(super) fn error(sql: &str) -> Error {
    let text = if commits(sql) {
        "the statement has committed the transaction that it ran in, as MySQL does for it implicitly"
    } else {
        "the statement has ended the transaction that it ran in, by a COMMIT or a ROLLBACK of its own"
    };
    Error::new(ErrorKind::ImplicitCommit, text).with_statement(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_the_schema_commits() {
        assert!(commits("create table t (a int)"));
        assert!(commits("/* now */ TRUNCATE t"));
        assert!(!commits("insert into t values ('create table')"));
        assert!(!commits("create temporary table t (a int)"));
        assert!(!commits("create or replace temporary table t (a int)"));
        assert!(!commits_among_several("drop table t;"));
        assert!(commits_among_several("insert into t values (1); drop table t"));
        assert!(!commits_among_several("insert into t values (';drop'); drop temporary table t"));
        assert!(commits_among_several("select 'it\\'; drop table t; select '"), "NO_BACKSLASH_ESCAPES");
    }

    #[test]
    fn what_runs_other_code_is_opaque() {
        for sql in [
            "call p()",
            "execute s",
            "execute immediate 'commit'",
            "select 1; CALL p()",
            "begin not atomic end",
            "/*! call p() */",
            "set statement a = 1 for call p()",
        ] {
            assert!(is_opaque(sql), "{sql}");
        }
        for sql in [
            "select 1",
            "(select 1)",
            "insert into t values ('; call p()')",
            "set @a = 1",
            "create table t (a int)",
            "lock tables t write",
            "",
        ] {
            assert!(!is_opaque(sql), "{sql}");
        }
    }
}
