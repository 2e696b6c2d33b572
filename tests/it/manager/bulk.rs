//! `bulk_create`.

use nestling::Model as _;

use super::people::{self, Booking, Person};

fn people_of(count: i64) -> Vec<Person> {
    let person = |number: i64| Person {
        id: 0,
        email: format!("{number}@x"),
        first: format!("{number}"),
        last: "ü'\"\\{,}".into(),
        age: 30,
        points: (number % 3 > 0).then_some(number),
        boss: None,
    };
    (0..count).map(person).collect()
}

on_every_backend! {
    async fn many_rows_are_created_and_their_keys_come_in_order(backend) {
        let objects = people::create(&backend).await;
        for count in [0, 1, 7, 1_000] {
            let mut rows = people_of(count);
            let keys = objects.bulk_create(&rows).await.unwrap();
            assert_eq!(keys.len() as i64, count);
            for (row, key) in rows.iter_mut().zip(&keys) {
                row.id = *key;
            }
            let stored = objects.execute(Person::select().order_by(Person::ID.asc())).await.unwrap();
            rows.sort_by_key(|row| row.id);
            assert_eq!(stored, rows);
            objects.execute(Person::delete()).await.unwrap();
        }
    }

    async fn keys_that_are_given_are_kept(backend) {
        let objects = people::create(&backend).await;
        let mut rows = people_of(300);
        rows.iter_mut().zip(1_000..).for_each(|(row, id)| row.id = id);
        let keys = objects.bulk_create(&rows).await.unwrap();
        assert_eq!(keys, (1_000..1_300).collect::<Vec<i64>>());
        let seats = (0..300).map(|number| Booking { line: 1, number, name: "x".into() }).collect::<Vec<_>>();
        assert_eq!(objects.bulk_create(&seats).await.unwrap()[299], (1, 299));
    }

    async fn all_are_created_or_none(backend) {
        let objects = people::create(&backend).await;
        let mut rows = people_of(300);
        rows[299].email = rows[0].email.clone();
        assert!(objects.bulk_create(&rows).await.unwrap_err().is_unique_violation());
        assert_eq!(objects.count(Person::select()).await.unwrap(), 0);
    }
}
