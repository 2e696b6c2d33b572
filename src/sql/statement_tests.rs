//! What is refused and what is not, in a table, and that nothing hides a control statement. Used by nothing but
//! `cargo test`; it knows `statement` alone.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

const POSTGRES: Syntax = Syntax::Postgres;
const MYSQL: Syntax = Syntax::Mysql;
const SQLITE: Syntax = Syntax::Sqlite;
const ALL: [Syntax; 3] = [POSTGRES, MYSQL, SQLITE];

const CONTROL: &[&str] = &[
    "BEGIN",
    "BEGIN;",
    "begin immediate",
    "BEGIN WORK",
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
    "COMMIT",
    "COMMIT AND CHAIN",
    "end",
    "END TRANSACTION",
    "ROLLBACK",
    "ROLLBACK WORK TO SAVEPOINT a",
    "ABORT",
    "SAVEPOINT a",
    "RELEASE a",
    "RELEASE SAVEPOINT a",
    "START TRANSACTION",
    "START /* now */ TRANSACTION READ ONLY",
    "PREPARE TRANSACTION 'id'",
    "PREPARE TRANSACTION U&'id'",
    "XA START 'id'",
    "xa commit 'id'",
    "SET autocommit = 0",
    "SET autocommit=0",
    "SET AUTOCOMMIT TO off",
    "SET @@autocommit = 0",
    "SET @@session.autocommit = 0",
    "SET SESSION autocommit = 0",
    "SET NAMES utf8mb4, autocommit = 0",
    "SET @a = 1, @@autocommit := 0",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET LOCAL TRANSACTION READ ONLY",
    "SET SESSION TRANSACTION READ ONLY",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET LOCAL transaction_isolation = 'serializable'",
    "  \n\t COMMIT",
    "-- why\nCOMMIT",
    ";;; COMMIT",
    "(((COMMIT)))",
    "\u{feff}COMMIT",
    "COMMIT--",
    "COMMIT/**/",
    "SELECT 1; COMMIT",
    "SELECT ';'; COMMIT",
    "SELECT 'it''s'; COMMIT",
    "SELECT 'C:\\'; COMMIT; SELECT '",
    "SELECT DATE'2020-01-01'; COMMIT",
    "SELECT a[1], b['x']; COMMIT",
    "SELECT $$a;b$$; COMMIT",
    "SELECT $a$ $$ ; $a$; COMMIT",
    "SELECT $1; COMMIT",
    "SELECT foo$$bar; COMMIT; SELECT $$",
    "SELECT 2*/* it's */3; COMMIT",
    "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END; COMMIT",
    "CREATE TRIGGER begin AFTER INSERT ON t EXECUTE FUNCTION f(); COMMIT",
    "CREATE TRIGGER a AFTER UPDATE OF begin ON t BEGIN SELECT 1; END; COMMIT",
    "CREATE TABLE a (begin int); COMMIT",
    "CREATE TABLE event (a int, begin int, b int); COMMIT",
    "CREATE FUNCTION f(IN begin int) RETURNS int RETURN 1; COMMIT",
    "CREATE PROCEDURE p() BEGIN IF a THEN BEGIN END; END IF; CASE a WHEN 1 THEN SELECT 1; END CASE; END; COMMIT",
    "CREATE PROCEDURE p() BEGIN SELECT CASE a WHEN 1 THEN 2 END; END; COMMIT",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT",
    "SELECT (1; COMMIT",
    "BEGIN NOT ATOMIC SELECT 1; END; COMMIT",
];

/// What is one in these syntaxes, and in no other.
const CONTROL_IN: &[(&[Syntax], &str)] = &[
    (&[POSTGRES], "-- why\rCOMMIT"),
    (&[MYSQL], "# why\nCOMMIT"),
    (&[POSTGRES], "/* a /* b */ c */ COMMIT"),
    (&[MYSQL, SQLITE], "/* /* */ COMMIT; -- */ */"),
    (&[MYSQL], "/*! COMMIT */"),
    (&[MYSQL], "/*!50003 COMMIT */"),
    (&[MYSQL], "/*M!100100 SET autocommit = 0 */"),
    (&[MYSQL], "SELECT 1 /*! ; COMMIT */"),
    (&[POSTGRES, MYSQL], "SELECT 'it\\'s'; COMMIT"),
    (&[MYSQL], "SELECT \"it\\\"s\"; COMMIT"),
    (&[POSTGRES, MYSQL], "SELECT E'it\\'s'; COMMIT"),
    (&[POSTGRES, MYSQL], "SELECT e'it''s \\' so'; COMMIT"),
    (&[SQLITE], "SELECT [it's] FROM t; COMMIT"),
    (&[MYSQL, SQLITE], "SELECT `it's` FROM t; COMMIT"),
    (&[MYSQL, SQLITE], "SET `autocommit` = 0"),
    (&[MYSQL], "SELECT 1 # it's\n; COMMIT"),
    (&[POSTGRES, SQLITE], "SELECT 1 # 2; COMMIT"),
    (&[MYSQL, SQLITE], "SELECT $$;COMMIT;SELECT $$"),
    (&[MYSQL, SQLITE], "SELECT $a$;COMMIT;SELECT $a$"),
    (&[SQLITE], "SELECT $a(');COMMIT;SELECT '$b'"),
    (&[SQLITE], "SELECT :a::b(');COMMIT;--'"),
    (&[MYSQL, SQLITE], "SELECT 1 -- \r'\n;COMMIT;SELECT '"),
    (&[POSTGRES, SQLITE], "SELECT 1 --'\n;COMMIT;SELECT '"),
    (&[POSTGRES, MYSQL, SQLITE], "SELECT 1--\u{7f}'\n;COMMIT;SELECT '"),
    (&[POSTGRES, MYSQL], "SELECT E'a'\n'\\'';COMMIT;--'"),
    (&[POSTGRES, MYSQL], "SELECT '\\'';COMMIT;SELECT '"),
    (&[POSTGRES, MYSQL, SQLITE], "SELECT \"\\\";COMMIT;SELECT \""),
    (&[POSTGRES, MYSQL, SQLITE], "SELECT 1 /*!99999 ' */;COMMIT;SELECT '"),
    (&[POSTGRES, MYSQL], "SELECT 1 /*!99999 /* */ ' */;COMMIT;SELECT '"),
    (&[POSTGRES], "SELECT `;COMMIT;SELECT `"),
    (&[POSTGRES, MYSQL], "SELECT [;COMMIT;SELECT ]"),
    (&[MYSQL, SQLITE], "/* /* */;COMMIT;/* */ */"),
];

const SINGLE: &[&str] = &[
    "é",
    "SELECT 1",
    "SELECT 1;",
    "SELECT 1; \n;",
    "SELECT 1; -- done",
    "SELECT 1; /* done; BEGIN */",
    "SELECT 'a; COMMIT'",
    "SELECT \"a; COMMIT\"",
    "SELECT 'C:\\', 'a; b'",
    "SELECT 1 -- a; COMMIT",
    "-- a; COMMIT\nSELECT 1",
    "/* a; COMMIT */ SELECT 1",
    "/* begin */ SELECT 1",
    "(SELECT 1) UNION (SELECT 2)",
    "WITH a AS (SELECT 1) SELECT * FROM a",
    "INSERT INTO begin VALUES ('begin')",
    "SELECT begin, commit FROM savepoint",
    "commitment",
    "COMMENT ON TABLE a IS 'b'",
    "BEGINNING",
    "REPLACE INTO a VALUES (1)",
    "RESET ALL",
    "PRAGMA foreign_keys = ON",
    "EXPLAIN SELECT 1",
    "START REPLICA",
    "COMMIT PREPARED 'id'",
    "ROLLBACK /* it */ PREPARED 'id'",
    "PREPARE a AS SELECT 1",
    "PREPARE transaction AS SELECT 1",
    "PREPARE transaction (int) AS SELECT $1",
    "PREPARE transaction FROM 'SELECT 1'",
    "XA RECOVER",
    "SET search_path = a, autocommit",
    "SET LOCAL statement_timeout = 100",
    "SET SESSION AUTHORIZATION a",
    "SET CONSTRAINTS ALL DEFERRED",
    "SET @autocommit = 1",
    "SET a = 'autocommit = 1'",
    "SELECT RELEASE_LOCK('a')",
    "CREATE TABLE a (begin int, \"end\" int)",
    "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END",
    "CREATE TEMP TRIGGER IF NOT EXISTS a UPDATE OF begin, end ON t WHEN CASE 1 WHEN 1 THEN 1 END BEGIN SELECT 1; END;",
    "create temporary trigger a after delete on t for each row begin select old.begin; select old.end from t; end",
    "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM b; END",
    "CREATE DEFINER = root@localhost PROCEDURE p(IN begin int, IN end int) BEGIN START TRANSACTION; COMMIT; END",
    "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; COMMIT; END",
    "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN BEGIN END; ELSE SELECT 1; END CASE; END",
    "CREATE PROCEDURE p() a: BEGIN b: LOOP LEAVE b; END LOOP b; IF c THEN SELECT 1; END IF; END a",
    "ALTER EVENT e DO BEGIN SELECT 1; END",
    "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN 1 END; END",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END;'",
    "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)",
    "CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "BEGIN NOT ATOMIC SELECT 1; COMMIT; END",
];

/// What is one ordinary statement in these syntaxes, and something else in the others.
const SINGLE_IN: &[(&[Syntax], &str)] = &[
    // Elsewhere it is all comment, and no statement.
    (
        &[MYSQL],
        "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER a BEFORE INSERT ON t FOR EACH ROW BEGIN SET @a = 1; END */",
    ),
    (&[MYSQL, SQLITE], "SELECT `a; COMMIT`"),
    (
        &[MYSQL, SQLITE],
        "CREATE DEFINER=`root`@`%` FUNCTION f() RETURNS int BEGIN DECLARE a int; WHILE a DO SET a = 1; END WHILE; END",
    ),
    (&[SQLITE], "SELECT [a; b] FROM t"),
    (&[POSTGRES, MYSQL], "SELECT E'it\\'s; x'"),
    (&[POSTGRES, MYSQL], "SELECT $$a; COMMIT$$"),
    (&[POSTGRES, MYSQL], "SELECT $fn$ a; $$ COMMIT; $$ $fn$"),
    (&[POSTGRES], "DO $$ BEGIN PERFORM 1; COMMIT; END $$"),
    (&[MYSQL], "# a; COMMIT\nSELECT 1"),
    (&[POSTGRES, MYSQL], "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$"),
];

const SEVERAL: &[&str] = &[
    "SELECT 1; SELECT 2",
    "INSERT INTO a VALUES ('b'); DELETE FROM a;",
    "SELECT 'C:\\'; SELECT 'a; b'",
    "CREATE TABLE a (begin int, b int); INSERT INTO a VALUES (1, 2)",
    "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END; SELECT 1",
    "CREATE FUNCTION f() RETURNS int AS $$ BEGIN; END $$; SELECT f()",
    "SELECT (1; SELECT 2",
];

fn kind(result: Result<(), Error>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// What becomes of a text alone, and of one that may hold several statements.
fn kinds(sql: &str, syntax: Syntax) -> [Option<ErrorKind>; 2] {
    [kind(refuse_control(sql, syntax)), kind(check_batch(sql, syntax))]
}

#[test]
fn control_statements_are_refused_rule_23() {
    let all = CONTROL.iter().map(|sql| (&ALL[..], *sql));
    for (syntaxes, sql) in all.chain(CONTROL_IN.iter().copied()) {
        for syntax in ALL {
            let refused = kinds(sql, syntax).map(|kind| kind == Some(ErrorKind::ControlStatement));
            assert_eq!(refused, [syntaxes.contains(&syntax); 2], "{syntax:?}: {sql}");
        }
    }
}

#[test]
fn ordinary_statements_are_not_refused_rule_23() {
    let all = SINGLE.iter().map(|sql| (&ALL[..], *sql));
    for (syntaxes, sql) in all.chain(SINGLE_IN.iter().copied()) {
        for syntax in ALL {
            assert_eq!(kinds(sql, syntax) == [None; 2], syntaxes.contains(&syntax), "{syntax:?}: {sql}");
        }
    }
}

#[test]
fn several_statements_are_for_batch() {
    for sql in SEVERAL {
        for syntax in ALL {
            assert_eq!(kinds(sql, syntax), [Some(ErrorKind::Config), None], "{syntax:?}: {sql}");
        }
    }
}

#[test]
fn a_refusal_names_the_right_call_rule_23() {
    let told = |sql| refuse_control(sql, POSTGRES).map_err(|error| error.to_string());
    let refused = |text: &str| Err(text.to_owned());
    assert_eq!(told("begin"), refused("BEGIN is a control statement: open a block with Database::atomic instead"));
    assert_eq!(
        told("savepoint a"),
        refused("SAVEPOINT is a control statement: open a block with Database::savepoint instead")
    );
    assert_eq!(refuse_control("COMMIT", POSTGRES).expect_err("it is refused").statement(), Some("COMMIT"));
}

/// What means nothing to any database.
const BLANK: &[&str] =
    &[" ", "\t", "\r\n", "/**/", "/* it's */", "/* ; BEGIN */", "-- a 'b\n", "--\n", "/* ` \" [ $$ */"];

fn blank() -> impl Strategy<Value = String> {
    vec(select(BLANK), 0..4).prop_map(|pieces| pieces.concat())
}

fn in_any_case(text: &'static str) -> impl Strategy<Value = String> {
    let change = |(letter, upper): (char, bool)| {
        if upper { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
    };
    vec(any::<bool>(), text.len()).prop_map(move |upper| text.chars().zip(upper).map(change).collect())
}

fn statement(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(texts).prop_flat_map(in_any_case)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_around_it_hides_a_control_statement(
        before in vec(select(SINGLE), 0..3),
        blanks in vec(blank(), 3),
        control in statement(&["BEGIN", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT a", "RELEASE a", "XA END 'a'"]),
        second in statement(&["TRANSACTION", "autocommit = 0", "@@autocommit=1"]),
        after in select(SINGLE),
    ) {
        let [one, two, three] = [0, 1, 2].map(|at| &blanks[at]);
        // A comment to the end of the line needs that end.
        let before = before.iter().map(|sql| format!("{sql}\n;")).collect::<String>();
        for syntax in ALL {
            let refused = [Some(ErrorKind::ControlStatement); 2];
            let text = format!("{before}{one}{control}{two};{after}");
            prop_assert_eq!(kinds(&text, syntax), refused, "{:?}: {}", syntax, text);
            let text = format!("{before}{one}sEt{two} {second}{three}");
            prop_assert_eq!(kinds(&text, syntax), refused, "{:?}: {}", syntax, text);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in ".*", tokens in vec(select(&[
        "BEGIN", "END", "CASE", "CREATE", "TRIGGER", ";", "'", "\"", "`", "[", "]", "$", "$a$", "/*", "*/", "/*!", "--", "#", "\\",
        "\n", "(", ")", "E'", "SET", "@@", ",", "é", " ", "x",
    ]), 0..24)) {
        for sql in [text, tokens.concat(), tokens.join(" ")] {
            for syntax in ALL {
                let [single, batch] = kinds(&sql, syntax);
                prop_assert_eq!(single == Some(ErrorKind::ControlStatement), batch.is_some(), "{:?}: {}", syntax, sql);
                session_effect(&sql, syntax);
            }
        }
    }
}
