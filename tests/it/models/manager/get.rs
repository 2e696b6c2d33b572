//! `get` and `get_or_none`.

use nestling::{ErrorKind, ForeignKey, Model as _};

use super::people::{self, Booking, Person, named};

test_on! {
    every_backend;

    // rule 64
    async fn key_conditions_and_query_give_the_same_row(backend) {
        let objects = people::create(&backend).await;
        let ada = objects.create(named("Ada", "Byron")).await.unwrap();
        objects.create(named("Bob", "Byron")).await.unwrap();
        let both = || (Person::FIRST.eq("Ada"), Person::LAST.eq("Byron"));
        assert_eq!(objects.get::<Person>(Person::ID.eq(ada.id)).await.unwrap(), ada);
        assert_eq!(objects.get::<Person>(both()).await.unwrap(), ada);
        assert_eq!(objects.get::<Person>([both().0, both().1]).await.unwrap(), ada);
        assert_eq!(objects.get::<Person>(vec![both().0, both().1]).await.unwrap(), ada);
        assert_eq!(objects.get::<Person>(both().0 & both().1).await.unwrap(), ada);
        assert_eq!(objects.get(Person::select().filter(both().0)).await.unwrap(), ada);
        assert_eq!(objects.get(Person::by_key(ada.id)).await.unwrap(), ada);
        assert_eq!(objects.get(ForeignKey::<Person>::new(ada.id)).await.unwrap(), ada);
        assert_eq!(objects.get(&ForeignKey::to(&ada)).await.unwrap(), ada);
        let fetched: Person = ForeignKey::to(&ada).get(objects.database()).await.unwrap();
        assert_eq!(fetched, ada);
    }

    // rule 64
    async fn none_is_told_with_the_model_and_the_sql(backend) {
        let objects = people::create(&backend).await;
        let error = objects.get::<Person>(Person::FIRST.eq("nobody")).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::NoRow, "no Person was found".into()));
        let sql = error.statement().unwrap();
        assert!(sql.contains("person") && sql.contains("first") && !sql.contains("nobody"), "{sql}");
        assert!(sql.contains("LIMIT"), "no more rows are fetched than are needed: {sql}");
        assert_eq!(objects.get_or_none::<Person>(Person::FIRST.eq("nobody")).await.unwrap(), None);
    }

    // rule 64
    async fn of_several_it_is_the_first_of_the_query(backend) {
        let objects = people::create(&backend).await;
        for first in ["Ada", "Bob", "Cid"] {
            objects.create(named(first, "Byron")).await.unwrap();
        }
        let byrons = || Person::select().filter(Person::LAST.eq("Byron"));
        assert_eq!(objects.get(byrons().order_by(Person::FIRST.desc())).await.unwrap().first, "Cid");
        assert_eq!(objects.get(byrons().order_by(Person::FIRST.asc()).offset(1)).await.unwrap().first, "Bob");
        assert_eq!(objects.get(byrons().limit(0)).await.unwrap_err().kind(), ErrorKind::NoRow);
        assert_eq!(objects.get_or_none(byrons().limit(0)).await.unwrap(), None);
    }

    // rule 64
    async fn a_composite_key_finds_its_row(backend) {
        let objects = people::create(&backend).await;
        for (line, number) in [(1, 1), (1, 2), (2, 1)] {
            let name = format!("{line}/{number}");
            let values = [Booking::LINE.set(line), Booking::NUMBER.set(number)];
            objects.create(values.into_iter().chain([Booking::NAME.set(name)])).await.unwrap();
        }
        assert_eq!(objects.get(Booking::by_key((1, 2))).await.unwrap().name, "1/2");
        assert_eq!(objects.get_or_none(Booking::by_key((2, 2))).await.unwrap(), None);
    }
}
