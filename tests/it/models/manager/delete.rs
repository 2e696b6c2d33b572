//! `delete`, alone and recursive, on a family of tables.

use nestling::{Manager, Model as _, params};

use super::people::{self, Person, named};
use crate::{
    films::{self, Award, Director, Movie},
    harness::Backend,
};

async fn library(backend: &Backend) -> Manager {
    films::create(backend).await;
    films::fill(&backend.db).await;
    Manager::new(backend.db.clone())
}

async fn ids(objects: &Manager, table: &str) -> Vec<i64> {
    let sql = format!("select id from {table} order by id");
    let rows = objects.database().query(&sql, params![]).await.unwrap();
    rows.iter().map(|row| row.get(0).unwrap()).collect()
}

test_on! {
    every_backend;

    // rule 67
    async fn what_is_referred_to_is_not_deleted_alone(backend) {
        let objects = library(&backend).await;
        let ann = objects.get::<Director>(Director::NAME.eq("Ann")).await.unwrap();
        assert!(objects.delete(&ann).await.unwrap_err().is_foreign_key_violation());
        let dee = objects.get::<Director>(Director::NAME.eq("Dee")).await.unwrap();
        assert_eq!(objects.delete(&dee).await.unwrap(), 1);
        assert_eq!(ids(&objects, "director").await, [1, 2, 3]);
    }

    // rule 67
    async fn children_go_first_and_nullable_references_become_null(backend) {
        let objects = library(&backend).await;
        let ann = objects.get::<Director>(Director::NAME.eq("Ann")).await.unwrap();
        assert_eq!(objects.delete(&ann).recursive().await.unwrap(), 1);
        // Her films 1, 2 and 5 went with their awards; 3 and 4, which she had edited, stay.
        assert_eq!(ids(&objects, "director").await, [2, 3, 4]);
        assert_eq!(ids(&objects, "movie").await, [3, 4, 6]);
        assert_eq!(ids(&objects, "award").await, [4, 6]);
        assert_eq!(objects.count(Movie::select().filter(Movie::EDITOR.is_null())).await.unwrap(), 3);
    }

    // rule 67
    async fn rows_of_nullable_references_go_too_if_asked(backend) {
        let objects = library(&backend).await;
        let ann = objects.get::<Director>(Director::NAME.eq("Ann")).await.unwrap();
        assert_eq!(objects.delete(&ann).recursive().delete_nullable().await.unwrap(), 1);
        assert_eq!(ids(&objects, "movie").await, [6]);
        assert_eq!(ids(&objects, "award").await, [6]);
        assert_eq!(ids(&objects, "director").await, [2, 3, 4]);
    }

    // rule 67
    async fn a_row_that_is_gone_takes_nothing_along(backend) {
        let objects = library(&backend).await;
        let award = objects.get(Award::by_key(1)).await.unwrap();
        assert_eq!(objects.delete(&award).recursive().await.unwrap(), 1);
        assert_eq!(objects.delete(&award).recursive().await.unwrap(), 0);
        let ghost = Director { id: 99, name: String::new(), notes: nestling::types::Json(params_free()) };
        assert_eq!(objects.delete(&ghost).recursive().await.unwrap(), 0);
        assert_eq!(ids(&objects, "award").await, [2, 3, 4, 5, 6]);
        assert_eq!(ids(&objects, "movie").await, [1, 2, 3, 4, 5, 6]);
    }

    // rule 67
    async fn all_of_it_happens_or_nothing(backend) {
        let objects = library(&backend).await;
        // What nobody can look through: a trigger that refuses the last step.
        let ddl = backend.choose(
            "create function no() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
             create trigger no before delete on director for each row execute function no()",
            "create trigger no before delete on director for each row signal sqlstate '45000' set message_text = 'no'",
            "create trigger no before delete on director begin select raise(abort, 'no'); end",
        );
        backend.observer().batch(ddl).await.unwrap();
        let ann = objects.get::<Director>(Director::NAME.eq("Ann")).await.unwrap();
        objects.delete(&ann).recursive().await.unwrap_err();
        assert_eq!(ids(&objects, "movie").await.len(), 6);
        assert_eq!(ids(&objects, "award").await.len(), 6);
        assert_eq!(objects.count(Movie::select().filter(Movie::EDITOR.is_null())).await.unwrap(), 2);
    }

    // rule 67
    async fn it_takes_part_in_the_transaction_that_is_open(backend) {
        let objects = library(&backend).await;
        let ann = objects.get::<Director>(Director::NAME.eq("Ann")).await.unwrap();
        let result: nestling::Result<()> = objects
            .atomic(|| async {
                objects.delete(&ann).recursive().await?;
                assert_eq!(ids(&objects, "movie").await, [3, 4, 6]);
                objects.get::<Director>(Director::NAME.eq("Ann")).await.map(|_| ())
            })
            .await;
        assert_eq!(result.unwrap_err().kind(), nestling::ErrorKind::NoRow);
        assert_eq!(ids(&objects, "movie").await.len(), 6);
    }

    // rule 67
    async fn who_refers_to_the_own_table_is_found_at_any_depth(backend) {
        let objects = people::create(&backend).await;
        let mut boss = objects.create(named("0", "Byron")).await.unwrap();
        let top = boss.clone();
        for depth in ["1", "2", "3"] {
            let values = [Person::BOSS.set(&boss)];
            boss = objects.create(named(depth, "Byron").into_iter().chain(values)).await.unwrap();
            objects.create(named(depth, "Jones").into_iter().chain([Person::BOSS.set(&boss)])).await.unwrap();
        }
        // In a circle, too.
        objects.execute(Person::update([Person::BOSS.set(&boss)]).filter(Person::ID.eq(top.id))).await.unwrap();
        let other = objects.create(named("Eve", "Else")).await.unwrap();
        let plain = objects.atomic(|| async { objects.delete(&top).recursive().await }).await;
        assert_eq!(plain.unwrap(), 1);
        // Only the reference of the first below has become NULL; all others stay.
        assert_eq!(objects.count(Person::select()).await.unwrap(), 7);
        let first = objects.get::<Person>((Person::FIRST.eq("1"), Person::LAST.eq("Byron"))).await.unwrap();
        assert_eq!(first.boss, None);
        assert_eq!(objects.delete(&first).recursive().delete_nullable().await.unwrap(), 1);
        assert_eq!(objects.execute(Person::select()).await.unwrap(), [other]);
    }
}

fn params_free() -> serde_json::Value {
    serde_json::json!({})
}
