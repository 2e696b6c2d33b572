//! Upserts: of many rows in few flights, of one row twice, by partial indexes and named constraints, and under a condition.

use nestling::{Database, Dialect, ErrorKind, Model, Query, create_tables, params, query::OnConflict};

use crate::harness::Backend;

#[derive(Debug, Clone, PartialEq, Model)]
struct Word {
    id: i64,
    #[model(unique, max_length = 50)]
    text: String,
    #[model(unique, max_length = 50)]
    code: Option<String>,
    uses: i64,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(unique(a, b))]
struct Pair {
    #[model(primary_key, max_length = 50)]
    id: String,
    a: i64,
    b: bool,
    uses: i64,
}

fn word(text: &str, uses: i64) -> [nestling::model::Assignment<Word>; 2] {
    [Word::TEXT.set(text), Word::USES.set(uses)]
}

fn again() -> OnConflict<Word> {
    OnConflict::columns(Word::TEXT).update([Word::USES.set(Word::USES + Word::USES.excluded())])
}

async fn words(db: &Database) -> Vec<(i64, String, i64)> {
    let all = Word::select().order_by(Word::ID.asc()).columns((Word::ID, Word::TEXT, Word::USES)).all(db).await;
    all.expect("words")
}

test_on! {
    mysql_and_mariadb;

    // fault 2.6
    async fn an_upsert_that_meets_a_row_twice_gives_it_twice(backend) {
        let db = &backend.db;
        create_tables(db, &[Word::TABLE, Pair::TABLE]).await.expect("tables");
        let rows = [word("a", 1), word("b", 2), word("a", 4)];
        let given = Word::insert_many(rows.clone()).on_conflict(again()).returning().run_on(db).await.expect("upserted");
        assert_eq!(given.iter().map(|word| (&*word.text, word.uses)).collect::<Vec<_>>(), [("a", 5), ("b", 2), ("a", 5)]);
        let keys = Word::insert_many(rows).on_conflict(again()).run_on(db).await.expect("upserted");
        assert_eq!(keys, [given[0].id, given[1].id, given[0].id]);
        let pair = |id: &str| [Pair::ID.set(id), Pair::A.set(1), Pair::B.set(true), Pair::USES.set(1)];
        let more = OnConflict::columns((Pair::A, Pair::B)).update([Pair::USES.set(Pair::USES + 1)]);
        let given = Pair::insert_many([pair("x"), pair("y")]).on_conflict(more).returning().run_on(db).await.expect("upserted");
        assert_eq!(given.iter().map(|pair| (&*pair.id, pair.uses)).collect::<Vec<_>>(), [("x", 2), ("x", 2)]);
    }

    // fault 2.6: a key that the server writes otherwise than it was given
    async fn a_key_that_a_collation_takes_for_equal_is_read_back(backend) {
        let db = &backend.db;
        db.batch("create table pair (id varchar(50) collate utf8mb4_general_ci primary key, a int, b bool, uses int)").await.expect("a table");
        db.batch("insert into pair values ('ABC', 1, true, 1)").await.expect("a row");
        let pair = |id: &str| [Pair::ID.set(id), Pair::A.set(2), Pair::B.set(true), Pair::USES.set(1)];
        let more = || OnConflict::columns(Pair::ID).update([Pair::USES.set(Pair::USES + 1)]);
        let given = Pair::insert(pair("abc")).on_conflict(more()).returning().run_on(db).await.expect("upserted");
        assert_eq!((&*given.id, given.uses), ("ABC", 2));
        let many = Pair::insert_many([pair("abc"), pair("def")]).on_conflict(more()).returning().run_on(db).await;
        let many = many.expect("upserted");
        assert_eq!(many.iter().map(|pair| (&*pair.id, pair.uses)).collect::<Vec<_>>(), [("ABC", 3), ("def", 1)]);
    }

    // fault 5.2
    async fn many_rows_are_upserted_in_few_flights(backend) {
        let (backend, proxy) = backend.behind_proxy();
        let db = &backend.db;
        create_tables(db, &[Word::TABLE, Pair::TABLE]).await.expect("tables");
        let rows = |uses: i64| (0..3000).map(move |n| word(&format!("w{n}"), uses));
        let first = Word::insert_many(rows(1).step_by(2)).run_on(db).await.expect("half of them");
        let before = proxy.counts().flights;
        let keys = Word::insert_many(rows(2)).on_conflict(again()).run_on(db).await.expect("upserted");
        let flights = proxy.counts().flights - before;
        assert!(flights < 20, "{flights} flights");
        assert_eq!(keys.len(), 3000);
        assert!(keys.iter().step_by(2).eq(&first), "keys in the order of the rows");
        let stored = words(db).await;
        assert_eq!(stored.len(), 3000);
        for (id, text, uses) in &stored {
            let n: usize = text[1..].parse().expect("a number");
            assert_eq!((*id, *uses), (keys[n], if n.is_multiple_of(2) { 3 } else { 2 }));
        }
        let before = proxy.counts().flights;
        let back = Word::insert_many(rows(1)).on_conflict(again()).returning().run_on(db).await.expect("given back");
        assert!(proxy.counts().flights - before < 20);
        assert!(back.iter().map(|word| word.id).eq(keys));
        let pair = |n: i64| [Pair::ID.set(format!("p{n}")), Pair::A.set(n), Pair::B.set(n % 2 == 0), Pair::USES.set(1)];
        let same = |n: i64| [Pair::ID.set(format!("q{n}")), Pair::A.set(n), Pair::B.set(n % 2 == 0), Pair::USES.set(1)];
        let more = || OnConflict::columns((Pair::A, Pair::B)).update_columns(Pair::USES);
        Pair::insert_many((0..1000).map(pair)).on_conflict(more()).run_on(db).await.expect("new ones");
        let before = proxy.counts().flights;
        let keys = Pair::insert_many((0..2000).map(same)).on_conflict(more()).run_on(db).await.expect("upserted");
        assert!(proxy.counts().flights - before < 20);
        assert_eq!((&*keys[7], &*keys[1007]), ("p7", "q1007"), "keys of rows that were there, and of new ones");
    }

    // fault 5.2: what the unique keys do not tell is done row by row, and is as right
    async fn rows_that_are_in_the_way_by_two_keys_are_told_rightly(backend) {
        let db = &backend.db;
        create_tables(db, &[Word::TABLE]).await.expect("tables");
        let full = |id: Option<i64>, text: &str, code: &str| {
            let mut row = vec![Word::TEXT.set(text), Word::CODE.set(code.to_owned()), Word::USES.set(1)];
            row.extend(id.map(|id| Word::ID.set(id)));
            row
        };
        let ids = Word::insert_many([full(None, "a", "1"), full(None, "b", "2")]).run_on(db).await.expect("two words");
        // "a" is there as one row, its code as another: MySQL updates the one that the first of its keys finds.
        let rows = [full(None, "c", "3"), full(None, "a", "2")];
        let keys = Word::insert_many(rows.clone()).on_conflict(again()).run_on(db).await.expect("upserted");
        let updated = Word::select().filter(Word::USES.eq(2)).columns(Word::ID).one(db).await.expect("one was updated");
        assert_eq!(keys[1], updated);
        assert_eq!(keys[0], Word::select().filter(Word::TEXT.eq("c")).columns(Word::ID).one(db).await.expect("new"));
        // Found by the key that is not the target.
        let rows = [full(None, "x", "1"), full(Some(ids[1]), "y", "9"), full(None, "z", "7")];
        let keys = Word::insert_many(rows).on_conflict(again()).run_on(db).await.expect("upserted");
        assert_eq!(keys[..2], ids[..]);
        // A unique column that is changed to what nobody gave.
        let odd = OnConflict::columns(Word::TEXT).update([Word::TEXT.set(Word::TEXT.concat("!"))]);
        let keys = Word::insert_many([word("z", 1), word("new", 1)]).on_conflict(odd).run_on(db).await.expect("upserted");
        assert_eq!(Word::by_key(keys[0]).one(db).await.expect("there").text, "z!");
    }

    // fault 5.2, rule 14: all or none
    async fn a_bulk_upsert_that_fails_leaves_nothing(backend) {
        let db = &backend.db;
        create_tables(db, &[Word::TABLE]).await.expect("tables");
        let long = "x".repeat(60);
        let rows = (0..100).map(|n| if n == 77 { word(&long, 1) } else { word(&format!("w{n}"), 1) });
        let error = Word::insert_many(rows).on_conflict(again()).run_on(db).await.expect_err("too long");
        assert!(error.is_too_long(), "{error:?}");
        assert_eq!(words(db).await, []);
    }

    // fault 5.2: rows that are passed over
    async fn rows_that_are_there_are_left_out_in_few_flights(backend) {
        let (backend, proxy) = backend.behind_proxy();
        let db = &backend.db;
        create_tables(db, &[Word::TABLE]).await.expect("tables");
        Word::insert(word("w1500", 9)).run_on(db).await.expect("one");
        let before = proxy.counts().flights;
        let rows = (0..3000).map(|n| word(&format!("w{n}"), 1));
        let keys = Word::insert_many(rows).on_conflict_ignore().run_on(db).await.expect("the others");
        let flights = proxy.counts().flights - before;
        assert!(flights < 100, "{flights} flights");
        assert_eq!((keys.len(), words(db).await.len()), (2999, 3000));
        assert!(words(db).await.iter().filter(|(_, text, _)| text != "w1500").map(|(id, ..)| *id).eq(keys));
    }

    async fn what_mysql_cannot_say_is_refused_before_it_is_sent(backend) {
        let db = &backend.db;
        let refused = |update: OnConflict<Word>| Word::insert(word("a", 1)).on_conflict(update).sql(Dialect::Mysql);
        let partial = OnConflict::columns(Word::TEXT).filter(Word::CODE.is_null()).update_columns(Word::USES);
        let named = OnConflict::constraint("word__text_key").update_columns(Word::USES);
        for update in [partial, named] {
            assert_eq!(refused(update).expect_err("there is none").kind(), ErrorKind::Unsupported);
        }
        let conditional = Word::insert(word("a", 1)).on_conflict_if(again(), Word::USES.gt(1));
        assert_eq!(conditional.run_on(db).await.expect_err("there is none").kind(), ErrorKind::Unsupported);
    }
}

async fn with_partial_index(backend: &Backend) -> &Database {
    let db = &backend.db;
    let id = backend.choose("bigint generated by default as identity primary key", "", "integer primary key");
    db.batch(&format!("create table word (id {id}, text text not null, code text, uses bigint not null)"))
        .await
        .expect("a table");
    db.batch("create unique index open_words on word (text) where code is null and uses < 1000")
        .await
        .expect("an index");
    db
}

test_on! {
    postgres_and_sqlite;

    // fault 5.4
    async fn an_upsert_goes_by_a_partial_index(backend) {
        let db = with_partial_index(&backend).await;
        db.batch("insert into word (text, code, uses) values ('a', 'closed', 1), ('a', null, 1)").await.expect("words");
        let open = || OnConflict::columns(Word::TEXT).filter(Word::CODE.is_null()).filter(Word::USES.lt(1000));
        let update = || open().update([Word::USES.set(Word::USES + Word::USES.excluded())]);
        let row = Word::insert(word("a", 5)).on_conflict(update()).returning().run_on(db).await.expect("updated");
        assert_eq!((row.id, row.uses, row.code), (2, 6, None));
        let keys = Word::insert_many([word("a", 1), word("b", 1)]).on_conflict(update()).run_on(db).await.expect("upserted");
        assert_eq!(keys[0], 2);
        assert_eq!(Word::select().count(db).await.expect("a count"), 3);
        let plain = OnConflict::columns(Word::TEXT).update_columns(Word::USES);
        let error = Word::insert(word("a", 1)).on_conflict(plain).run_on(db).await.expect_err("no such constraint");
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
    }

    // fault 5.4
    async fn an_upsert_has_a_condition(backend) {
        let db = &backend.db;
        create_tables(db, &[Word::TABLE]).await.expect("tables");
        let newer = |uses| Word::insert(word("a", uses)).on_conflict_if(
            OnConflict::columns(Word::TEXT).update_columns(Word::USES), Word::USES.lt(Word::USES.excluded()),
        );
        let id = newer(3).run_on(db).await.expect("inserted").expect("new");
        assert_eq!(newer(2).run_on(db).await.expect("left"), None);
        assert_eq!(newer(4).returning().run_on(db).await.expect("updated").map(|word| (word.id, word.uses)), Some((id, 4)));
        let many = Word::insert_many([word("a", 1), word("b", 1)]).on_conflict_if(again(), Word::USES.gt(100));
        assert_eq!(many.returning_columns(Word::TEXT).run_on(db).await.expect("one is new"), ["b"]);
    }
}

#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn an_upsert_goes_by_the_name_of_a_constraint_on_postgres() {
    let backend = Backend::postgres().await;
    let db = &backend.db;
    create_tables(db, &[Word::TABLE]).await.expect("tables");
    let named = || OnConflict::constraint("word__text_key").update_columns(Word::USES);
    let id = Word::insert(word("a", 1)).on_conflict(named()).run_on(db).await.expect("inserted");
    assert_eq!(Word::insert(word("a", 2)).on_conflict(named()).run_on(db).await.expect("updated"), id);
    assert_eq!(
        db.query_one("select uses from word", params![]).await.expect("a row").get::<i64>(0).expect("a number"),
        2
    );
    let error = Word::insert(word("a", 2)).on_conflict(named()).sql(Dialect::Sqlite).expect_err("no names there");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
