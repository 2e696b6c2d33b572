//! What a select gives: rows, counts, single values, groups, locks and unions.

use nestling::{
    Database, Dialect, ErrorKind, FromRow, Model, Query, Value, params,
    query::functions::{count, exists, name},
    raw,
};

use super::models::{Director, Movie, films, tables};
use crate::harness::poll_once;

#[derive(Debug, PartialEq, FromRow)]
struct Line {
    total: i64,
    year: i32,
}

test_on! {
    every_backend;

    async fn a_count_counts_the_rows_that_the_query_has(backend) { // rule 70
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let all = Movie::select;
        assert_eq!(all().count(db).await.unwrap(), 4);
        assert_eq!(all().limit(3).count(db).await.unwrap(), 3);
        assert_eq!(all().limit(0).count(db).await.unwrap(), 0);
        assert_eq!(all().offset(3).count(db).await.unwrap(), 1);
        assert_eq!(all().order_by(Movie::YEAR.asc()).limit(3).offset(2).count(db).await.unwrap(), 2);
        assert_eq!(all().limit(1).offset(9).clear_limit().count(db).await.unwrap(), 4);
        let years = || all().columns(Movie::YEAR);
        assert_eq!(years().count(db).await.unwrap(), 4);
        assert_eq!(years().distinct().count(db).await.unwrap(), 3);
        assert_eq!(years().group_by(Movie::YEAR).count(db).await.unwrap(), 3);
        assert_eq!(years().group_by(Movie::YEAR).having(count().gt(1)).count(db).await.unwrap(), 1);
        assert_eq!(all().columns(count()).count(db).await.unwrap(), 1, "an aggregate makes one row");
        assert_eq!(all().join(Movie::DIRECTOR).count(db).await.unwrap(), 3);
        let both = all().columns((Movie::relation(), Director::relation())).join(Movie::DIRECTOR);
        assert_eq!(both.limit(2).count(db).await.unwrap(), 2, "columns of one name");
        assert_eq!(years().union(all().columns(Movie::YEAR)).count(db).await.unwrap(), 3);
        assert_eq!(years().union_all(all().columns(Movie::YEAR)).limit(7).count(db).await.unwrap(), 7);
    }

    async fn a_scalar_tells_no_row_from_null(backend) { // rule 70
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let rating = |id: i64| Movie::select().filter(Movie::ID.eq(id)).columns(Movie::RATING);
        assert_eq!(rating(1).scalar(db).await.unwrap(), Some(Some(8.2)));
        assert_eq!(rating(4).scalar(db).await.unwrap(), Some(None), "NULL");
        assert_eq!(rating(5).scalar(db).await.unwrap(), None, "no row");
        let pair = Movie::select().filter(Movie::ID.eq(4)).columns((Movie::ID, Movie::RATING));
        assert_eq!(pair.scalar(db).await.unwrap(), Some((4, None)));
        assert_eq!(rating(1).limit(0).scalar(db).await.unwrap(), None);
    }

    async fn one_query_runs_on_every_database_that_can_render_it(backend) { // rule 72
        tables(&backend).await;
        films(&backend.db).await;
        let memory = Database::open("sqlite::memory:").unwrap();
        memory.batch("create table director (id integer primary key, name text, born integer)").await.unwrap();
        memory.execute("insert into director values (7, 'Varda', 1928)", params![]).await.unwrap();
        let varda = Director::select().filter(Director::NAME.contains("ard")).columns((Director::ID, Director::BORN));
        assert_eq!(varda.clone().one(&backend.db).await.unwrap(), (2, None));
        assert_eq!(varda.one(&memory).await.unwrap(), (7, Some(1928)));
    }

    async fn limits_and_offsets_stand_with_and_without_each_other(backend) {
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let ids = || Movie::select().order_by(Movie::ID.asc()).columns(Movie::ID);
        assert_eq!(ids().limit(2).all(db).await.unwrap(), [1, 2]);
        assert_eq!(ids().limit(2).offset(1).all(db).await.unwrap(), [2, 3]);
        assert_eq!(ids().offset(2).all(db).await.unwrap(), [3, 4]);
        assert_eq!(ids().limit(0).all(db).await.unwrap(), [] as [i64; 0]);
        assert_eq!(ids().limit(0).first(db).await.unwrap(), None);
        assert_eq!(ids().limit(u64::MAX).offset(3).all(db).await.unwrap(), [4]);
        assert!(ids().offset(3).exists(db).await.unwrap());
        assert!(!ids().offset(4).exists(db).await.unwrap());
        assert!(!ids().limit(0).exists(db).await.unwrap());
        let error = ids().filter(Movie::ID.eq(9)).one(db).await.unwrap_err();
        assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::NoRow, "no Movie was found"));
        assert!(error.statement().unwrap().contains("movie"), "{error:?}");
        let first = Movie::select().order_by(Movie::RATING.desc().nulls_last()).columns(Movie::ID);
        assert_eq!(first.all(db).await.unwrap(), [1, 2, 3, 4]);
        let last = Movie::select().order_by(Movie::RATING.desc().nulls_first()).columns(Movie::ID);
        assert_eq!(last.all(db).await.unwrap(), [4, 1, 2, 3]);
    }

    async fn rows_come_one_by_one(backend) {
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let mut rows = Movie::select().order_by(Movie::ID.desc()).stream(db).await.unwrap();
        let mut titles = Vec::new();
        while let Some(row) = rows.next().await {
            titles.push(row.unwrap().title);
        }
        assert_eq!(titles, ["100%_Wool", "Cleo", "Sanjuro", "Yojimbo"]);
    }

    async fn groups_are_read_as_tuples_and_structs(backend) {
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let years = || Movie::select().group_by(Movie::YEAR).order_by(Movie::YEAR.asc());
        assert_eq!(years().columns((Movie::YEAR, count())).all(db).await.unwrap(), [(1961, 1), (1962, 2), (1999, 1)]);
        let lines = years().having(count().gt(1)).columns((Movie::YEAR, count().named("total"))).into::<Line>();
        assert_eq!(lines.all(db).await.unwrap(), [Line { year: 1962, total: 2 }]);
        let busy = Movie::select().group_by(Movie::YEAR).columns((Movie::YEAR, count().named("n")));
        let busy = busy.order_by(name::<i64>("n").desc()).order_by(Movie::YEAR.asc()).limit(2);
        assert_eq!(busy.all(db).await.unwrap(), [(1962, 2), (1961, 1)]);
        let years = Movie::select().columns(Movie::YEAR).distinct().order_by(Movie::YEAR.desc());
        assert_eq!(years.all(db).await.unwrap(), [1999, 1962, 1961]);
    }

    async fn queries_stand_inside_queries(backend) {
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let born = Director::select().filter(Director::BORN.is_not_null()).columns(Director::ID);
        let theirs = Movie::select().filter(Movie::DIRECTOR.in_(born)).order_by(Movie::ID.asc()).columns(Movie::ID);
        assert_eq!(theirs.all(db).await.unwrap(), [1, 2]);
        let with_films = Movie::select().filter(Movie::DIRECTOR.is_not_null()).columns(Movie::DIRECTOR);
        assert_eq!(Director::select().filter(Director::ID.in_(with_films)).count(db).await.unwrap(), 2);
        let best = Movie::select().columns(Movie::RATING.max()).into_expr();
        assert_eq!(Movie::select().filter(Movie::RATING.eq(best)).columns(Movie::ID).all(db).await.unwrap(), [1]);
        let films = || Movie::select().filter(Movie::DIRECTOR.eq(Director::ID) & Movie::YEAR.gt(1961));
        let counts = Director::select().order_by(Director::ID.asc());
        let counts = counts.columns((Director::NAME, films().columns(count()).into_expr()));
        assert_eq!(counts.all(db).await.unwrap(), [("Kurosawa".to_owned(), 1), ("Varda".to_owned(), 1)]);
        let early = Movie::select().filter(Movie::DIRECTOR.eq(Director::ID) & Movie::YEAR.lt(1962));
        let names = |condition| Director::select().filter(condition).columns(Director::NAME);
        assert_eq!(names(exists(early.clone())).all(db).await.unwrap(), ["Kurosawa"]);
        assert_eq!(names(!exists(early)).all(db).await.unwrap(), ["Varda"]);
        let newest = Movie::select().order_by(Movie::YEAR.desc()).order_by(Movie::ID.asc()).limit(2).as_relation("newest");
        let ids = newest.select().order_by(newest.col(Movie::ID).asc()).columns(newest.col(Movie::ID));
        assert_eq!(ids.all(db).await.unwrap(), [2, 4]);
        assert_eq!(newest.select().order_by(newest.col(Movie::ID).desc()).first(db).await.unwrap().unwrap().title, "100%_Wool");
    }

    async fn unions_are_taken_from_left_to_right(backend) {
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let years = |condition| Movie::select().filter(condition).columns(Movie::YEAR);
        let old = || years(Movie::ID.le(2));
        let new = || years(Movie::ID.ge(3));
        let sorted = |union: nestling::query::Union<i32>| union.order_by(Movie::YEAR.asc()).all(db);
        assert_eq!(sorted(old().union(new())).await.unwrap(), [1961, 1962, 1999]);
        assert_eq!(sorted(old().union_all(new())).await.unwrap(), [1961, 1962, 1962, 1999]);
        assert_eq!(sorted(old().intersect(new())).await.unwrap(), [1962]);
        assert_eq!(sorted(old().except(new())).await.unwrap(), [1961]);
        assert_eq!(sorted(old().union(new()).intersect(new())).await.unwrap(), [1962, 1999]);
        assert_eq!(sorted(old().union(new().intersect(old()))).await.unwrap(), [1961, 1962]);
        let first = || Movie::select().order_by(Movie::YEAR.desc()).limit(1).columns(Movie::YEAR);
        assert_eq!(sorted(first().union(old())).await.unwrap(), [1961, 1962, 1999]);
        assert_eq!(sorted(old().union(first())).await.unwrap(), [1961, 1962, 1999]);
        assert_eq!(sorted(old().union(new()).order_by(Movie::YEAR.asc()).limit(1).union(first())).await.unwrap().len(), 2);
        let page = old().union(new()).order_by(Movie::YEAR.desc()).limit(1).offset(1);
        assert_eq!(page.one(db).await.unwrap(), 1962);
        let models = Movie::select().filter(Movie::ID.eq(1)).union(Movie::select().filter(Movie::ID.eq(2)));
        // JSON of PostgreSQL's older type has no equality; this table has the newer.
        assert_eq!(models.order_by(Movie::ID.desc()).all(db).await.unwrap()[0].title, "Sanjuro");
    }

    async fn raw_sql_is_read_as_models_tuples_and_structs(backend) { // test_raw_query of the ancestor
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let born = "select born, name, id from director where id = $1";
        let director = Director::raw(born, params![1]).one(db).await.unwrap();
        assert_eq!(director, Director { id: 1, name: "Kurosawa".into(), born: Some(1910) });
        let pairs: Vec<(i64, String)> = raw("select id, name from director order by id", params![]).all(db).await.unwrap();
        assert_eq!(pairs[1], (2, "Varda".to_owned()));
        let lines = raw::<Line>("select year, count(*) as total from movie group by year order by year", params![]);
        assert_eq!(lines.first(db).await.unwrap(), Some(Line { year: 1961, total: 1 }));
        let none = raw::<(i64,)>("select 1 where 1 = $1", params![2]);
        assert_eq!(none.clone().first(db).await.unwrap(), None);
        assert_eq!(none.one(db).await.unwrap_err().kind(), ErrorKind::NoRow);
        let control = raw::<(i64,)>("begin", params![]);
        assert_eq!(control.all(db).await.unwrap_err().kind(), ErrorKind::ControlStatement, "rule 23");
    }
}

test_on! {
    every_server;

    async fn locked_rows_are_waited_for_skipped_or_refused(backend) {
        tables(&backend).await;
        films(&backend.db).await;
        let other = backend.builder().build().unwrap();
        let done = backend.db.atomic(|| async {
            let held = Movie::select().filter(Movie::ID.eq(1)).for_update().one(&backend.db).await?;
            assert_eq!(held.id, 1);
            let free = Movie::select().order_by(Movie::ID.asc()).columns(Movie::ID).for_update().skip_locked();
            assert_eq!(free.all(&other).await?, [2, 3, 4]);
            let refused = Movie::select().filter(Movie::ID.eq(1)).nowait().all(&other).await.unwrap_err();
            assert!(refused.is_timeout(), "{refused:?}");
            let waiting = Movie::select().filter(Movie::ID.eq(1)).for_share().all(&other);
            let mut waiting = std::pin::pin!(waiting);
            assert!(poll_once(waiting.as_mut()).await.is_pending());
            Ok::<_, nestling::Error>(())
        });
        done.await.unwrap();
    }
}

test_on! {
    postgres_and_sqlite;

    async fn one_row_of_each_kind_is_kept_on_postgres(backend) {
        tables(&backend).await;
        films(&backend.db).await;
        let first = Movie::select().distinct_on(Movie::YEAR).order_by(Movie::YEAR.asc()).order_by(Movie::ID.desc());
        let first = first.columns((Movie::YEAR, Movie::ID));
        if backend.is_postgres() {
            assert_eq!(first.clone().all(&backend.db).await.unwrap(), [(1961, 1), (1962, 3), (1999, 4)]);
            assert_eq!(first.count(&backend.db).await.unwrap(), 3);
        } else {
            assert_eq!(first.all(&backend.db).await.unwrap_err().kind(), ErrorKind::Unsupported);
        }
        assert!(Movie::select().for_update().sql(Dialect::Sqlite).unwrap().0.ends_with(r#"FROM "movie""#));
        assert_eq!(Movie::select().limit(2).sql(Dialect::Postgres).unwrap().1, params![Value::U64(2)]);
    }
}
