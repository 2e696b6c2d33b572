//! `count`, `scalar`, `iterate`, `execute`; and one query on managers of different databases.

use nestling::{Manager, Model as _, params};

use super::people::{self, Person, named};
use crate::harness::Backend;

/// Ada, Bob and Cid, aged 20, 30 and 30, of whom the last has no points.
async fn three(objects: &Manager) {
    for (first, age, points) in [("Ada", 20, Some(1)), ("Bob", 30, Some(2)), ("Cid", 30, None)] {
        let values = [Person::AGE.set(age), Person::POINTS.set(points)];
        objects.create(named(first, "Byron").into_iter().chain(values)).await.unwrap();
    }
}

test_on! {
    every_backend;

    // rule 70
    async fn a_count_is_of_the_rows_that_the_query_gives(backend) {
        let objects = people::create(&backend).await;
        three(&objects).await;
        let all = Person::select;
        assert_eq!(objects.count(all()).await.unwrap(), 3);
        assert_eq!(objects.count(all().filter(Person::AGE.eq(30))).await.unwrap(), 2);
        assert_eq!(objects.count(all().order_by(Person::AGE.asc()).limit(2)).await.unwrap(), 2);
        assert_eq!(objects.count(all().limit(2).offset(2)).await.unwrap(), 1);
        assert_eq!(objects.count(all().offset(2)).await.unwrap(), 1);
        assert_eq!(objects.count(all().limit(0)).await.unwrap(), 0);
        assert_eq!(objects.count(all().limit(0).offset(1).clear_limit()).await.unwrap(), 3);
    }

    // rule 70
    async fn a_count_takes_distinct_groups_unions_and_sql_for_what_they_give(backend) {
        let objects = people::create(&backend).await;
        three(&objects).await;
        let ages = || Person::select().columns(Person::AGE);
        assert_eq!(objects.count(ages()).await.unwrap(), 3);
        assert_eq!(objects.count(ages().distinct()).await.unwrap(), 2);
        assert_eq!(objects.count(ages().distinct().limit(1)).await.unwrap(), 1);
        assert_eq!(objects.count(ages().group_by(Person::AGE)).await.unwrap(), 2);
        let many = ages().group_by(Person::AGE).having(Person::ID.count().gt(1));
        assert_eq!(objects.count(many).await.unwrap(), 1);
        let firsts = || Person::select().columns(Person::FIRST);
        let lasts = || Person::select().columns(Person::LAST);
        assert_eq!(objects.count(firsts().union(lasts())).await.unwrap(), 4);
        assert_eq!(objects.count(firsts().union_all(lasts())).await.unwrap(), 6);
        assert_eq!(objects.count(firsts().union(lasts()).limit(3)).await.unwrap(), 3);
        let raw = Person::raw("select * from person where age > $1 -- the elder", params![20]);
        assert_eq!(objects.count(raw).await.unwrap(), 2);
    }

    // rule 70
    async fn no_row_and_null_are_told_apart(backend) {
        let objects = people::create(&backend).await;
        three(&objects).await;
        let points = |first: &str| Person::select().filter(Person::FIRST.eq(first)).columns(Person::POINTS);
        assert_eq!(objects.scalar(points("Bob")).await.unwrap(), Some(Some(2)));
        assert_eq!(objects.scalar(points("Cid")).await.unwrap(), Some(None));
        assert_eq!(objects.scalar(points("Dee")).await.unwrap(), None);
        let whole = Person::select().order_by(Person::ID.asc()).columns((Person::FIRST, Person::AGE));
        assert_eq!(objects.scalar(whole.clone()).await.unwrap(), Some(("Ada".into(), 20)));
        assert_eq!(objects.scalar(whole.limit(0)).await.unwrap(), None);
    }

    async fn rows_are_iterated_over_in_their_order(backend) {
        let objects = people::create(&backend).await;
        three(&objects).await;
        let mut rows = objects.iterate(Person::select().order_by(Person::FIRST.desc())).await.unwrap();
        let mut names = Vec::new();
        while let Some(row) = rows.next().await {
            names.push(row.unwrap().first);
        }
        assert_eq!(names, ["Cid", "Bob", "Ada"]);
    }

    // rule 72
    async fn one_query_runs_on_any_manager(backend) {
        let objects = people::create(&backend).await;
        three(&objects).await;
        let other = Backend::sqlite().await;
        let others = people::create(&other).await;
        others.create(named("Dee", "Jones")).await.unwrap();
        let query = Person::select().filter(Person::AGE.ge(18)).order_by(Person::FIRST.desc());
        let names = |rows: Vec<Person>| rows.into_iter().map(|row| row.first).collect::<Vec<_>>();
        assert_eq!(names(objects.execute(query.clone()).await.unwrap()), ["Cid", "Bob", "Ada"]);
        assert_eq!(names(others.execute(query).await.unwrap()), ["Dee"]);
    }
}
