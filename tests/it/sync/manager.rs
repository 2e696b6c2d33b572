//! The manager for code that blocks: its calls, and where they are refused (rules 62 to 70).

use std::panic::{AssertUnwindSafe, catch_unwind};

use nestling::{Error, ErrorKind, Manager, Model as _, model::PrefetchType, sync::SyncManager};
use serde_json::json;

use super::surroundings::everywhere;
use crate::films::{Award, Director, Movie, create, fill};

fn direct(sync: &SyncManager, name: &str) -> Result<Director, Error> {
    sync.create([Director::NAME.set(name), Director::NOTES.set(nestling::types::Json(json!(null)))])
}

test_on! {
    every_backend;

    /// rules 64 to 70, in blocking form
    async fn every_call_of_the_manager_has_its_blocking_form(backend) {
        create(&backend).await;
        let objects = Manager::new(backend.db.clone());
        let rest = objects.allow_sync(|sync| {
            sync.connect()?;
            let ann = direct(sync, "Ann")?;
            let films = ["Rain", "Snow", "Hail"].map(|title| {
                let extra = Movie::EXTRA.set(nestling::types::Json(json!(1)));
                sync.create([Movie::TITLE.set(title), Movie::DIRECTOR.set(&ann), extra])
            });
            let [rain, snow, _] = films.map(|film| film.expect("a film"));
            assert_eq!(sync.get::<Director>(Director::NAME.eq("Ann"))?, ann);
            assert_eq!(sync.get_or_none::<Director>(Director::NAME.eq("Bob"))?, None);
            assert_eq!(sync.get::<Director>(Director::NAME.eq("Bob")).unwrap_err().kind(), ErrorKind::NoRow);
            let notes = || [Director::NOTES.set(nestling::types::Json(json!([])))];
            assert_eq!(sync.get_or_create([Director::NAME.set("Ann")], notes())?, (ann.clone(), false));
            let (bob, created) = sync.get_or_create([Director::NAME.set("Bob")], notes())?;
            assert!(created);
            let notes = Director::NOTES.set(nestling::types::Json(json!(7)));
            let again = sync.create_or_get([Director::NAME.set("Bob"), notes])?;
            assert_eq!(again, (bob.clone(), false));
            let renamed = Movie { title: "Drizzle".into(), ..rain.clone() };
            assert_eq!(sync.update(&renamed)?, 1);
            let moved = Movie { title: "not written".into(), director: (&bob).into(), ..snow };
            assert_eq!(sync.update_only(&moved, Movie::DIRECTOR)?, 1);
            let award = Award { id: 1, movie: (&rain).into(), name: "gold".into() };
            let awards = [award.clone(), Award { id: 2, ..award.clone() }];
            assert_eq!(sync.blocking(async |objects| objects.bulk_create(&awards).await)?, [1, 2]);
            assert_eq!(sync.delete(&award)?, 1);
            assert_eq!(sync.count(Movie::select())?, 3);
            assert_eq!(sync.scalar(Movie::select().filter(Movie::ID.eq(moved.id)).columns(Movie::TITLE))?, Some("Snow".into()));
            let titles: Vec<String> = sync
                .iterate(Movie::select().order_by(Movie::TITLE.asc()))?
                .map(|film| film.map(|film| film.title))
                .collect::<Result<_, _>>()?;
            assert_eq!(titles, ["Drizzle", "Hail", "Snow"]);
            assert_eq!(sync.execute(Movie::delete().filter(Movie::TITLE.eq("Hail")))?, 1);
            assert_eq!(sync.execute(Movie::select())?.len(), 2);
            for by in [PrefetchType::Where, PrefetchType::Join] {
                let films = Movie::DIRECTOR.children(Movie::select());
                let directors = Director::select().order_by(Director::ID.asc());
                let fetched = sync.blocking(async |objects| objects.prefetch(directors, films).by(by).await)?;
                let counts: Vec<_> = fetched.iter().map(|director| (&*director.name, director.children.len())).collect();
                assert_eq!(counts, [("Ann", 1), ("Bob", 1)]);
            }
            assert_eq!(sync.delete_recursive(&ann, true)?, 1);
            sync.close();
            sync.count(Award::select())
        });
        assert_eq!(rest.unwrap(), 0, "the award went with the film, and the film with its director");
        assert_eq!(objects.count(Director::select()).await.unwrap(), 1);
    }
}

test_on! {
    every_backend;

    /// rules 14 and 26, by the manager
    async fn blocks_of_the_manager_nest(backend) {
        create(&backend).await;
        let objects = Manager::new(backend.db.clone());
        let sync = SyncManager::from(backend.db.sync());
        let names = sync.atomic(|| {
            direct(&sync, "kept")?;
            let lost = sync.savepoint_named("of mine", || {
                direct(&sync, "lost")?;
                direct(&sync, "kept")
            });
            assert!(lost.unwrap_err().is_unique_violation());
            sync.savepoint(|| direct(&sync, "kept too"))?;
            sync.transaction(|| sync.execute(Director::select().order_by(Director::ID.asc()).columns(Director::NAME)))
        });
        assert_eq!(names.unwrap(), ["kept", "kept too"]);
        assert_eq!(objects.count(Director::select()).await.unwrap(), 2);
    }
}

test_on! {
    every_backend;

    /// rule 62: the manager's own blocking handle
    async fn it_is_refused_outside_of_allow_sync(backend) {
        create(&backend).await;
        fill(&backend.db).await;
        let objects = Manager::new(backend.db.clone());
        everywhere(move |place| {
            let sync = objects.sync();
            let refused = || {
                let ann = Director { id: 1, name: "Ann".into(), notes: nestling::types::Json(json!(1)) };
                let kinds = [
                    sync.get::<Director>(Director::ID.eq(1)).map(|_| 1),
                    sync.get_or_none::<Director>(Director::ID.eq(1)).map(|_| 1),
                    direct(&sync, "Eve").map(|_| 1),
                    sync.update(&ann),
                    sync.update_only(&ann, Director::NAME),
                    sync.delete(&ann),
                    sync.delete_recursive(&ann, true),
                    sync.execute(Director::delete()),
                    sync.count(Director::select()),
                    sync.scalar(Director::select().columns(Director::ID)).map(|_| 1),
                    sync.iterate(Director::select()).map(|_| 1),
                    sync.prefetch(Director::select(), Movie::DIRECTOR.children(Movie::select())).map(|_| 1),
                    sync.blocking(async |objects| objects.bulk_create(std::slice::from_ref(&ann)).await).map(|_| 1),
                    sync.atomic(|| Ok(1)),
                    sync.connect().map(|()| 1),
                ];
                for result in kinds {
                    let error: Error = result.expect_err(place);
                    assert_eq!(error.kind(), ErrorKind::SyncNotAllowed, "{place}: {error}");
                }
            };
            refused();
            let found = objects.allow_sync(|inside| {
                let mut rows = inside.iterate(Director::select()).expect(place);
                assert!(rows.next().is_some_and(|row| row.is_ok()), "{place}");
                sync.count(Director::select())
            });
            assert_eq!(found.expect(place), 4, "by whatever handle, within it");
            refused();
            let panicked = catch_unwind(AssertUnwindSafe(|| objects.allow_sync(|_| panic!("inside"))));
            assert!(panicked.is_err());
            refused();
        })
        .await;
        let objects = Manager::new(backend.db.clone());
        assert_eq!(objects.count(Director::select()).await.unwrap(), 4, "what was refused has done nothing");
        let inside = objects.atomic(|| async { objects.allow_sync(|sync| sync.count(Director::select())) }).await;
        assert_eq!(inside.unwrap_err().kind(), ErrorKind::SyncNotAllowed, "rule 63");
    }
}
