//! Joins along foreign keys, on conditions, and of a table with itself.

use nestling::{ErrorKind, Model};

use super::models::{Director, Movie, films, tables};

test_on! {
    every_backend;

    async fn a_join_goes_along_a_foreign_key_either_way(backend) {
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let theirs = Movie::select().join(Movie::DIRECTOR).filter(Director::NAME.eq("Kurosawa"));
        let theirs = theirs.order_by(Movie::YEAR.desc()).all(db).await.unwrap();
        assert_eq!(theirs.iter().map(|movie| movie.id).collect::<Vec<_>>(), [2, 1]);
        let busy = Director::select().join(Movie::DIRECTOR).filter(Movie::YEAR.eq(1962)).order_by(Director::ID.asc());
        let names = busy.columns((Director::NAME, Movie::TITLE)).all(db).await.unwrap();
        assert_eq!(names, [("Kurosawa".into(), "Sanjuro".into()), ("Varda".to_owned(), "Cleo".to_owned())]);
    }

    async fn whole_models_of_a_join_are_selected(backend) {
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let pairs = Movie::select().join(Movie::DIRECTOR).order_by(Movie::ID.asc());
        let pairs = pairs.columns((Movie::relation(), Director::relation())).all(db).await.unwrap();
        let pairs: Vec<_> = pairs.iter().map(|(movie, director)| (&*movie.title, &*director.name)).collect();
        assert_eq!(pairs, [("Yojimbo", "Kurosawa"), ("Sanjuro", "Kurosawa"), ("Cleo", "Varda")]);
        let all = Movie::select().left_join(Movie::DIRECTOR).order_by(Movie::ID.desc());
        let all = all.columns((Movie::relation(), Director::relation().optional(), Director::NAME.nullable()));
        let all = all.all(db).await.unwrap();
        assert_eq!((&*all[0].0.title, &all[0].1, &all[0].2), ("100%_Wool", &None, &None));
        assert_eq!(all[1].1.as_ref().map(|director| director.born), Some(None), "there, with a NULL of its own");
        assert_eq!(all.len(), 4);
    }

    async fn a_table_is_joined_with_itself_under_another_name(backend) {
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let first = Movie::alias("first");
        let sequels = Movie::select().join_as(Movie::SEQUEL_OF, &first).columns((Movie::TITLE, first.col(Movie::TITLE)));
        assert_eq!(sequels.all(db).await.unwrap(), [("Sanjuro".to_owned(), "Yojimbo".to_owned())]);
        let all = Movie::select().left_join_as(Movie::SEQUEL_OF, &first).order_by(Movie::ID.asc());
        let all = all.columns((Movie::ID, first.optional())).all(db).await.unwrap();
        let all: Vec<_> = all.iter().map(|(id, first)| (*id, first.as_ref().map(|movie| movie.id))).collect();
        assert_eq!(all, [(1, None), (2, Some(1)), (3, None), (4, None)]);
        let sequel = Movie::alias("sequel");
        let firsts = Movie::select().join_on(&sequel, sequel.col(Movie::SEQUEL_OF).eq(Movie::ID)).columns(Movie::ID);
        assert_eq!(firsts.all(db).await.unwrap(), [1]);
        let aliased = sequel.select().join(Movie::DIRECTOR).filter(sequel.col(Movie::YEAR).eq(1961));
        assert_eq!(aliased.all(db).await.unwrap()[0].title, "Yojimbo");
    }

    async fn queries_are_joined_like_tables(backend) {
        tables(&backend).await;
        let db = &backend.db;
        films(db).await;
        let sixties = Movie::select().filter(Movie::YEAR.lt(1970)).order_by(Movie::ID.asc()).limit(2).as_relation("sixties");
        let names = Director::select().join_on(&sixties, sixties.col(Movie::DIRECTOR).eq(Director::ID));
        let names = names.order_by(sixties.col(Movie::ID).asc()).columns((Director::NAME, &sixties)).all(db).await.unwrap();
        assert_eq!(names.iter().map(|(name, movie)| (&**name, movie.id)).collect::<Vec<_>>(), [("Kurosawa", 1), ("Kurosawa", 2)]);
        let lonely = Movie::alias("m");
        let outer = Director::select().left_join_on(&lonely, lonely.col(Movie::DIRECTOR).eq(Director::ID) & lonely.col(Movie::YEAR).gt(1990));
        assert_eq!(outer.columns(lonely.optional()).all(db).await.unwrap(), [None, None]);
        let full = Movie::select().full_join_on(&Director::relation(), Movie::DIRECTOR.eq(Director::ID));
        let full = full.columns(Movie::ID.nullable()).all(db).await;
        if backend.is_mysql() {
            assert_eq!(full.unwrap_err().kind(), ErrorKind::Unsupported);
        } else {
            assert_eq!(full.unwrap().len(), 4);
        }
    }
}
