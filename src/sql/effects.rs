//! What a text of PostgreSQL may do beyond reading and writing rows: whether sending it a second time is harmless after
//! its connection died, and whether it may change what prepared statements rest on.
//!
//! Used by `db` and the PostgreSQL driver, never on the way of a statement that succeeds as usual. What is not known is
//! taken to do everything.

use crate::sql::tokens::{Syntax, Token, Tokens};

/// What a query begins with, or a statement that writes rows.
const ROWS: [&str; 8] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE", "WITH"];

/// What a parenthesis may follow without being a call of a function that somebody has written: keywords, types, and the
/// functions of the server that do nothing but compute.
const HARMLESS: [&str; 113] = [
    "ABS",
    "AGE",
    "ALL",
    "AND",
    "ANY",
    "ARRAY",
    "ARRAY_AGG",
    "ARRAY_LENGTH",
    "AS",
    "AVG",
    "BETWEEN",
    "BIT",
    "BOOL_AND",
    "BOOL_OR",
    "BY",
    "CARDINALITY",
    "CASE",
    "CAST",
    "CEIL",
    "CHAR",
    "CHAR_LENGTH",
    "COALESCE",
    "CONCAT",
    "CONCAT_WS",
    "CONFLICT",
    "COUNT",
    "CUBE",
    "CURRENT_SETTING",
    "DATE_PART",
    "DATE_TRUNC",
    "DECIMAL",
    "DENSE_RANK",
    "DISTINCT",
    "ELSE",
    "EVERY",
    "EXCEPT",
    "EXISTS",
    "EXTRACT",
    "FILTER",
    "FIRST_VALUE",
    "FLOAT",
    "FLOOR",
    "FROM",
    "GENERATE_SERIES",
    "GEN_RANDOM_UUID",
    "GREATEST",
    "GROUP",
    "HAVING",
    "IN",
    "INTERSECT",
    "INTERVAL",
    "JSONB_AGG",
    "JSONB_BUILD_OBJECT",
    "JSONB_SET",
    "JSON_AGG",
    "JSON_BUILD_OBJECT",
    "LAG",
    "LAST_VALUE",
    "LATERAL",
    "LEAD",
    "LEAST",
    "LENGTH",
    "LIKE",
    "LIMIT",
    "LOWER",
    "LTRIM",
    "MATERIALIZED",
    "MAX",
    "MD5",
    "MIN",
    "MOD",
    "NEXTVAL",
    "NOT",
    "NOW",
    "NTILE",
    "NULLIF",
    "NUMERIC",
    "OFFSET",
    "ON",
    "ONLY",
    "OR",
    "OVER",
    "PG_BACKEND_PID",
    "POSITION",
    "RANDOM",
    "RANK",
    "REPLACE",
    "RETURNING",
    "ROLLUP",
    "ROUND",
    "ROW",
    "ROW_NUMBER",
    "RTRIM",
    "SELECT",
    "SET",
    "SETS",
    "SOME",
    "STRING_AGG",
    "SUBSTRING",
    "SUM",
    "THEN",
    "TIME",
    "TIMESTAMP",
    "TO_CHAR",
    "TRIM",
    "UNION",
    "UNNEST",
    "UPPER",
    "USING",
    "VALUES",
    "VARCHAR",
    "WHEN",
    "WHERE",
];

/// What a statement begins with that leaves alone what other statements were prepared for.
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "for a driver that is not built"))]
const NO_CHANGE: [&str; 23] = [
    "ANALYZE",
    "CHECKPOINT",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COPY",
    "DECLARE",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "GRANT",
    "LISTEN",
    "LOCK",
    "MOVE",
    "NOTIFY",
    "PREPARE",
    "REFRESH",
    "REINDEX",
    "REVOKE",
    "SHOW",
    "TRUNCATE",
    "UNLISTEN",
    "VACUUM",
];

/// What SET sets where it changes which tables a name means.
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "for a driver that is not built"))]
const NAMING: [&str; 4] = ["SEARCH_PATH", "SCHEMA", "ROLE", "AUTHORIZATION"];

/// Whether all statements of a text are known to read and write rows and to do nothing else: then their transaction takes
/// back all that they did. A call of a function that is not known to compute only may reach beyond the transaction.
pub(crate) fn only_touches_rows(sql: &str) -> bool {
    !in_any_reading(sql, |tokens| {
        statements(tokens)
            .any(|statement| !first(statement).is_some_and(|first| first.is_any(&ROWS)) || !is_plain(statement))
    })
}

/// Whether a statement of a text may change the schema, or what names mean, or throws prepared statements away.
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "for a driver that is not built"))]
pub(crate) fn may_change_schema(sql: &str) -> bool {
    in_any_reading(sql, |tokens| {
        statements(tokens).any(|statement| match first(statement) {
            Some(first) if first.is("SET") => statement.iter().any(|token| token.is_any(&NAMING)),
            Some(first) if first.is_any(&ROWS) => (1..statement.len()).any(|at| makes_table(statement, at)),
            Some(first) => !first.is_any(&NO_CHANGE),
            None => false,
        })
    })
}

/// Whether something is so in any way in which the server may read a text.
fn in_any_reading(sql: &str, test: impl Fn(&[Token<'_>]) -> bool) -> bool {
    let mut is_so = false;
    Syntax::Postgres.each_reading(|reading| {
        let mut tokens = Tokens::new(sql, reading);
        let all: Vec<_> = tokens.by_ref().collect();
        is_so = test(&all);
        (!is_so).then(|| tokens.doubt())
    });
    is_so
}

fn statements<'t, 's>(tokens: &'t [Token<'s>]) -> impl Iterator<Item = &'t [Token<'s>]> {
    tokens.split(|token| token.is_mark(b";")).filter(|statement| !statement.is_empty())
}

fn first<'s>(statement: &[Token<'s>]) -> Option<Token<'s>> {
    statement.iter().copied().find(|token| !token.is_mark(b"("))
}

fn is_plain(statement: &[Token<'_>]) -> bool {
    (0..statement.len()).all(|at| !makes_table(statement, at) && !calls(statement, at))
}

/// `SELECT .. INTO` makes a table.
fn makes_table(statement: &[Token<'_>], at: usize) -> bool {
    statement[at].is("INTO") && !before(statement, at).is_some_and(|before| before.is_any(&["INSERT", "MERGE"]))
}

/// Whether a function is called here that may do anything.
fn calls(statement: &[Token<'_>], at: usize) -> bool {
    let is_name = matches!(statement[at], Token::Word(_) | Token::Quoted([b'"', ..]));
    if !is_name || !statement.get(at + 1).is_some_and(|next| next.is_mark(b"(")) {
        return false;
    }
    // The columns of an alias or a common table expression, the size of a type, the columns that an INSERT writes.
    let names_columns = |before: Token<'_>| before.is_any(&["AS", "WITH", "RECURSIVE"]) || before.is_mark(b":");
    let harmless = statement[at].is_any(&HARMLESS) && !before(statement, at).is_some_and(|before| before.is_mark(b"."));
    !harmless && !before(statement, at).is_some_and(names_columns) && !is_target(statement, at)
}

/// Whether the name that ends here is that of the table behind INTO.
fn is_target(statement: &[Token<'_>], mut at: usize) -> bool {
    while at >= 2 && statement[at - 1].is_mark(b".") {
        at -= 2;
    }
    before(statement, at).is_some_and(|before| before.is("INTO"))
}

fn before<'s>(statement: &[Token<'s>], at: usize) -> Option<Token<'s>> {
    statement.get(at.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_alone_are_touched_by_queries_and_dml() {
        for sql in [
            "select 1",
            "(select 1) union (select 2)",
            "insert into item values ($1, $2)",
            "insert into s.\"item\" (id, name) values ($1, lower($2)) on conflict (id) do nothing returning id",
            "update t set a = (select max(b) from u where c in (1, 2)) where d = any($1)",
            "delete from t using u where t.id = u.id;",
            "with x (a) as (select $1::numeric(10, 2)), y as (select 1) select * from x as z (b) where exists (select 1)",
            "select count(*) filter (where a) over (partition by b), \"select\" from t for update",
            "insert into item values (1, 'call f()'); -- do it()\n select 2",
            "values (1), (2)",
        ] {
            assert!(only_touches_rows(sql), "{sql}");
        }
    }

    #[test]
    fn whatever_else_is_taken_to_do_anything() {
        for sql in [
            "call p()",
            "do $$ begin perform 1; end $$",
            "copy t from stdin",
            "create table t (id int)",
            "alter table t add column a int",
            "select f(1)",
            "select s.count(1)",
            "select \"f\"(1)",
            "insert into t select dblink_exec('x')",
            "select * into t from u",
            "insert into t values (1); call p()",
            "explain analyze select f()",
            "truncate t",
            "notify n",
            "/* select */ vacuum",
        ] {
            assert!(!only_touches_rows(sql), "{sql}");
        }
    }

    #[test]
    fn what_may_change_the_schema_is_told() {
        for sql in [
            "alter table t alter column a type text",
            "select 1; drop table t",
            "create temporary table t (id int)",
            "do $$ begin end $$",
            "call p()",
            "deallocate all",
            "discard plans",
            "set search_path = x",
            "set local role r",
            "reset all",
            "select 1 as a into t",
        ] {
            assert!(may_change_schema(sql), "{sql}");
        }
        for sql in
            ["select 1", "insert into t values (1)", "set local work_mem = '1MB'", "truncate t", "", "lock table t"]
        {
            assert!(!may_change_schema(sql), "{sql}");
        }
    }
}
