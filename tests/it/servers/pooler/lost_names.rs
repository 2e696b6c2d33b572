//! Names that are lost, where the pool was told that they are kept: they are given up, by the whole pool, and what has not
//! run is sent again. What else makes a server forget statements is no reason for that.

use nestling::{Database, Error, params};

use super::{Kind, Pooled};
use crate::{harness::Backend, recorder::Recorder};

const SQL: &str = "select $1::int4 + 1";

/// Through the older pooler, which the URL says keeps names.
async fn wrongly_told() -> Pooled {
    let pooled = Pooled::new(Kind::Older, false).await;
    let mut backend = pooled.backend.with_items().await;
    let url = format!("{}&pgbouncer=false", backend.url());
    backend.db = Database::builder(&url).max_connections(1).build().expect("valid options");
    Pooled { backend, ..pooled }
}

async fn plus_one(db: &Database, number: i32) -> Result<i32, Error> {
    db.query_one(SQL, params![number]).await?.get(0)
}

/// How often it was told that names are not kept.
fn warnings(recorder: &Recorder) -> usize {
    recorder.take().iter().filter(|record| record.what.contains("pgbouncer=true")).count()
}

/// rule 60: outside a block nothing has run
#[tokio::test]
async fn a_statement_whose_name_is_lost_runs_all_the_same() {
    let (recorder, _guard) = Recorder::start();
    let pooled = wrongly_told().await;
    let db = &pooled.backend.db;
    assert_eq!(plus_one(db, 1).await.unwrap(), 2);
    let occupied = pooled.occupy(1).await;
    assert_eq!(warnings(&recorder), 0);
    assert_eq!(plus_one(db, 2).await.expect("in another session"), 3);
    assert_eq!(warnings(&recorder), 1);
    occupied.release().await;
    for count in 0..4 {
        let occupied = pooled.occupy(count).await;
        assert_eq!(plus_one(db, 3).await.unwrap(), 4);
        assert_eq!(db.atomic(|| plus_one(db, 4)).await.unwrap(), 5);
        occupied.release().await;
    }
    assert_eq!(warnings(&recorder), 0, "once");
}

/// rules 19 and 60: of a block nothing has run if its first request is what fails, whatever that is
#[tokio::test]
async fn a_block_whose_first_name_is_lost_begins_anew() {
    type Run = fn(&Database) -> futures_util::future::BoxFuture<'_, Result<(), Error>>;
    let starts: [(&str, Run); 5] = [
        ("known", |db| Box::pin(async move { db.atomic(|| plus_one(db, 1)).await.map(drop) })),
        ("new", |db| {
            Box::pin(async move { db.atomic(|| db.execute("insert into item values (1, 'one')", ())).await.map(drop) })
        }),
        ("nested", |db| Box::pin(async move { db.atomic(|| db.atomic(|| plus_one(db, 1))).await.map(drop) })),
        ("eager", |db| {
            Box::pin(async move { db.build_transaction().eager().atomic(|| plus_one(db, 1)).await.map(drop) })
        }),
        ("batch", |db| {
            let text = "insert into item values (2, 'two'); insert into item values (3, 'three')";
            Box::pin(async move { db.atomic(|| db.batch(text)).await })
        }),
    ];
    for (what, run) in starts {
        let pooled = wrongly_told().await;
        let db = &pooled.backend.db;
        // BEGIN, a savepoint and the statement are prepared, in one session.
        db.atomic(|| db.atomic(|| plus_one(db, 1))).await.expect("a block");
        let occupied = pooled.occupy(1).await;
        run(db).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        occupied.release().await;
        let expected: &[&str] = match what {
            "new" => &["one"],
            "batch" => &["three", "two"],
            _ => &[],
        };
        assert_eq!(pooled.backend.items().await, expected, "{what}");
    }
}

/// rules 31 and 37: what may have been done is not done twice
#[tokio::test]
async fn in_the_middle_of_a_block_a_lost_name_is_an_error() {
    let pooled = wrongly_told().await;
    let db = &pooled.backend.db;
    assert_eq!(plus_one(db, 1).await.unwrap(), 2);
    let occupied = pooled.occupy(1).await;
    let block = || {
        db.atomic(|| async {
            db.execute("insert into item values (1, 'one')", ()).await?;
            plus_one(db, 1).await
        })
    };
    let error = block().await.expect_err("the statement is known in another session");
    assert_eq!(error.code(), Some("26000"));
    assert_eq!(pooled.backend.items().await, Vec::<String>::new());
    assert_eq!(block().await.expect("no name is relied on any more"), 2);
    assert_eq!(pooled.backend.items().await, ["one"]);
    occupied.release().await;
}

/// rule 2: a session that was changed may have forgotten by that, and the pool goes on with names
#[tokio::test]
async fn what_forgets_statements_is_not_taken_for_a_pooler() {
    let (recorder, _guard) = Recorder::start();
    let backend = Backend::postgres().await.with(|options| options.max_connections(1));
    let db = &backend.db;
    let kept = "select count(*) from pg_prepared_statements";
    for forget in ["deallocate all", "discard all", "do $$ begin execute 'deallocate all'; end $$"] {
        assert_eq!(plus_one(db, 1).await.unwrap(), 2);
        db.batch(forget).await.unwrap();
        assert_eq!(plus_one(db, 1).await.expect(forget), 2);
        db.batch(forget).await.unwrap();
        assert_eq!(db.atomic(|| db.atomic(|| plus_one(db, 1))).await.expect(forget), 2);
    }
    let error = db.query_one("execute nowhere", ()).await.expect_err("there is no such statement");
    assert_eq!(error.code(), Some("26000"));
    assert_eq!(plus_one(db, 1).await.unwrap(), 2);
    assert!(db.query_one(kept, ()).await.unwrap().get::<i64>(0).unwrap() > 0, "statements are prepared");
    assert_eq!(warnings(&recorder), 0);
}

/// rule 60: it is told at the first statement, before any name was lost
#[tokio::test]
async fn a_pooler_that_does_not_keep_names_is_told_once() {
    let (recorder, _guard) = Recorder::start();
    let pooled = Pooled::new(Kind::Older, false).await.with(|options| options.max_connections(4));
    let db = &pooled.backend.db;
    let all = (0..8).map(|number| plus_one(db, number));
    futures_util::future::try_join_all(all).await.expect("eight numbers");
    assert_eq!(warnings(&recorder), 1);
    let told = Pooled::new(Kind::Older, true).await;
    assert_eq!(plus_one(&told.backend.db, 1).await.unwrap(), 2);
    assert_eq!(warnings(&recorder), 0, "what the URL says is not told");
}

/// rule 59
#[test]
fn the_option_of_the_url_is_true_or_false() {
    for (value, is_fine) in [("true", true), ("false", true), ("", false), ("yes", false)] {
        let opened = Database::builder(&format!("postgres://localhost/db?pgbouncer={value}")).build();
        assert_eq!(opened.is_ok(), is_fine, "{value}");
    }
}
