//! `create_or_get`: the row that is in the way is found by the constraint that says so, and by no other.

use nestling::{Error, Isolation, Manager, Model, params};

use super::people::{self, Booking, Person, named};
use crate::harness::Backend;

/// A model whose table has constraints that do not say which row is in the way.
#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "ticket")]
struct Ticket {
    id: i64,
    #[model(max_length = 100)]
    code: String,
    open: bool,
}

test_on! {
    every_backend;

    // rule 69
    async fn the_row_in_the_way_is_given_back_as_it_is(backend) {
        let objects = people::create(&backend).await;
        let values = |age| named("Ada", "Byron").into_iter().chain([Person::AGE.set(age)]);
        let (first, created) = objects.create_or_get(values(36)).await.unwrap();
        assert!(created);
        let (second, created) = objects.create_or_get(values(99)).await.unwrap();
        assert!(!created);
        assert_eq!((second.age, &second), (36, &first));
        assert_eq!(objects.get(Person::by_key(first.id)).await.unwrap(), first);
    }

    // rule 69
    async fn each_constraint_finds_its_own_row(backend) {
        let objects = people::create(&backend).await;
        let ada = objects.create(named("Ada", "Byron")).await.unwrap();
        let bob = objects.create(named("Bob", "Byron")).await.unwrap();
        let values = |id: Option<i64>, email: &str, first: &str| {
            let known = [Person::EMAIL.set(email), Person::FIRST.set(first), Person::LAST.set("Byron")];
            known.into_iter().chain(id.map(|id| Person::ID.set(id))).collect::<Vec<_>>()
        };
        let (by_both, created) = objects.create_or_get(values(None, "free@x", "Bob")).await.unwrap();
        assert_eq!((by_both, created), (bob.clone(), false));
        let (by_email, created) = objects.create_or_get(values(None, "Ada@Byron", "Free")).await.unwrap();
        assert_eq!((by_email, created), (ada, false));
        let (by_key, created) = objects.create_or_get(values(Some(bob.id), "free@x", "Free")).await.unwrap();
        assert_eq!((by_key, created), (bob, false));
        assert_eq!(objects.count(Person::select()).await.unwrap(), 2);
    }

    // rule 69
    async fn a_composite_key_finds_the_row_that_has_all_of_it(backend) {
        let objects = people::create(&backend).await;
        let booking = |line, number, name: &str| {
            [Booking::LINE.set(line), Booking::NUMBER.set(number)].into_iter().chain([Booking::NAME.set(name)])
        };
        for (line, number) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let name = format!("{line}/{number}");
            assert!(objects.create_or_get(booking(line, number, &name)).await.unwrap().1);
        }
        let (found, created) = objects.create_or_get(booking(2, 1, "late")).await.unwrap();
        assert_eq!((found, created), (Booking { line: 2, number: 1, name: "2/1".into() }, false));
    }

    // rule 69
    async fn other_violations_are_passed_on(backend) {
        let objects = people::create(&backend).await;
        let ada = objects.create(named("Ada", "Byron")).await.unwrap();
        let values = |value| named("Eve", "Jones").into_iter().chain([value]);
        let error = objects.create_or_get(values(Person::AGE.set(-1))).await.unwrap_err();
        assert!(error.is_check_violation(), "{error:?}");
        let error = objects.create_or_get(values(Person::BOSS.set(ada.id + 100))).await.unwrap_err();
        assert!(error.is_foreign_key_violation(), "{error:?}");
    }

    // rule 69
    async fn the_transaction_around_stays_usable(backend) {
        let objects = people::create(&backend).await;
        let ada = objects.create(named("Ada", "Byron")).await.unwrap();
        objects
            .atomic(|| async {
                assert_eq!(objects.create_or_get(named("Ada", "Byron")).await?, (ada, false));
                let bad = named("Eve", "Jones").into_iter().chain([Person::AGE.set(-1)]);
                objects.create_or_get(bad).await.unwrap_err();
                objects.create(named("Bob", "Byron")).await
            })
            .await
            .unwrap();
        assert_eq!(objects.count(Person::select()).await.unwrap(), 2);
    }

    // rule 69
    async fn twenty_callers_create_one_row(backend) {
        let backend = people::for_many(backend);
        let objects = people::create(&backend).await;
        let task = |age| {
            let (objects, inner) = (objects.clone(), objects.clone());
            tokio::spawn(async move {
                let create = || async move {
                    inner.count(Person::select()).await?;
                    let values = named("Ada", "Byron").into_iter().chain([Person::AGE.set(age)]);
                    inner.create_or_get(values).await
                };
                // Some in a transaction of their own, with a snapshot where the server keeps one, and some not.
                if age % 2 == 0 { objects.atomic(create).await } else { create().await }
            })
        };
        let tasks: Vec<_> = (0..20).map(task).collect();
        let mut found = Vec::new();
        for task in tasks {
            found.push(task.await.unwrap().expect("nobody sees an error"));
        }
        assert_eq!(found.iter().filter(|(_, created)| *created).count(), 1);
        assert!(found.iter().all(|(person, _)| *person == found[0].0), "all got the same row");
    }
}

test_on! {
    postgres_and_sqlite;

    // rule 69
    async fn a_constraint_of_some_rows_only_names_no_row(backend) {
        let key = backend.choose("bigint generated by default as identity", "", "integer");
        let ddl = format!(
            "create table ticket (id {key} primary key, code varchar(100), open boolean);
             create unique index one_open on ticket (code) where open"
        );
        backend.observer().batch(&ddl).await.unwrap();
        let objects = Manager::new(backend.db.clone());
        let ticket = |open| [Ticket::CODE.set("a")].into_iter().chain([Ticket::OPEN.set(open)]);
        assert!(objects.create_or_get(ticket(false)).await.unwrap().1);
        assert!(objects.create_or_get(ticket(true)).await.unwrap().1);
        // Two tickets have the code; the closed one is not in the way.
        let error = objects.create_or_get(ticket(true)).await.unwrap_err();
        assert!(error.is_unique_violation(), "{error:?}");
    }

    // rule 69
    async fn an_index_on_an_expression_names_no_row(backend) {
        let key = backend.choose("bigint generated by default as identity", "", "integer");
        let ddl = format!(
            "create table ticket (id {key} primary key, code varchar(100), open boolean);
             create unique index any_case on ticket (lower(code))"
        );
        backend.observer().batch(&ddl).await.unwrap();
        let objects = Manager::new(backend.db.clone());
        let ticket = |code: &str| [Ticket::CODE.set(code)].into_iter().chain([Ticket::OPEN.set(true)]);
        assert!(objects.create_or_get(ticket("a")).await.unwrap().1);
        let error = objects.create_or_get(ticket("A")).await.unwrap_err();
        assert!(error.is_unique_violation(), "{error:?}");
    }
}

/// A transaction that reads repeatably cannot see who was first, and is told to run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn behind_an_older_snapshot_it_is_a_serialization_failure() {
    // rule 69
    let backend = Backend::postgres().await;
    let objects = people::create(&backend).await;
    let plan = backend.db.build_transaction().isolation(Isolation::RepeatableRead);
    let result: Result<(), Error> = plan
        .atomic(|| async {
            assert_eq!(objects.count(Person::select()).await?, 0);
            Manager::new(backend.observer().clone()).create(named("Ada", "Byron")).await?;
            objects.create_or_get(named("Ada", "Byron")).await.map(|_| ())
        })
        .await;
    let error = result.unwrap_err();
    assert!(error.is_retryable() && !error.is_unique_violation(), "{error:?}");
}

/// A trigger that writes elsewhere can be refused there: that says nothing about rows of this table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_constraint_of_another_table_names_no_row() {
    // rule 69
    let backend = Backend::postgres().await;
    let objects = people::create(&backend).await;
    let ddl = "create table log (email text, constraint log_email unique (email));
         create function log() returns trigger language plpgsql as
         $$ begin insert into log values (new.email); return new; end $$;
         create trigger log after insert on person for each row execute function log()";
    backend.observer().batch(ddl).await.unwrap();
    let email = "Ada@Byron";
    backend.observer().execute("insert into log values ($1)", params![email]).await.unwrap();
    let error = objects.create_or_get(named("Ada", "Byron")).await.unwrap_err();
    assert_eq!((error.is_unique_violation(), error.constraint()), (true, Some("log_email")));
}
