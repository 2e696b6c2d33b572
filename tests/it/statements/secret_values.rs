//! What errors must not tell: the values of parameters. Section G, rule 53.

use std::error::Error as StdError;

use nestling::{Error, ErrorKind, Value, params};

const SECRET: &str = "hunter2";
const NUMBER: i64 = 987_654_321_987;

/// Everything that can be printed of an error without asking for its detail, sources included.
fn printed(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {:?}", error.statement());
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(" {error} {error:?} {error:#?}"));
        source = error.source();
    }
    text
}

fn assert_silent(error: &Error, what: &str) {
    let text = printed(error);
    assert!(!text.contains(SECRET) && !text.contains(&NUMBER.to_string()), "{what}: {text}");
    assert!(!error.to_string().is_empty());
}

test_on! {
    every_backend;

    /// rule 53: neither in a violation, nor in what follows from one
    async fn violations_do_not_tell_values(backend) {
        let db = &backend.db;
        let schema = "create table vault (id bigint primary key, word varchar(100) unique, place text not null, \
                      owner bigint, constraint small check (id < 900000000000), \
                      foreign key (owner) references vault (id))";
        db.batch(schema).await.expect("the schema");
        let insert = "insert into vault values ($1, $2, $3, $4)";
        db.execute(insert, params![1, SECRET, SECRET, None::<i64>]).await.expect("a row");
        let none = None::<i64>;
        let cases = [
            (params![2, SECRET, SECRET, none], "unique"),
            (params![NUMBER, SECRET, SECRET, none], "check"),
            (params![NUMBER, none, none, none], "not null"),
            (params![2, none, SECRET, NUMBER], "foreign key"),
            (params![2, SECRET], "too few parameters"),
        ];
        for (params, what) in cases {
            let error = db.execute(insert, params.clone()).await.expect_err(what);
            assert_silent(&error, what);
            let block = db.atomic(|| async {
                assert_silent(&db.execute(insert, params.clone()).await.expect_err(what), what);
                match db.query("select 1", params![]).await {
                    Ok(_) => db.execute(insert, params).await,
                    Err(aborted) => Err(aborted),
                }
            });
            assert_silent(&block.await.expect_err(what), what);
        }
        let unique = db.execute(insert, params![2, SECRET, SECRET, none]).await.expect_err("the word is taken");
        if backend.choose(true, true, false) {
            assert!(unique.detail().is_some_and(|detail| detail.contains(SECRET)), "what is asked for is told");
        }
    }

    /// rule 53: nor where a value cannot be read as what it should be
    async fn values_that_do_not_fit_are_not_told(backend) {
        let db = &backend.db;
        let sqls: &[&str] = if backend.is_postgres() {
            db.batch("create type mood as enum ('sad', 'ok')").await.expect("a type");
            &[
                "select $1::text::integer", "select $1::text::numeric", "select $1::text::date", "select $1::text::timestamptz",
                "select $1::text::boolean", "select $1::text::uuid", "select $1::text::json", "select $1::text::mood",
                "select $1::text::inet", "select $1::text::integer[]", "select ('{' || $1::text)::integer[]",
                "select $1::mood", "select $1::date", "select $1::numeric", "select $1::uuid", "select $1::json", "select $1::integer",
                "select set_config('work_mem', $1, true)", "select now() at time zone $1", "select to_date($1, 'YYYY-MM-DD')",
                "select 'x' ~ ('(' || $1::text)", "select decode($1, 'hex')", "select date_trunc($1, now())", "select convert_from($1::text::bytea, 'NONE')",
            ]
        } else if backend.is_mysql() {
            let odd = "create table odd (n integer, d date, e enum('sad', 'ok'), t varchar(3), f double, j json)";
            db.batch(odd).await.expect("a table");
            &[
                "insert into odd (n) values ($1)", "insert into odd (d) values ($1)", "insert into odd (e) values ($1)",
                "insert into odd (t) values ($1)", "insert into odd (f) values ($1)", "insert into odd (j) values ($1)",
                "select json_extract($1, '$.a')", "select json_extract('{}', $1)", "select 'x' regexp concat('(', $1)",
                "select st_geomfromtext($1)", "select uuid_to_bin($1)", "update odd set n = $1", "set time_zone = $1",
                "set sql_mode = $1", "select cast($1 as json)", "select date_format(now(), '%Y') from odd where n = $1 for update",
            ]
        } else {
            &["select json($1)", "select json_extract('{}', $1)", "select json_extract('{\"a\":1}', '$[' || $1)"]
        };
        for sql in sqls {
            let Err(error) = db.query(sql, params![SECRET]).await else { continue };
            assert_silent(&error, sql);
            assert_silent(&db.atomic(|| db.query(sql, params![SECRET])).await.expect_err(sql), sql);
        }
        let misfits: &[(&str, Value)] = if backend.is_postgres() {
            &[("select $1::integer", NUMBER.into()), ("select $1::bigint::integer", NUMBER.into()),
              ("select $1::text::integer", NUMBER.to_string().into()), ("select 1 / ($1::bigint - $1)", NUMBER.into()),
              ("select $1::uuid", NUMBER.into()), ("select $1::text::smallint", NUMBER.to_string().into())]
        } else {
            &[("select abs($1 - 9223372036854775807 - 987654321988)", NUMBER.into())]
        };
        for (sql, value) in misfits {
            assert_silent(&db.query(sql, params![value.clone()]).await.expect_err(sql), sql);
        }
    }

    /// rule 53: nor where a value that was read is not what was asked for
    async fn values_that_were_read_are_not_told(backend) {
        let db = &backend.db;
        let sql = backend.choose(
            "select cast($1 as text) as word, cast($2 as bigint) as number",
            "select cast($1 as char) as word, cast($2 as signed) as number",
            "select cast($1 as text) as word, cast($2 as bigint) as number",
        );
        let row = db.query_one(sql, params![SECRET, NUMBER]).await;
        let row = row.expect("a row");
        let errors = [
            row.get::<i64>("word").expect_err("no number"),
            row.get::<i32>("number").expect_err("too large"),
            row.get::<bool>("number").expect_err("no truth"),
            row.get::<uuid::Uuid>("word").expect_err("no uuid"),
            row.get::<String>("none").expect_err("no column"),
            row.to::<(i64, i64)>().expect_err("no number"),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Decode);
            assert_silent(&error, "reading");
        }
        assert!(!format!("{row:?} {:?}", params![SECRET, NUMBER]).contains(SECRET));
    }
}

test_on! {
    every_backend;

    /// rules 53, 55: nor are the values of settings, nor passwords, in what can be printed of the handles
    async fn handles_do_not_tell_secrets(backend) {
        let db = &backend.db;
        let options = db.build_transaction().set_local("app.tenant", SECRET).name("checkout");
        assert!(!format!("{options:?}").contains(SECRET), "{options:?}");
        let (before, after) = backend.url().split_once("://").expect("a URL");
        let url = format!("{before}://user:{SECRET}@{}", after.rsplit('@').next().unwrap_or_default());
        let builder = nestling::Database::builder(&url);
        assert!(!format!("{builder:?}").contains(SECRET), "{builder:?}");
        if let Ok(db) = builder.build() {
            assert!(!format!("{db:?}").contains(SECRET), "{db:?}");
        }
        if backend.is_postgres() {
            let eager = options.eager().atomic(|| async { Ok::<_, Error>(()) });
            eager.await.expect("a setting");
            let wrong = db.build_transaction().set_local("work_mem", SECRET);
            assert_silent(&wrong.atomic(|| db.execute("select 1", params![])).await.expect_err("no size"), "work_mem");
        }
    }
}
