//! Prefetch: whole trees of rows, the same by every way of asking, on every back end.

mod keys;

use nestling::{
    Database, Manager, Model as _,
    model::{PrefetchType, Prefetched},
    params,
};

use crate::films::{self, Award, Director, Movie};

const ALL: [PrefetchType; 3] = [PrefetchType::Keys, PrefetchType::Where, PrefetchType::Join];

type Tree = Vec<Prefetched<Director, Vec<Prefetched<Movie, Vec<Award>>>>>;

/// `Ann(Fog(tin) Rain(silver gold))`: names alone, in the order in which they came.
fn outline(tree: &Tree) -> String {
    let mut parts = Vec::new();
    for director in tree {
        let mut movies = Vec::new();
        for movie in &director.children {
            let awards: Vec<&str> = movie.children.iter().map(|award| &*award.name).collect();
            movies.push(format!("{}({})", movie.title, awards.join(" ")));
        }
        parts.push(format!("{}({})", director.name, movies.join(" ")));
    }
    parts.join(" ")
}

test_on! {
    every_backend;

    // rule 71
    async fn a_tree_of_three_levels_is_the_same_by_every_type(backend) {
        films::create(&backend).await;
        films::fill(&backend.db).await;
        let objects = Manager::new(backend.db.clone());
        for by in ALL {
            let before = backend.db.stats().statements;
            let awards = Award::MOVIE.children(Award::select().order_by(Award::ID.desc()));
            let movies = Movie::DIRECTOR.children(Movie::select().order_by(Movie::TITLE.asc())).with(awards);
            let tree = objects.prefetch(Director::select().order_by(Director::NAME.desc()), movies).by(by).await.unwrap();
            let expected = "Dee() Cid(Sun(tin) Wind(gold)) Bob(Hail()) Ann(Fog(tin) Rain(silver gold) Snow(gold))";
            assert_eq!(outline(&tree), expected, "by {by:?}");
            assert_eq!(backend.db.stats().statements - before, 3, "one query for each model, by {by:?}");
            let movie = &tree[1].children[0];
            assert_eq!((tree[1].notes.0["number"].as_i64(), movie.extra.0["list"][2].as_str()), (Some(3), Some("zwölf")));
        }
    }

    // rule 71
    async fn a_limit_of_the_parents_is_kept(backend) {
        films::create(&backend).await;
        films::fill(&backend.db).await;
        let objects = Manager::new(backend.db.clone());
        for by in ALL {
            let parents = Director::select().order_by(Director::ID.desc()).limit(2).offset(1);
            let awards = Award::MOVIE.children(Award::select().order_by(Award::ID.asc()));
            let movies = Movie::select().filter(Movie::TITLE.ne("Sun")).order_by(Movie::ID.asc());
            let tree = objects.prefetch(parents, Movie::DIRECTOR.children(movies).with(awards)).by(by).await.unwrap();
            assert_eq!(outline(&tree), "Cid(Wind(gold)) Bob(Hail())", "by {by:?}");
        }
    }

    // rule 71
    async fn a_limit_of_the_children_counts_over_all_parents(backend) {
        films::create(&backend).await;
        films::fill(&backend.db).await;
        let objects = Manager::new(backend.db.clone());
        for by in ALL {
            let parents = Director::select().filter(Director::ID.le(2)).order_by(Director::ID.asc());
            let movies = Movie::select().order_by(Movie::ID.desc()).limit(2);
            let tree = objects.prefetch(parents, Movie::DIRECTOR.children(movies)).by(by).await.unwrap();
            let titles: Vec<Vec<&str>> =
                tree.iter().map(|director| director.children.iter().map(|movie| &*movie.title).collect()).collect();
            assert_eq!(titles, [vec!["Fog"], vec!["Hail"]], "by {by:?}");
        }
    }

    // rule 71
    async fn several_foreign_keys_to_one_model_are_kept_apart(backend) {
        films::create(&backend).await;
        films::fill(&backend.db).await;
        let objects = Manager::new(backend.db.clone());
        for by in ALL {
            let query = || Movie::select().order_by(Movie::ID.asc());
            let children = (
                Movie::DIRECTOR.children(query()),
                Movie::EDITOR.children(query()).with(Award::MOVIE.children(Award::select())),
            );
            let parents = Director::select().order_by(Director::ID.asc());
            let tree = objects.prefetch(parents, children).by(by).await.unwrap();
            let ids: Vec<(Vec<_>, Vec<_>)> = tree
                .iter()
                .map(|Prefetched { children: (directed, edited), .. }| {
                    let edited = edited.iter().map(|movie| (movie.id, movie.children.len()));
                    (directed.iter().map(|movie| movie.id).collect(), edited.collect())
                })
                .collect();
            // Films 2 and 6 have no editor, and so are among nobody's.
            let expected = [
                (vec![1, 2, 5], vec![(3, 0), (4, 1)]),
                (vec![3], vec![(1, 2)]),
                (vec![4, 6], vec![(5, 1)]),
                (vec![], vec![]),
            ];
            assert_eq!(ids, expected, "by {by:?}");
        }
    }

    // rule 71
    async fn no_parents_have_no_children(backend) {
        films::create(&backend).await;
        let objects = Manager::new(backend.db.clone());
        for by in ALL {
            let children = Movie::DIRECTOR.children(Movie::select()).with(Award::MOVIE.children(Award::select()));
            assert_eq!(objects.prefetch(Director::select(), children).by(by).await.unwrap(), []);
        }
    }

    // rule 71
    async fn it_takes_part_in_the_transaction_that_is_open(backend) {
        films::create(&backend).await;
        let objects = Manager::new(backend.db.clone());
        let result: nestling::Result<()> = objects
            .atomic(|| async {
                films::fill(objects.database()).await;
                let children = Movie::DIRECTOR.children(Movie::select());
                let tree = objects.prefetch(Director::select(), children).await?;
                assert_eq!(tree.iter().map(|director| director.children.len()).sum::<usize>(), 6);
                Err(nestling::ForeignKey::<Director>::new(99).get(objects.database()).await.unwrap_err())
            })
            .await;
        assert_eq!(result.unwrap_err().kind(), nestling::ErrorKind::NoRow);
        assert_eq!(count(backend.observer(), "movie").await, 0);
    }
}

async fn count(db: &Database, table: &str) -> i64 {
    db.query_one(&format!("select count(*) from {table}"), params![]).await.unwrap().get(0).unwrap()
}
