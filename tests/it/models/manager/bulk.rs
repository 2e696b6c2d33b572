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

test_on! {
    every_backend;

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

/// The types of the table are not those that the model would have given it.
#[derive(Debug, Clone, PartialEq, nestling::Model)]
#[model(table = "odd")]
struct Odd {
    id: i32,
    mood: String,
    code: String,
    price: rust_decimal::Decimal,
    extra: Option<nestling::types::Json<serde_json::Value>>,
    at: chrono::DateTime<chrono::Utc>,
    raw: Vec<u8>,
}

/// As `Odd`, with an array.
#[derive(Debug, Clone, PartialEq, nestling::Model)]
#[model(table = "listing")]
struct Listing {
    id: i32,
    tags: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn types_of_postgres_that_a_model_does_not_know_are_no_matter() {
    let backend = crate::harness::Backend::postgres().await;
    let ddl = "create type \"Mood\" as enum ('glad', 'sad');
         create domain price as numeric(10, 2) check (value > 0);
         create table odd (id serial primary key, mood \"Mood\" not null, code char(3) not null, price price,
                           extra json, at timestamptz, raw bytea);
         create table listing (id serial primary key, tags text[] not null)";
    backend.observer().batch(ddl).await.unwrap();
    let objects = nestling::Manager::new(backend.db.clone());
    let odd = |number: i32| Odd {
        id: 0,
        mood: if number % 2 == 0 { "glad".into() } else { "sad".into() },
        code: "abc".into(),
        price: rust_decimal::Decimal::new(number.into(), 2),
        extra: (number % 3 > 0).then(|| nestling::types::Json(serde_json::json!({ "null": null, "text": "ü\"" }))),
        at: chrono::DateTime::from_timestamp_micros(number.into()).unwrap(),
        raw: vec![0, 255, number as u8],
    };
    let rows: Vec<Odd> = (1..=200).map(odd).collect();
    let before = backend.db.stats().statements;
    let keys = objects.bulk_create(&rows).await.unwrap();
    assert_eq!(backend.db.stats().statements - before, 2, "one asks for the types of the columns");
    let stored = objects.execute(Odd::select().order_by(Odd::ID.asc())).await.unwrap();
    let expected: Vec<Odd> = rows.into_iter().zip(&keys).map(|(row, &id)| Odd { id, ..row }).collect();
    assert_eq!(stored, expected);
    let rows: Vec<Listing> = (0..200).map(|number| Listing { id: 0, tags: vec!["x".into(); number] }).collect();
    objects.bulk_create(&rows).await.unwrap();
    let stored = objects.execute(Listing::select().order_by(Listing::ID.asc())).await.unwrap();
    assert!(stored.iter().zip(&rows).all(|(stored, row)| stored.tags == row.tags));
}
