//! Operators and functions, which mean the same on every back end.

use chrono::{TimeDelta, Utc};
use nestling::{
    Model, Query, Result, create_tables,
    query::{
        Expr,
        functions::{case, coalesce, count, function, now, sql, value},
    },
};
use rust_decimal::Decimal;

use super::models::{Bill, Director, Movie, films, tables};
use crate::harness::Backend;

/// The films for which a condition holds, in order.
async fn found(backend: &Backend, condition: Expr<bool>) -> Vec<i64> {
    let films = Movie::select().filter(condition).order_by(Movie::ID.asc()).columns(Movie::ID);
    films.all(&backend.db).await.unwrap()
}

/// What an expression is for the first film.
async fn of_first<T>(backend: &Backend, expr: Expr<T>) -> Result<T>
where
    Expr<T>: nestling::query::Selection<Output = T>,
    T: Send + 'static,
{
    Movie::select().filter(Movie::ID.eq(1)).columns(expr).one(&backend.db).await
}

test_on! {
    every_backend;

    async fn patterns_match_what_they_say(backend) {
        tables(&backend).await;
        films(&backend.db).await;
        let backend = &backend;
        assert_eq!(found(backend, Movie::TITLE.like("%o")).await, [1, 2, 3]);
        assert_eq!(found(backend, Movie::TITLE.like("_leo")).await, [3]);
        assert_eq!(found(backend, Movie::TITLE.like(r"100\%\_%")).await, [4]);
        assert_eq!(found(backend, Movie::TITLE.like(r"10\%%")).await, [] as [i64; 0]);
        assert_eq!(found(backend, Movie::TITLE.ilike("YO%")).await, [1]);
        assert_eq!(found(backend, Movie::TITLE.contains("0%_W")).await, [4]);
        assert_eq!(found(backend, Movie::TITLE.contains("%")).await, [4]);
        assert_eq!(found(backend, Movie::TITLE.starts_with("San")).await, [2]);
        assert_eq!(found(backend, Movie::TITLE.starts_with("100%")).await, [4]);
        assert_eq!(found(backend, Movie::TITLE.ends_with("_Wool")).await, [4]);
        assert_eq!(found(backend, Movie::TITLE.contains("!") | Movie::TITLE.ends_with(r"\")).await, [] as [i64; 0]);
        Movie::update([Movie::TITLE.set(r"a!b\c")]).filter(Movie::ID.eq(4)).run_on(&backend.db).await.unwrap();
        assert_eq!(found(backend, Movie::TITLE.contains(r"!b\c")).await, [4]);
        assert_eq!(found(backend, Movie::TITLE.lower().starts_with("cl")).await, [3]);
    }

    async fn comparisons_with_null_ask_for_null(backend) {
        tables(&backend).await;
        films(&backend.db).await;
        let backend = &backend;
        assert_eq!(found(backend, Movie::RATING.eq(None)).await, [4]);
        assert_eq!(found(backend, Movie::RATING.ne(None)).await, [1, 2, 3]);
        assert_eq!(found(backend, Movie::RATING.eq(8.0)).await, [2]);
        assert_eq!(found(backend, Movie::RATING.in_([Some(8.0), None])).await, [2, 4]);
        assert_eq!(found(backend, Movie::RATING.not_in([Some(8.0), None])).await, [1, 3]);
        assert_eq!(found(backend, Movie::RATING.not_in([8.0])).await, [1, 3], "NULL is neither in nor not in");
        assert_eq!(found(backend, Movie::RATING.is_null() | Movie::YEAR.between(1961, 1961)).await, [1, 4]);
    }

    async fn nothing_is_among_nothing(backend) {
        tables(&backend).await;
        films(&backend.db).await;
        let backend = &backend;
        assert_eq!(found(backend, Movie::ID.in_([] as [i64; 0])).await, [] as [i64; 0]);
        assert_eq!(found(backend, Movie::RATING.in_(Vec::<f64>::new())).await, [] as [i64; 0]);
        assert_eq!(found(backend, Movie::ID.not_in([] as [i64; 0])).await, [1, 2, 3, 4]);
        assert_eq!(found(backend, Movie::ID.in_([3, 1, 77])).await, [1, 3]);
        assert_eq!(found(backend, Movie::TITLE.in_(["Cleo", "x"])).await, [3]);
        assert_eq!(found(backend, Movie::YEAR.in_(vec![1999, 1961])).await, [1, 4]);
    }

    async fn numbers_are_reckoned_with(backend) {
        tables(&backend).await;
        films(&backend.db).await;
        let backend = &backend;
        assert_eq!(of_first(backend, Movie::YEAR + 5).await.unwrap(), 1966);
        assert_eq!(of_first(backend, (Movie::YEAR - 1960) * 3 + Movie::YEAR).await.unwrap(), 1964);
        assert_eq!(of_first(backend, Movie::YEAR / 2).await.unwrap(), 980, "whole numbers are cut off");
        assert_eq!(of_first(backend, Movie::YEAR % 10).await.unwrap(), 1);
        assert_eq!(of_first(backend, -Movie::YEAR).await.unwrap(), -1961);
        assert_eq!(of_first(backend, (-(Movie::YEAR - 2000)).abs()).await.unwrap(), 39);
        assert_eq!(of_first(backend, Movie::RATING * 2.0).await.unwrap(), Some(16.4));
        assert_eq!(of_first(backend, Movie::RATING.round()).await.unwrap(), Some(8.0));
        assert_eq!(of_first(backend, Movie::YEAR.round()).await.unwrap(), 1961);
        assert_eq!(of_first(backend, Movie::YEAR.cast::<f64>() / 2.0).await.unwrap(), 980.5);
        assert_eq!(found(backend, (Movie::YEAR + 1).eq(1963)).await, [2, 3]);
        assert_eq!(found(backend, Movie::YEAR.gt(Movie::ID.cast::<i32>() + 1990)).await, [4]);
    }

    async fn functions_read_as_their_types(backend) {
        tables(&backend).await;
        films(&backend.db).await;
        let backend = &backend;
        assert_eq!(of_first(backend, Movie::TITLE.upper().concat("!")).await.unwrap(), "YOJIMBO!");
        assert_eq!(of_first(backend, value("a".to_owned()).concat(Movie::TITLE)).await.unwrap(), "aYojimbo");
        assert_eq!(of_first(backend, value(" é ".to_owned()).trim().length()).await.unwrap(), 1);
        assert_eq!(of_first(backend, value(7_i64)).await.unwrap(), 7);
        assert!(of_first(backend, value(true)).await.unwrap());
        assert_eq!(of_first(backend, sql::<i64>("1 + 1")).await.unwrap(), 2);
        assert_eq!(of_first(backend, function::<String>("replace", [Movie::TITLE.expr(), value("Y".into()), value("y".into())])).await.unwrap(), "yojimbo");
        assert_eq!(of_first(backend, coalesce(Movie::SEQUEL_OF, 9)).await.unwrap().into_key(), 9);
        assert_eq!(of_first(backend, Movie::YEAR.cast::<String>()).await.unwrap(), "1961");
        let age = case::<i64>().when(Movie::YEAR.lt(1900), 1).when(Movie::YEAR.lt(1970), 2).otherwise(3);
        assert_eq!(of_first(backend, age + 1).await.unwrap(), 3);
        assert_eq!(of_first(backend, case::<String>().when(Movie::YEAR.lt(1900), "old").end()).await.unwrap(), None);
        let seconds = (of_first(backend, now()).await.unwrap() - Utc::now()).num_seconds();
        assert!(seconds.abs() < 60, "{seconds}");
    }

    async fn decimals_are_compared_as_numbers(backend) {
        let db = &backend.db;
        create_tables(db, &[Bill::TABLE]).await.unwrap();
        let cents = |cents: i64| Decimal::new(cents, 2);
        let rows = [cents(950), cents(1000), cents(10_000)].map(|net| [Bill::NET.set(net)]);
        Bill::insert_many(rows).run_on(db).await.unwrap();
        let count = |condition| Bill::select().filter(condition).count(db);
        assert_eq!(count(Bill::NET.gt(cents(990))).await.unwrap(), 2);
        assert_eq!(count((Bill::NET + cents(100)).gt(cents(1060))).await.unwrap(), 2);
        assert_eq!(count((Bill::NET * cents(200)).between(cents(1900), cents(9900))).await.unwrap(), 2);
        assert_eq!(count((Bill::NET - cents(50)).eq(cents(900))).await.unwrap(), 1);
        assert_eq!(count((Bill::NET - cents(50)).ne(cents(900))).await.unwrap(), 2);
        assert_eq!(count(Bill::NET.lt(Bill::NET + cents(1))).await.unwrap(), 3);
        let sums = Bill::select().columns((Bill::NET.sum(), Bill::NET.max(), Bill::NET.min())).having(Bill::NET.sum().ge(cents(11_950)));
        assert_eq!(sums.all(db).await.unwrap(), [(Some(cents(11_950)), Some(cents(10_000)), Some(cents(950)))]);
        let large = Bill::select().columns(Bill::ID.count()).having(Bill::NET.max().gt(cents(99_900)));
        assert!(!large.exists(db).await.unwrap());
    }

    async fn moments_are_compared_with_the_clock_of_the_server(backend) {
        let db = &backend.db;
        create_tables(db, &[Bill::TABLE]).await.unwrap();
        let hour = TimeDelta::hours(1);
        let dues = [Some(Utc::now() - hour), Some(Utc::now() + hour), None];
        Bill::insert_many(dues.map(|due| [Bill::NET.set(Decimal::ONE), Bill::DUE.set(due)].to_vec())).run_on(db).await.unwrap();
        assert_eq!(Bill::select().filter(Bill::DUE.lt(now())).count(db).await.unwrap(), 1);
        let paid = Bill::update([Bill::DUE.set(now())]).filter(Bill::DUE.eq(None)).returning().run_on(db).await.unwrap();
        let off = paid[0].due.unwrap() - Utc::now();
        assert!(off.abs() < hour, "{off}");
    }

    async fn aggregates_read_as_their_types(backend) {
        tables(&backend).await;
        let db = &backend.db;
        let all = || {
            let years = (count(), Movie::YEAR.sum(), Movie::YEAR.avg(), Movie::YEAR.min(), Movie::TITLE.max());
            Movie::select().columns((years, Movie::RATING.count(), Movie::YEAR.count_distinct(), Movie::RATING.sum(), Movie::ID.sum()))
        };
        assert_eq!(all().one(db).await.unwrap(), ((0, None, None, None, None), 0, 0, None, None));
        films(db).await;
        let ((rows, sum, avg, min, max), ratings, years, rating, ids) = all().one(db).await.unwrap();
        assert_eq!((rows, sum, avg, min), (4, Some(7884), Some(1971.0), Some(1961)));
        assert_eq!((max.as_deref(), ratings, years, ids), (Some("Yojimbo"), 3, 3, Some(10)));
        assert!((rating.unwrap() - 24.1).abs() < 1e-9);
        let born = Director::select().columns((Director::BORN.max(), Director::BORN.avg())).one(db).await.unwrap();
        assert_eq!(born, (Some(1910), Some(1910.0)));
        let large = Movie::select().columns((Movie::ID.sum(), count())).having(Movie::ID.sum().gt(9));
        assert_eq!(large.all(db).await.unwrap(), [(Some(10), 4)]);
    }
}
