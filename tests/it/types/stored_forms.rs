//! Values in the forms that other programs have stored: UUIDs as bytes or bare digits, moments as text with an offset. They
//! are found, compared, joined and written in the form of their column.

use chrono::{DateTime, TimeDelta, Utc};
use nestling::{
    Database, ErrorKind, ForeignKey, Manager, Model, Query, create_tables,
    model::PrefetchType,
    params,
    query::{OnConflict, functions},
};
use uuid::Uuid;

use crate::harness::Backend;

#[derive(Debug, Clone, PartialEq, Model)]
struct Person {
    #[model(stored = "bytes")]
    id: Uuid,
    #[model(stored = "rfc3339")]
    born: DateTime<Utc>,
    #[model(stored = "offset")]
    seen: Option<DateTime<Utc>>,
    #[model(stored = "simple", unique)]
    token: Uuid,
    #[model(stored = "text")]
    other: Uuid,
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Visit {
    id: i64,
    person: ForeignKey<Person>,
    #[model(index = false)]
    guest: Option<ForeignKey<Person>>,
    plain: Uuid,
}

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}

fn person(number: u128) -> Person {
    let born = moment("2024-05-06T07:08:09Z") + TimeDelta::milliseconds(i64::try_from(number).expect("small") * 250);
    Person {
        id: Uuid::from_u128(number << 64 | 7),
        born,
        seen: number.is_multiple_of(2).then_some(born),
        token: Uuid::from_u128(number + 1000),
        other: Uuid::from_u128(number + 2000),
    }
}

async fn people(db: &Database) -> Vec<Person> {
    create_tables(db, &[Person::TABLE, Visit::TABLE]).await.expect("tables");
    let people: Vec<Person> = (1..=9).map(person).collect();
    Person::insert_rows(&people).run_on(db).await.expect("people");
    people
}

/// What another program would see.
async fn raw(backend: &Backend, column: &str) -> String {
    let column = match column {
        "id" => backend.choose("encode(id, 'hex')", "convert(hex(id) using utf8mb4)", "hex(id)"),
        other => other,
    };
    let sql = format!("select {column} from person order by born limit 1");
    backend.observer().query_one(&sql, params![]).await.expect("a row").get(0).expect("text")
}

test_on! {
    every_backend;

    // fault 4.4
    async fn values_are_stored_in_the_form_of_their_column(backend) {
        let first = people(&backend.db).await.remove(0);
        let id = raw(&backend, "id").await.to_uppercase();
        let hex = first.id.simple().to_string().to_uppercase();
        assert_eq!(id, hex);
        assert_eq!(raw(&backend, "born").await, "2024-05-06T07:08:09.250+00:00");
        assert_eq!(raw(&backend, "token").await, first.token.simple().to_string());
        assert_eq!(raw(&backend, "other").await, first.other.to_string());
    }

    // fault 4.4
    async fn they_are_found_by_every_way_of_comparing(backend) {
        let db = &backend.db;
        let people = people(db).await;
        let some = &people[3];
        let found = async |condition: nestling::query::Expr<bool>| {
            Person::select().filter(condition).order_by(Person::BORN.asc()).all(db).await.expect("people")
        };
        assert_eq!(Person::by_key(some.id).one(db).await.expect("by key"), *some);
        for condition in [
            Person::ID.eq(some.id), Person::key_is(&some.id), Person::TOKEN.eq(some.token), Person::OTHER.eq(some.other),
            Person::BORN.eq(some.born), Person::SEEN.eq(some.seen), Person::ID.in_([some.id]),
            functions::row((Person::ID, Person::BORN)).eq((some.id, some.born)),
            functions::row((Person::TOKEN, Person::BORN)).in_([(some.token, some.born), (some.token, people[0].born)]),
            Person::ID.eq(functions::coalesce(Person::ID.nullable(), Uuid::nil())) & Person::ID.eq(some.id),
            Person::BORN.between(some.born, some.born),
            Person::ID.in_(Person::select().filter(Person::TOKEN.eq(some.token)).columns(Person::ID)),
        ] {
            assert_eq!(found(condition.clone()).await, std::slice::from_ref(some), "{condition:?}");
        }
        assert_eq!(found(Person::BORN.lt(some.born)).await, people[..3]);
        assert_eq!(found(Person::BORN.ge(some.born)).await, people[3..]);
        assert_eq!(found(Person::ID.ne(some.id)).await.len(), 8);
        assert_eq!(found(Person::ID.not_in([some.id, people[0].id])).await.len(), 7);
        assert_eq!(found(Person::SEEN.in_([None, some.seen])).await.len(), 6);
        assert_eq!(found(Person::key_in(&[some.id, people[0].id])).await.len(), 2);
        assert_eq!(found(Person::BORN.lt(functions::now())).await.len(), 9);
        assert_eq!(found(Person::SEEN.gt(functions::now())).await.len(), 0);
        let last = Person::select().columns(Person::BORN.max()).one(db).await.expect("the last");
        assert_eq!(last, Some(people[8].born));
        let late = Person::select().group_by(Person::ID).having(Person::BORN.max().gt(people[7].born)).columns(Person::ID);
        assert_eq!(late.all(db).await.expect("groups"), [people[8].id]);
    }

    // fault 4.4
    async fn they_are_written_and_read_back_by_every_call(backend) {
        let db = &backend.db;
        let people = people(db).await;
        let objects = Manager::new(db.clone());
        let set = |p: &Person| [
            Person::ID.set(p.id), Person::BORN.set(p.born), Person::SEEN.set(p.seen), Person::TOKEN.set(p.token),
            Person::OTHER.set(p.other),
        ];
        let made = objects.create(set(&person(20))).await.expect("created");
        assert_eq!(made, person(20));
        let (same, created) = objects.get_or_create(set(&made), []).await.expect("found");
        assert!(!created && same == made);
        let (same, created) = objects.create_or_get(set(&Person { id: Uuid::nil(), ..made.clone() })).await.expect("found");
        assert!(!created && same == made, "found by its token");
        let changed = Person { seen: Some(moment("1999-12-31T23:59:59.5Z")), ..made.clone() };
        assert_eq!(objects.update(&changed).await.expect("updated"), 1);
        assert_eq!(objects.get(Person::by_key(made.id)).await.expect("there"), changed);
        let again = OnConflict::columns(Person::TOKEN).update_columns((Person::BORN, Person::SEEN));
        let keys = Person::insert_rows(&[person(20), person(21)]).on_conflict(again).run_on(db).await.expect("upserted");
        assert_eq!(keys, [person(20).id, person(21).id]);
        let back = Person::update([Person::BORN.set(functions::now())]).filter(Person::ID.eq(made.id)).returning();
        assert!(back.one(db).await.expect("updated").born > made.born);
        assert_eq!(objects.bulk_create(&(30..99).map(person).collect::<Vec<_>>()).await.expect("many").len(), 69);
        assert_eq!(objects.delete(&made).await.expect("deleted"), 1);
        assert_eq!(Person::delete().filter(Person::ID.in_(people.iter().map(|p| p.id))).run_on(db).await.expect("gone"), 9);
    }

    // fault 4.4
    async fn a_foreign_key_has_the_form_of_what_it_refers_to(backend) {
        let db = &backend.db;
        let people = people(db).await;
        let visit = |p: &Person| [Visit::PERSON.set(p), Visit::GUEST.set(people[0].id), Visit::PLAIN.set(p.id)];
        Visit::insert_many(people[..4].iter().map(visit)).run_on(db).await.expect("visits");
        let joined = Visit::select().join(Visit::PERSON).filter(Person::ID.eq(people[2].id)).columns(Visit::ID);
        assert_eq!(joined.all(db).await.expect("joined"), [3]);
        assert_eq!(Visit::select().filter(Visit::PERSON.eq(people[1].id)).one(db).await.expect("one").id, 2);
        let one = Visit::select().filter(Visit::PLAIN.eq(people[3].id)).one(db).await.expect("one");
        assert_eq!(one.person.get(db).await.expect("a person"), people[3]);
        let objects = Manager::new(db.clone());
        for by in [PrefetchType::Keys, PrefetchType::Where, PrefetchType::Join] {
            let found = objects.prefetch(Person::select(), Visit::PERSON.children(Visit::select())).by(by).await;
            let mut counts: Vec<_> = found.expect("fetched").into_iter().map(|p| (p.born, p.children.len())).collect();
            counts.sort();
            assert_eq!(counts.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 1, 1, 1, 0, 0, 0, 0, 0], "{by:?}");
        }
        let deleted = objects.delete(&people[0]).recursive().await.expect("deleted");
        assert_eq!((deleted, Visit::select().count(db).await.expect("a count")), (1, 3));
    }
}

#[tokio::test]
async fn columns_of_different_forms_are_not_compared_as_if_they_were_equal() {
    let backend = Backend::sqlite().await;
    create_tables(&backend.db, &[Person::TABLE, Visit::TABLE]).await.expect("tables");
    let error = Visit::select().filter(Visit::PLAIN.eq(Visit::PERSON)).all(&backend.db).await.expect_err("they differ");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let far = Person::BORN.eq(moment("+12024-01-01T00:00:00Z"));
    let error = Person::select().filter(far).all(&backend.db).await.expect_err("no such year");
    assert_eq!(error.kind(), ErrorKind::Parameter, "{error}");
}

#[derive(Debug, PartialEq, Model)]
struct Note {
    #[model(stored = "bytes")]
    id: Uuid,
    #[model(stored = "rfc3339")]
    at: DateTime<Utc>,
}

test_on! {
    every_backend;

    // fault 4.4: a table that was made and filled by another program
    async fn rows_of_another_program_are_found(backend) {
        let sql = backend.choose(
            "create table note (id uuid primary key, at timestamptz not null)",
            "create table note (id binary(16) primary key, at varchar(40) not null)",
            "create table note (id blob primary key, at text not null)",
        );
        backend.observer().batch(sql).await.expect("a table");
        let (id, at) = (Uuid::from_u128(0xfeed), "2024-05-06T07:08:09.5+00:00");
        let bytes = backend.choose(
            format!("'{id}'"), format!("x'{}'", id.simple()), format!("x'{}'", id.simple()),
        );
        let insert = format!("insert into note values ({bytes}, '2024-05-06T07:08:09.500+00:00')");
        backend.observer().batch(&insert).await.expect("a row");
        let db = &backend.db;
        let note = Note { id, at: moment(at) };
        assert_eq!(Note::by_key(id).one(db).await.expect("found"), note);
        assert_eq!(Note::select().filter(Note::AT.eq(moment(at)) & Note::ID.in_([id, Uuid::nil()])).one(db).await.expect("found"), note);
        let later = Note { id: Uuid::from_u128(2), at: moment(at) + TimeDelta::nanoseconds(1000) };
        Note::insert_rows([&later]).run_on(db).await.expect("inserted");
        assert_eq!(Note::select().filter(Note::AT.gt(moment(at))).all(db).await.expect("found"), [later]);
    }
}
