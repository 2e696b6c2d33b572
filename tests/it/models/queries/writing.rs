//! Inserts, updates and deletes, and what they give back.

use nestling::{Dialect, ErrorKind, Model, Query, params, query::OnConflict};

use super::models::{Director, Label, Movie, Seat, films, tables};

test_on! {
    every_backend;

    async fn an_insert_gives_the_key_and_fills_in_defaults(backend) {
        tables(&backend).await;
        let db = &backend.db;
        let id = Movie::insert([Movie::TITLE.set("Ran")]).run_on(db).await.unwrap();
        let ran = Movie::select().filter(Movie::ID.eq(id)).one(db).await.unwrap();
        assert_eq!((ran.id, &*ran.title, ran.year, ran.rating), (id, "Ran", 0, None));
        let seat = [Seat::HALL.set(1), Seat::NUMBER.set(2), Seat::TAKEN.set(false)];
        assert_eq!(Seat::insert(seat).run_on(db).await.unwrap(), (1, 2));
        let seat = Seat::select().one(db).await.unwrap();
        assert_eq!(seat, Seat { hall: 1, number: 2, taken: false, price: 7 });
    }

    async fn an_insert_gives_the_row_as_the_database_has_it(backend) { // rule 65
        tables(&backend).await;
        let db = &backend.db;
        let row = Director::insert([Director::NAME.set("Ozu")]).returning().run_on(db).await.unwrap();
        assert_eq!((row.name.as_str(), row.born), ("Ozu", None));
        let seat = [Seat::HALL.set(1), Seat::NUMBER.set(2), Seat::TAKEN.set(true)];
        assert_eq!(Seat::insert(seat).returning().run_on(db).await.unwrap().price, 7);
        let some = Director::insert([Director::NAME.set("Ray")]).returning_columns((Director::NAME, Director::ID));
        assert_eq!(some.run_on(db).await.unwrap(), ("Ray".to_owned(), row.id + 1));
    }

    async fn many_rows_give_many_keys_in_their_order(backend) {
        tables(&backend).await;
        let db = &backend.db;
        let names: Vec<String> = (0..50).map(|n| format!("d{n}")).collect();
        let rows = names.iter().map(|name| [Director::NAME.set(name)]);
        let ids = Director::insert_many(rows).run_on(db).await.unwrap();
        assert_eq!(ids.len(), 50);
        for (id, name) in ids.iter().zip(&names).step_by(7) {
            let found = Director::select().filter(Director::ID.eq(*id)).one(db).await.unwrap();
            assert_eq!(found.name, *name);
        }
        let more = [Director { id: 0, name: "x".into(), born: Some(1) }, Director { id: 900, name: "y".into(), born: None }];
        let ids = Director::insert_rows(&more).run_on(db).await.unwrap();
        assert_eq!(ids[1], 900);
        let rows = Director::insert_many([[Director::NAME.set("q")], [Director::NAME.set("r")]]).returning();
        let rows = rows.run_on(db).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["q", "r"]);
        assert!(Director::insert_rows([]).run_on(db).await.unwrap().is_empty());
    }

    async fn rows_may_differ_in_the_columns_that_are_given(backend) {
        tables(&backend).await;
        let db = &backend.db;
        let seats = [
            vec![Seat::HALL.set(1), Seat::NUMBER.set(1), Seat::TAKEN.set(true)],
            vec![Seat::HALL.set(1), Seat::NUMBER.set(2), Seat::TAKEN.set(true), Seat::PRICE.set(9)],
        ];
        let prices = Seat::insert_many(seats).returning_columns(Seat::PRICE).run_on(db).await.unwrap();
        assert_eq!(prices, [7, 9]);
        let directors = [vec![Director::NAME.set("a")], vec![Director::NAME.set("b"), Director::BORN.set(1900)]];
        let born = Director::insert_many(directors).returning_columns(Director::BORN).run_on(db).await.unwrap();
        assert_eq!(born, [None, Some(1900)]);
    }

    async fn rows_beyond_the_limit_of_parameters_go_in_all_or_none(backend) {
        tables(&backend).await;
        let db = &backend.db;
        let mut seats: Vec<Seat> =
            (0..20_000).map(|number| Seat { hall: 3, number, taken: false, price: 1 }).collect();
        let keys = Seat::insert_rows(&seats).run_on(db).await.unwrap();
        assert_eq!((keys.len(), keys[0], keys[19_999]), (20_000, (3, 0), (3, 19_999)));
        Seat::delete().run_on(db).await.unwrap();
        seats[19_999].number = 0;
        let error = Seat::insert_rows(&seats).run_on(db).await.unwrap_err();
        assert!(error.is_unique_violation(), "{error:?}");
        assert_eq!(Seat::select().count(db).await.unwrap(), 0);
    }

    async fn a_conflict_that_is_ignored_gives_nothing(backend) {
        tables(&backend).await;
        let db = &backend.db;
        let ada = || Director::insert([Director::NAME.set("ada")]);
        let id = ada().on_conflict_ignore().run_on(db).await.unwrap().expect("the first is inserted");
        assert_eq!(ada().on_conflict_ignore().run_on(db).await.unwrap(), None);
        assert_eq!(ada().on_conflict_ignore().returning().run_on(db).await.unwrap(), None);
        assert!(ada().run_on(db).await.unwrap_err().is_unique_violation());
        let many = Director::insert_many([[Director::NAME.set("ada")], [Director::NAME.set("bob")]]).on_conflict_ignore();
        let many = many.returning().run_on(db).await.unwrap();
        assert_eq!(many.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["bob"]);
        assert_eq!(Director::select().order_by(Director::ID.asc()).first(db).await.unwrap().map(|row| row.id), Some(id));
        // Nothing else is passed over.
        let orphan = Movie::insert([Movie::TITLE.set("x"), Movie::DIRECTOR.set(99)]).on_conflict_ignore();
        assert!(orphan.run_on(db).await.unwrap_err().is_foreign_key_violation());
    }

    async fn a_conflict_can_update_the_row_that_is_there(backend) {
        tables(&backend).await;
        let db = &backend.db;
        let label = |code: &str, name: &str| {
            let update = OnConflict::columns(Label::NAME).update([Label::USES.set(Label::USES + Label::USES.excluded())]);
            Label::insert([Label::CODE.set(code), Label::NAME.set(name), Label::USES.set(2)]).on_conflict(update)
        };
        assert_eq!(label("a", "one").run_on(db).await.unwrap(), "a");
        assert_eq!(label("b", "one").run_on(db).await.unwrap(), "a", "the key of the row that was there");
        let row = label("c", "one").returning().run_on(db).await.unwrap();
        assert_eq!(row, Label { code: "a".into(), name: "one".into(), uses: 6 });
        let born = |name: &str, born: i32| [Director::NAME.set(name), Director::BORN.set(born)];
        let first = Director::insert(born("ada", 1)).run_on(db).await.unwrap();
        let update = || OnConflict::columns((Director::NAME,)).update_columns(Director::BORN);
        assert_eq!(Director::insert(born("ada", 2)).on_conflict(update()).run_on(db).await.unwrap(), first);
        assert_eq!(Director::insert(born("ada", 2)).on_conflict(update()).run_on(db).await.unwrap(), first);
        let numbered = Director::insert([Director::ID.set(50), Director::NAME.set("eve")]).on_conflict(update());
        assert_eq!(numbered.clone().run_on(db).await.unwrap(), 50);
        assert_eq!(numbered.run_on(db).await.unwrap(), 50);
        let many = Director::insert_many([born("bob", 5), born("ada", 6)]).on_conflict(update());
        let many = many.returning_columns((Director::NAME, Director::BORN)).run_on(db).await.unwrap();
        assert_eq!(many, [("bob".to_owned(), Some(5)), ("ada".to_owned(), Some(6))]);
    }

    async fn an_update_counts_the_rows_that_it_finds(backend) { // rule 66
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let set = |year| Movie::update([Movie::YEAR.set(year)]).filter(Movie::DIRECTOR.eq(1));
        assert_eq!(set(1970).run_on(db).await.unwrap(), 2);
        assert_eq!(set(1970).run_on(db).await.unwrap(), 2, "found, if not changed");
        assert_eq!(Movie::update([]).run_on(db).await.unwrap(), 0);
        assert_eq!(Movie::update([]).sql(Dialect::Sqlite).unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(Movie::update([]).returning().run_on(db).await.unwrap(), []);
        let later = Movie::update([Movie::YEAR.set(Movie::YEAR + 30)]).filter(Movie::DIRECTOR.eq(1)).returning();
        let mut later = later.run_on(db).await.unwrap();
        later.sort_by_key(|movie| movie.id);
        let later: Vec<_> = later.iter().map(|movie| (movie.id, movie.year)).collect();
        assert_eq!(later, [(1, 2000), (2, 2000)]);
        let taken = Seat::insert([Seat::HALL.set(1), Seat::NUMBER.set(2), Seat::TAKEN.set(false)]);
        taken.run_on(db).await.unwrap();
        let seats = Seat::update([Seat::TAKEN.set(true)]).returning_columns((Seat::TAKEN, Seat::NUMBER));
        assert_eq!(seats.run_on(db).await.unwrap(), [(true, 2)]);
    }

    async fn a_delete_counts_or_gives_back_the_rows(backend) {
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let gone = Movie::delete().filter(Movie::TITLE.eq("Cleo")).returning().run_on(db).await.unwrap();
        assert_eq!(gone.iter().map(|movie| movie.id).collect::<Vec<_>>(), [3]);
        assert_eq!(Movie::delete().filter(Movie::ID.gt(3)).run_on(db).await.unwrap(), 1);
        assert_eq!(Movie::delete().filter(Movie::ID.gt(3)).run_on(db).await.unwrap(), 0);
        let years = Movie::delete().filter(Movie::ID.eq(2)).returning_columns(Movie::YEAR);
        assert_eq!(years.run_on(db).await.unwrap(), [1962]);
        assert_eq!(backend.observer().query("select 1 from movie", params![]).await.unwrap().len(), 1);
    }
}

test_on! {
    mysql_and_mariadb;

    async fn numbers_follow_the_step_that_the_server_counts_by(backend) {
        tables(&backend).await;
        let db = &backend.db;
        let ids = db.atomic(|| async {
            db.execute("set @@session.auto_increment_increment = 5", params![]).await?;
            Director::insert_many([[Director::NAME.set("a")], [Director::NAME.set("b")]]).run_on(db).await
        });
        let ids = ids.await.unwrap();
        let stored = Director::select().order_by(Director::ID.asc()).columns(Director::ID).all(db).await.unwrap();
        assert_eq!(ids, stored);
        assert_eq!(ids[1] - ids[0], 5);
    }

    async fn a_key_that_cannot_be_told_is_refused_before_anything_is_sent(backend) {
        tables(&backend).await;
        let nameless = Label::insert([Label::NAME.set("x"), Label::USES.set(1)]);
        assert_eq!(nameless.run_on(&backend.db).await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(Label::select().count(&backend.db).await.unwrap(), 0);
    }
}
