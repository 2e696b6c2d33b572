//! What leaves a trace in its session and what does not, in tables. Used by nothing but `cargo test`.

use super::*;

const POSTGRES: &[(&str, SessionEffect)] = &[
    ("select 1", Nothing),
    ("insert into a values ('set x = 1')", Nothing),
    ("(select 1) union (select 2)", Nothing),
    ("select set_config('a.b', $1, true)", Nothing),
    ("select set_config('a.b', $1, false)", Reset),
    ("select set_config('a.b', f(1, true), $2)", Reset),
    ("select pg_catalog.set_config('a.b', 'x', 1 = 1)", Reset),
    ("select set_config from a", Nothing),
    ("select pg_advisory_lock(1)", Reset),
    ("select pg_try_advisory_lock_shared(1, 2)", Reset),
    ("select pg_advisory_xact_lock(1)", Nothing),
    ("select pg_advisory_unlock(1)", Nothing),
    ("with a as (select setseed(0.5)) select 1", Reset),
    ("set search_path = a", Reset),
    ("SET SESSION statement_timeout = 1", Reset),
    ("set local statement_timeout = 1", Nothing),
    ("set constraints all deferred", Nothing),
    ("set role a", Reset),
    ("set session authorization a", Reset),
    ("reset role", Nothing),
    ("listen a", Reset),
    ("unlisten *", Nothing),
    ("prepare a as select 1", Reset),
    ("deallocate a", Nothing),
    ("deallocate prepare all", Discard),
    ("discard all", Discard),
    ("discard temp", Nothing),
    ("load 'a'", Discard),
    ("do $$ begin perform 1; end $$", Reset),
    ("call p()", Reset),
    ("declare a cursor with hold for select 1", Reset),
    ("declare a cursor for select 1", Nothing),
    ("create temp table a (b int)", Reset),
    ("create local temporary view a as select 1", Reset),
    ("create or replace temp view a as select 1", Reset),
    ("create table pg_temp.a (b int)", Reset),
    ("select 1 into temp a", Reset),
    ("create table a (temp int)", Nothing),
    ("lock table a", Nothing),
    ("select 1; set x = 1", Reset),
    ("select $$;set x = 1;$$", Nothing),
    ("select 'a\\'; set x = 1; select '", Reset),
    ("notice this", Reset),
];

const MYSQL: &[(&str, SessionEffect)] = &[
    ("select 1", Nothing),
    ("insert into a values ('x'); update a set b = 1", Nothing),
    ("set time_zone = '+05:00'", Reset),
    ("set names gbk", Reset),
    ("set @a = 1", Reset),
    ("/*!40101 SET NAMES utf8 */", Reset),
    ("select 1 /*! ; set names utf8 */", Reset),
    ("set global a = 1", Nothing),
    ("set global a = 1, session b = 2", Reset),
    ("set role none", Discard),
    ("use other", Reset),
    ("lock tables a write", Reset),
    ("unlock tables", Nothing),
    ("flush tables with read lock", Reset),
    ("flush tables a for export", Reset),
    ("flush privileges", Nothing),
    ("select get_lock('a', 1)", Reset),
    ("do get_lock('a', 1)", Reset),
    ("select release_lock('a')", Nothing),
    ("select @a := 1", Reset),
    ("select 1 into @a", Reset),
    ("select @@version, @@session.sql_mode", Nothing),
    ("create user 'a'@'b'", Nothing),
    ("create temporary table a (b int)", Reset),
    ("create or replace temporary table a (b int)", Reset),
    ("create table temp (temporary int)", Nothing),
    ("call p()", Reset),
    ("execute immediate 'set a = 1'", Reset),
    ("prepare a from 'select 1'", Reset),
    ("handler a open", Reset),
    ("begin not atomic set time_zone = 'x'; end", Reset),
];

const SQLITE: &[(&str, SessionEffect)] = &[
    ("select 1", Nothing),
    ("pragma foreign_keys = off", Reset),
    ("pragma main.foreign_keys(0)", Reset),
    ("pragma foreign_keys", Nothing),
    ("pragma table_info(a)", Nothing),
    ("pragma main.table_info('a')", Nothing),
    ("PRAGMA user_version = 3", Nothing),
    ("attach 'a' as b", Reset),
    ("detach b", Reset),
    ("create temp table a (b)", Reset),
    ("create table temp.a (b)", Reset),
    ("create table \"temp\" . a (b)", Reset),
    ("create table a (temp text)", Nothing),
    ("select $$;pragma foreign_keys = off;select $$", Reset),
    ("explain select 1", Nothing),
];

#[test]
fn what_a_statement_leaves_behind_is_known_by_its_words() {
    for (syntax, table) in [(Syntax::Postgres, POSTGRES), (Syntax::Mysql, MYSQL), (Syntax::Sqlite, SQLITE)] {
        for (sql, effect) in table {
            assert_eq!(session_effect(sql, syntax), *effect, "{syntax:?}: {sql}");
        }
    }
}

/// What is refused behind a pooler that gives each transaction another session.
#[cfg(feature = "postgres")]
#[test]
fn what_is_certain_to_stay_is_told_from_what_may() {
    let stays = [
        "set x = 1",
        "listen a",
        "prepare a as select 1",
        "deallocate all",
        "select pg_advisory_lock(1)",
        "select set_config('a.b', $1, false)",
        "create temp table a (b int)",
        "create temp table a (b int) on commit drop; create temp table c (d int)",
        "declare a cursor with hold for select 1",
        "select 1; set x = 1",
    ];
    let goes = [
        "select 1",
        "call p()",
        "do $$ begin end $$",
        "execute a",
        "notice this",
        "set local x = 1",
        "set constraints all deferred",
        "deallocate a",
        "reset all",
        "select pg_advisory_xact_lock(1)",
        "create temp table a (b int) on commit drop",
        "create temp table a on commit drop as select 1",
        "select 'set x = 1'",
    ];
    assert_eq!(stays.map(session_keeps), [true; 10]);
    assert_eq!(goes.map(session_keeps), [false; 13]);
}
