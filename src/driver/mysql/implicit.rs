//! Which statements commit the transaction that they run in, as far as their text tells. The server's status flags tell it
//! for sure, but only afterwards; this is for what must be known before, and for errors, which have no flags.

use crate::tokens::{Reading, Token, Tokens};

/// What such a statement begins with.
const FIRST: [&str; 18] = [
    "ALTER",
    "ANALYZE",
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
    "TRUNCATE",
    "UNINSTALL",
    "UNLOCK",
];

/// Whether a text of one statement, or one of its statements, commits implicitly.
pub(super) fn commits(sql: &str) -> bool {
    scan(sql).0
}

/// Whether one of several statements commits implicitly: those behind it would run on their own.
pub(super) fn commits_among_several(sql: &str) -> bool {
    sql.contains(';') && matches!(scan(sql), (true, 2..))
}

/// Whether any statement commits, and how many there are. Bodies of routines count as several, which is no matter: what
/// has one commits itself.
fn scan(sql: &str) -> (bool, usize) {
    let mut tokens = Tokens::new(sql, Reading::Mysql);
    let (mut commits, mut statements, mut begins) = (false, 0, true);
    while let Some(token) = tokens.next() {
        if token.is_mark(b";") {
            begins = true;
        } else if std::mem::take(&mut begins) {
            statements += 1;
            commits |= is_committing(token, tokens.clone());
        }
    }
    (commits, statements)
}

fn is_committing(first: Token<'_>, mut rest: Tokens<'_>) -> bool {
    if !matches!(first, Token::Word(_)) || !first.is_any(&FIRST) {
        return false;
    }
    // Temporary tables are the session's own: they come and go without a commit.
    let is_temporary = rest.find(|token| !token.is_any(&["OR", "REPLACE"])).is_some_and(|token| token.is("TEMPORARY"));
    !(is_temporary && first.is_any(&["CREATE", "DROP"]))
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
    }
}
