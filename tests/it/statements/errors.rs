//! How errors are classed, and what they tell. Section G, rule 53.

use std::{
    error::Error as StdError,
    fmt,
    time::{Duration, Instant},
};

use nestling::{Database, Error, ErrorKind, Isolation, params};

use crate::harness::Backend;

const SCHEMA: &str = "create table parent (id integer primary key);
    create table child (
        id integer not null,
        name varchar(100),
        parent integer not null,
        late integer,
        price integer,
        constraint child_pk primary key (id),
        constraint child_name_key unique (name),
        constraint child_parent_fk foreign key (parent) references parent (id) deferrable initially immediate,
        constraint child_late_fk foreign key (late) references parent (id) deferrable initially deferred,
        constraint child_price_positive check (price > 0),
        constraint child_pair_key unique (parent, price));
    insert into parent values (1), (2);
    insert into child values (1, 'one', 1, null, 10)";

/// The schema; MySQL defers nothing.
fn schema(backend: &Backend) -> String {
    let all = |words: &str| SCHEMA.replace(words, "");
    if backend.is_mysql() {
        all(" deferrable initially immediate").replace(" deferrable initially deferred", "")
    } else {
        SCHEMA.into()
    }
}

/// All predicates about what a statement violated, by name.
fn classes(error: &Error) -> Vec<&'static str> {
    let all = [
        ("unique", error.is_unique_violation()),
        ("foreign key", error.is_foreign_key_violation()),
        ("not null", error.is_not_null_violation()),
        ("check", error.is_check_violation()),
        ("serialization", error.is_serialization_failure()),
        ("deadlock", error.is_deadlock()),
        ("lost", error.is_connection_lost()),
        ("timeout", error.is_timeout()),
        ("retryable", error.is_retryable()),
    ];
    all.into_iter().filter_map(|(name, holds)| holds.then_some(name)).collect()
}

const INSERT: &str = "insert into child values ($1, $2, $3, $4, $5)";

test_on! {
    every_backend;

    /// rule 53. MySQL and MariaDB tell the table in few of their messages.
    async fn violations_are_told_apart_with_their_constraint(backend) {
        let db = &backend.db;
        db.batch(&schema(&backend)).await.expect("the schema");
        let none = None::<i64>;
        let check = if backend.is_mysql() && backend.is_mariadb().await { "4025" } else { "3819" };
        let cases = [
            (params![1, "x", 1, none, 1], "unique", "23505", "child_pk", "1062", "PRIMARY", "1555", Some("child.id")),
            (params![2, "one", 1, none, 1], "unique", "23505", "child_name_key", "1062", "child_name_key", "2067", Some("child.name")),
            (params![2, "x", 1, none, 10], "unique", "23505", "child_pair_key", "1062", "child_pair_key", "2067", Some("child.parent, child.price")),
            (params![2, "x", 9, none, 1], "foreign key", "23503", "child_parent_fk", "1452", "child_parent_fk", "787", None),
            (params![2, "x", 1, none, -1], "check", "23514", "child_price_positive", check, "child_price_positive", "275", Some("child_price_positive")),
            (params![2, "x", none, none, 1], "not null", "23502", "", "1048", "", "1299", None),
        ];
        for (params, class, postgres_code, postgres_name, mysql_code, mysql_name, sqlite_code, sqlite_name) in cases {
            let alone = db.execute(INSERT, params.clone()).await.expect_err(class);
            let block = db.atomic(|| db.execute(INSERT, params.clone())).await.expect_err(class);
            for error in [alone, block] {
                assert_eq!((error.kind(), classes(&error)), (ErrorKind::Server, vec![class]));
                assert_eq!(error.statement(), Some(INSERT));
                if backend.is_postgres() {
                    assert_eq!(error.code(), Some(postgres_code));
                    assert_eq!(error.constraint().unwrap_or_default(), postgres_name);
                    assert_eq!(error.table(), Some("child"));
                } else if backend.is_mysql() {
                    assert_eq!((error.code(), error.constraint().unwrap_or_default()), (Some(mysql_code), mysql_name));
                } else {
                    assert_eq!((error.code(), error.constraint()), (Some(sqlite_code), sqlite_name));
                }
                if class == "not null" {
                    assert_eq!((error.table(), error.column()), (backend.choose(Some("child"), None, Some("child")), Some("parent")));
                }
            }
        }
        let syntax = db.execute("selec 1", params![]).await.expect_err("no statement");
        assert_eq!((syntax.kind(), classes(&syntax)), (ErrorKind::Server, vec![]));
        let table = db.execute("select * from nowhere", params![]).await.expect_err("no table");
        assert!(table.to_string().contains("nowhere"), "{table}");
        backend.settled().await;
    }

    /// rules 16, 53: an error of COMMIT is classed like that of a statement. (On MySQL it is that of the statement: COMMIT
    /// checks nothing.)
    async fn a_violation_at_commit_is_told_by_the_block(backend) {
        let db = &backend.db;
        db.batch(&schema(&backend)).await.expect("the schema");
        let late = db.atomic(|| db.execute(INSERT, params![2, "x", 1, 9, 1])).await.expect_err("no such parent");
        assert_eq!((late.kind(), classes(&late)), (ErrorKind::Server, vec!["foreign key"]));
        if backend.is_postgres() {
            assert_eq!((late.code(), late.constraint()), (Some("23503"), Some("child_late_fk")));
        }
        let rows = db.query("select id from child", params![]).await.expect("the rows");
        assert_eq!(rows.len(), 1);
        backend.settled().await;
    }

    /// rule 53: an error knows its statement by the caller's text, not by what was made of it for the server
    async fn an_error_has_the_text_of_the_caller(backend) {
        let db = &backend.db;
        let sql = "select $2, $1 from nowhere";
        let round = async || {
            let mut errors = vec![
                db.execute(sql, params![1, 2]).await.expect_err("no table"),
                db.query(sql, params![1, 2]).await.expect_err("no table"),
                db.query(sql, params![1]).await.expect_err("too few"),
            ];
            errors.push(match db.stream(sql, params![1, 2]).await {
                Ok(mut rows) => rows.next().await.expect("an answer").expect_err("no table"),
                Err(error) => error,
            });
            for error in errors {
                assert_eq!(error.statement(), Some(sql), "{error:?}");
            }
        };
        round().await;
        db.connection(|| async {
            round().await;
            Ok::<_, Error>(())
        })
        .await
        .expect("pinned");
        let block = db.atomic(|| db.execute(sql, params![1, 2])).await.expect_err("no table");
        assert_eq!(block.statement(), Some(sql));
    }

    /// rule 53: what came of an error has its class, and where it came from is found by `source`
    async fn a_cause_is_seen_through_what_follows_from_it(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.execute("insert into item values (1, 'one')", params![]).await.expect("an item");
        let clash = || db.execute("insert into item values (1, 'two')", params![]);
        if backend.is_postgres() {
            let told = db.atomic(|| async {
                clash().await.expect_err("the key is taken");
                let next = db.query("select 1", params![]).await.expect_err("the block is aborted");
                assert_eq!((next.kind(), classes(&next)), (ErrorKind::Aborted, vec!["unique"]));
                assert_eq!(next.constraint(), Some("item_pkey"));
                Ok::<_, Error>(())
            });
            let told = told.await.expect_err("it cannot be committed");
            assert_eq!((told.kind(), classes(&told), told.code()), (ErrorKind::RolledBack, vec!["unique"], Some("23505")));
            assert!(told.source().is_some_and(<dyn StdError>::is::<Error>));
        }
        let joined = db.atomic(|| async {
            let own = db.clone();
            let failed = db.transaction(move || async move {
                own.execute("insert into item values (1, 'two')", params![]).await
            });
            failed.await.expect_err("the key is taken");
            Ok::<_, Error>(())
        });
        let told = joined.await.expect_err("a joined transaction failed");
        assert_eq!((told.kind(), classes(&told)), (ErrorKind::UnexpectedRollback, vec!["unique"]));
    }

    /// rule 53: the caller's own error type does not hide ours
    async fn errors_are_found_in_the_callers_own(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.execute("insert into item values (1, 'one')", params![]).await.expect("an item");
        let own: App = db
            .atomic(|| async {
                let inner = db.atomic(|| async {
                    db.execute("insert into item values (1, 'two')", params![]).await?;
                    Ok::<_, App>(())
                });
                inner.await.map_err(|error| App::While("importing", Box::new(error)))
            })
            .await
            .expect_err("the key is taken");
        assert_eq!(own.to_string(), "while importing");
        let found = Error::find_in(&own).expect("it is in there");
        assert_eq!(classes(found), ["unique"]);
        let boxed: Box<dyn StdError + Send + Sync> = Box::new(own);
        assert!(Error::find_in(&*boxed).is_some_and(Error::is_unique_violation));
        let ours = App::Db(db.execute("selec", params![]).await.expect_err("no statement"));
        assert!(Error::find_in(&ours).is_some_and(|error| classes(error).is_empty()));
        assert!(Error::find_in(&App::No).is_none());
        let other = db.atomic(|| async { Err::<(), _>(App::No) }).await.expect_err("the body's own");
        assert!(Error::find_in(&other).is_none());
    }
}

/// An error type as a program has one.
#[derive(Debug)]
enum App {
    Db(Error),
    While(&'static str, Box<Self>),
    No,
}

impl fmt::Display for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Db(_) => f.write_str("the database refused"),
            Self::While(what, _) => write!(f, "while {what}"),
            Self::No => f.write_str("no"),
        }
    }
}

impl StdError for App {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Db(error) => Some(error),
            Self::While(_, error) => Some(&**error),
            Self::No => None,
        }
    }
}

impl From<Error> for App {
    fn from(error: Error) -> Self {
        Self::Db(error)
    }
}

/// rule 53
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_serialization_failure_is_told_and_retryable() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    db.execute("insert into item values (1, 'one')", params![]).await.expect("an item");
    let other = backend.builder().build().expect("valid options");
    let rename = |db: Database, name: &'static str| async move {
        db.execute("update item set name = $1 where id = 1", params![name]).await
    };
    let late = db.build_transaction().isolation(Isolation::RepeatableRead).atomic(|| async {
        db.query("select * from item", params![]).await?;
        rename(other, "other").await?;
        rename(db.clone(), "late").await
    });
    let error = late.await.expect_err("somebody was faster");
    assert_eq!((error.code(), classes(&error)), (Some("40001"), vec!["serialization", "retryable"]));
    assert_eq!(backend.items().await, ["other"]);
}

/// rule 53
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_deadlock_is_told_and_retryable() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    db.execute("insert into item values (1, 'one'), (2, 'two')", params![]).await.expect("items");
    let (first, second) = (tokio::sync::Barrier::new(2), Instant::now());
    let both = async |ids: [i64; 2]| {
        // So that the server looks for it soon.
        let options = db.build_transaction().set_local("deadlock_timeout", "20ms");
        options
            .atomic(|| async {
                db.execute("update item set name = name || 'x' where id = $1", params![ids[0]]).await?;
                first.wait().await;
                db.execute("update item set name = name || 'x' where id = $1", params![ids[1]]).await
            })
            .await
    };
    let (one, other) = tokio::join!(nestling::scope(both([1, 2])), nestling::scope(both([2, 1])));
    assert!(second.elapsed() < Duration::from_secs(60));
    let (error, done) = if one.is_err() { (one, other) } else { (other, one) };
    let error = error.expect_err("one of them is chosen");
    assert_eq!((error.code(), classes(&error)), (Some("40P01"), vec!["deadlock", "retryable"]));
    done.expect("the other one goes on");
    assert_eq!(backend.items().await, ["onex", "twox"]);
}
