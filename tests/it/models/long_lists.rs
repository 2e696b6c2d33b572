//! Lists behind IN that are longer than what a statement can have by way of parameters.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use nestling::{Database, ErrorKind, Model, Query, create_tables, model::Field, query::functions::row};
use rust_decimal::Decimal;
use uuid::Uuid;

/// More than any back end takes as parameters of their own, so that the list goes in another way.
const MANY: usize = 12_000;

#[derive(Debug, Clone, PartialEq, Model)]
struct Thing {
    id: i64,
    #[model(max_length = 60)]
    name: Option<String>,
    uuid: Uuid,
    #[model(stored = "bytes")]
    packed: Uuid,
    bytes: Vec<u8>,
    amount: Decimal,
    day: NaiveDate,
    time: NaiveTime,
    at: NaiveDateTime,
    moment: DateTime<Utc>,
    number: i32,
    large: u64,
    yes: bool,
}

fn thing(n: i64) -> Thing {
    let at = DateTime::from_timestamp(1_700_000_000, 0).expect("a moment") + TimeDelta::milliseconds(n * 1001);
    let small = u128::try_from(n).expect("not negative");
    Thing {
        id: n,
        name: (n != 3).then(|| format!("n'\\\"{n}?ü")),
        uuid: Uuid::from_u128(small),
        packed: Uuid::from_u128(small << 64),
        bytes: format!("\0\u{1}{n}").into_bytes(),
        amount: Decimal::new(n, 2),
        day: NaiveDate::from_ymd_opt(2000, 1, 1).expect("a day") + TimeDelta::days(n),
        time: NaiveTime::MIN + TimeDelta::microseconds(n * 1_000_001),
        at: at.naive_utc(),
        moment: at,
        number: i32::try_from(n).expect("small"),
        large: u64::try_from(n).expect("not negative"),
        yes: n % 2 == 0,
    }
}

async fn things(db: &Database) {
    create_tables(db, &[Thing::TABLE]).await.expect("the table");
    let things: Vec<Thing> = (1..=5).map(thing).collect();
    Thing::insert_rows(&things).run_on(db).await.expect("things");
}

/// The things that a long list finds in which those of the numbers 2 and 4 are, and those that it does not.
async fn found<T: Field + Clone>(
    db: &Database,
    column: nestling::model::Column<Thing, T>,
    value: impl Fn(i64) -> T,
) -> (u64, u64) {
    let list = || (0..MANY).map(|n| value(if n == 7 { 2 } else { 4 + 2 * i64::try_from(n).expect("small") }));
    let within = Thing::select().filter(column.in_(list())).count(db).await.expect("in the list");
    let without = Thing::select().filter(column.not_in(list())).count(db).await.expect("not in the list");
    (within, without)
}

test_on! {
    every_backend;

    // fault 3.8
    async fn a_list_of_70_000_values_of_any_type_is_taken(backend) {
        let db = &backend.db;
        things(db).await;
        let all = (0..70_000).map(|n| if n == 7 { 2 } else { 4 + 2 * n });
        assert_eq!(Thing::select().filter(Thing::ID.in_(all)).count(db).await.expect("in the list"), 2);
        assert_eq!(found(db, Thing::ID, |n| n).await, (2, 3));
        assert_eq!(found(db, Thing::NAME, thing_name).await, (2, 2), "and NULL is in neither");
        assert_eq!(found(db, Thing::UUID, |n| Uuid::from_u128(u128::try_from(n).unwrap())).await, (2, 3));
        assert_eq!(found(db, Thing::PACKED, |n| Uuid::from_u128(u128::try_from(n).unwrap() << 64)).await, (2, 3));
        assert_eq!(found(db, Thing::BYTES, |n| format!("\0\u{1}{n}").into_bytes()).await, (2, 3));
        assert_eq!(found(db, Thing::AMOUNT, |n| Decimal::new(n, 2)).await, (2, 3));
        assert_eq!(found(db, Thing::DAY, |n| NaiveDate::from_ymd_opt(2000, 1, 1).unwrap() + TimeDelta::days(n)).await, (2, 3));
        let time = |n: i64| NaiveTime::MIN + TimeDelta::microseconds(n.min(80_000) * 1_000_001);
        assert_eq!(found(db, Thing::TIME, time).await, (2, 3));
        let at = |n: i64| DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::milliseconds(n * 1001);
        assert_eq!(found(db, Thing::AT, |n| at(n).naive_utc()).await, (2, 3));
        assert_eq!(found(db, Thing::MOMENT, at).await, (2, 3));
        assert_eq!(found(db, Thing::NUMBER, |n| i32::try_from(n).unwrap()).await, (2, 3));
        assert_eq!(found(db, Thing::LARGE, |n| u64::try_from(n).unwrap()).await, (2, 3));
        assert_eq!(found(db, Thing::YES, |n| n % 2 == 0).await, (2, 3));
    }

    // fault 3.8
    async fn long_lists_stand_in_updates_and_deletes_and_hold_null(backend) {
        let db = &backend.db;
        things(db).await;
        let ids = || 2..2 + i64::try_from(MANY).unwrap();
        assert_eq!(Thing::update([Thing::YES.set(false)]).filter(Thing::ID.in_(ids())).run_on(db).await.expect("updated"), 4);
        let names = || ids().map(|n| thing_name(n).filter(|_| n != 9_000));
        assert_eq!(Thing::select().filter(Thing::NAME.in_(names())).count(db).await.expect("counted"), 4, "with NULL");
        let back = Thing::update([Thing::YES.set(true)]).filter(Thing::ID.in_(ids())).returning().run_on(db).await;
        assert_eq!(back.expect("updated").len(), 4);
        let two = Thing::ID.in_(ids()) & Thing::NUMBER.in_(ids().map(|n| i32::try_from(n).unwrap()));
        assert_eq!(Thing::select().filter(two).count(db).await.expect("two long lists"), 4);
        assert_eq!(Thing::delete().filter(Thing::ID.not_in(ids())).run_on(db).await.expect("deleted"), 1);
        assert_eq!(Thing::delete().filter(Thing::ID.in_(ids())).run_on(db).await.expect("deleted"), 4);
    }
}

test_on! {
    mysql_and_mariadb;

    // fault 3.8
    async fn a_long_list_compares_as_the_columns_own_collation_does(backend) {
        let db = &backend.db;
        db.batch("create table word (id bigint primary key, text varchar(20) character set latin1 collate latin1_swedish_ci)").await.expect("a table");
        db.batch("insert into word values (1, 'Ähre'), (2, 'b'), (3, 'c')").await.expect("words");
        let list = |count: usize| (0..count).map(|n| if n == 0 { "ÄHRE".to_owned() } else { format!("x{n}") });
        for count in [5, MANY] {
            let found = Word::select().filter(Word::TEXT.in_(list(count))).columns(Word::ID).all(db).await;
            assert_eq!(found.expect("found"), [1], "{count}");
        }
        // Its values are in the text, and not in what is told of it (rule 75).
        let numbers = (0..20_000).map(|n| n + 123_000_000);
        let error = Ratio::select().filter(Ratio::ID.in_(numbers)).all(db).await.expect_err("there is no such table");
        let statement = error.statement().expect("its text");
        assert!(statement.ends_with("IN (…)") && !format!("{error:?}").contains("12300"), "{statement}");
    }
}

#[derive(Debug, Model)]
struct Word {
    id: i64,
    text: String,
}

fn thing_name(n: i64) -> Option<String> {
    Some(format!("n'\\\"{n}?ü"))
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Spot {
    #[model(primary_key)]
    x: i64,
    #[model(primary_key, max_length = 20)]
    y: String,
}

test_on! {
    every_backend;

    // fault 3.8: lists of rows
    async fn a_long_list_of_pairs_is_taken(backend) {
        let db = &backend.db;
        create_tables(db, &[Spot::TABLE]).await.expect("the table");
        let spots: Vec<Spot> = (0..5).map(|x| Spot { x, y: format!("y{x}") }).collect();
        Spot::insert_rows(&spots).run_on(db).await.expect("spots");
        // PostgreSQL takes as many pairs as it takes parameters.
        let most = if backend.is_postgres() { 30_000 } else { MANY as i64 };
        let pairs = || (3..most).map(|x| (x, format!("y{x}")));
        assert_eq!(Spot::select().filter(row((Spot::X, Spot::Y)).in_(pairs())).count(db).await.expect("counted"), 2);
        let keys: Vec<(i64, String)> = pairs().collect();
        assert_eq!(Spot::delete().filter(Spot::key_in(&keys)).run_on(db).await.expect("deleted"), 2);
    }
}

#[tokio::test]
async fn what_json_cannot_hold_is_refused_or_kept_whole() {
    let backend = crate::harness::Backend::sqlite().await;
    let db = &backend.db;
    create_tables(db, &[Spot::TABLE, Ratio::TABLE]).await.expect("tables");
    Spot::insert([Spot::X.set(1), Spot::Y.set("a\0b")]).run_on(db).await.expect("a spot");
    let list = |y: &str| std::iter::once(y.to_owned()).chain((0..MANY).map(|n| n.to_string())).collect::<Vec<_>>();
    assert_eq!(Spot::select().filter(Spot::Y.in_(list("a\0b"))).count(db).await.expect("counted"), 1);
    assert_eq!(Spot::select().filter(Spot::Y.in_(list("a"))).count(db).await.expect("counted"), 0);
    let floats = |count: u32| (0..count).map(|n| f64::from(n) / 10.0);
    Ratio::insert([Ratio::VALUE.set(0.3)]).run_on(db).await.expect("a ratio");
    assert_eq!(Ratio::select().filter(Ratio::VALUE.in_(floats(30_000))).count(db).await.expect("counted"), 1);
    let error = Ratio::select().filter(Ratio::VALUE.in_(floats(70_000))).count(db).await.expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let error =
        Thing::select().filter(Thing::LARGE.in_((0..70_000).map(|n| u64::MAX - n))).sql(nestling::Dialect::Sqlite);
    let error = error.expect_err("SQLite has no such integers");
    assert!(error.kind() == ErrorKind::Parameter && error.is_out_of_range(), "{error}");
}

#[derive(Debug, Model)]
struct Ratio {
    id: i64,
    value: f64,
}
