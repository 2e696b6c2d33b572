//! `get_or_create`: however many ask at once, one creates, and nobody sees an error.

use nestling::{Error, Isolation, Manager, Model as _};

use super::people::{self, Person, Seat, named};
use crate::harness::Backend;

/// Twenty tasks ask for the same person, each by `call`, and tell whether theirs was new.
async fn twenty<F>(objects: &Manager, call: impl Fn(Manager, i32) -> F) -> Vec<(Person, bool)>
where
    F: Future<Output = nestling::Result<(Person, bool)>> + Send + 'static,
{
    let tasks: Vec<_> = (0..20).map(|age| tokio::spawn(call(objects.clone(), age))).collect();
    let mut found = Vec::new();
    for task in tasks {
        found.push(task.await.unwrap().expect("nobody sees an error"));
    }
    found
}

fn assert_one_was_created(found: &[(Person, bool)]) {
    assert_eq!(found.iter().filter(|(_, created)| *created).count(), 1);
    assert!(found.iter().all(|(person, _)| *person == found[0].0), "all got the same row");
}

test_on! {
    every_backend;

    // rule 68
    async fn the_second_caller_gets_what_the_first_created(backend) {
        let objects = people::create(&backend).await;
        let (first, created) = objects.get_or_create(named("Ada", "Byron"), [Person::AGE.set(36)]).await.unwrap();
        assert!(created && first.age == 36);
        let (second, created) = objects.get_or_create(named("Ada", "Byron"), [Person::AGE.set(99)]).await.unwrap();
        assert!(!created);
        assert_eq!(second, first);
    }

    // rule 68
    async fn twenty_callers_create_one_row(backend) {
        let backend = people::for_many(backend);
        let objects = people::create(&backend).await;
        let call = |objects: Manager, age| async move {
            objects.get_or_create(named("Ada", "Byron"), [Person::AGE.set(age)]).await
        };
        assert_one_was_created(&twenty(&objects, call).await);
        assert_eq!(objects.count(Person::select()).await.unwrap(), 1);
    }

    // rule 68
    async fn twenty_transactions_create_one_row_and_go_on(backend) {
        let backend = people::for_many(backend);
        let objects = people::create(&backend).await;
        let call = |objects: Manager, age: i32| async move {
            let inner = objects.clone();
            objects
                .atomic(|| async move {
                    // On MySQL this is what its snapshot is of.
                    inner.count(Person::select()).await?;
                    let found = inner.get_or_create(named("Ada", "Byron"), [Person::AGE.set(age)]).await?;
                    // Another table: InnoDB has locked the gap beside the row that was in the way, for all of them.
                    inner.create([Seat::LINE.set(1), Seat::NUMBER.set(age)]).await?;
                    Ok::<_, Error>(found)
                })
                .await
        };
        assert_one_was_created(&twenty(&objects, call).await);
        assert_eq!(objects.count(Seat::select()).await.unwrap(), 20);
    }

    // rule 68
    async fn what_else_is_in_the_way_is_told_and_the_transaction_goes_on(backend) {
        let objects = people::create(&backend).await;
        objects.create(named("Ada", "Byron")).await.unwrap();
        objects
            .atomic(|| async {
                // The name is free, the address is taken.
                let taken = [Person::EMAIL.set("Ada@Byron")];
                let values = [Person::FIRST.set("Eve"), Person::LAST.set("Jones")];
                let error = objects.get_or_create(values, taken).await.unwrap_err();
                assert!(error.is_unique_violation(), "{error:?}");
                let error = objects.get_or_create(named("Eve", "Jones"), [Person::AGE.set(-1)]).await.unwrap_err();
                assert!(error.is_check_violation(), "{error:?}");
                objects.create(named("Bob", "Byron")).await
            })
            .await
            .unwrap();
        assert_eq!(objects.count(Person::select()).await.unwrap(), 2);
    }

    // rule 68
    async fn null_is_looked_for_as_null(backend) {
        let objects = people::create(&backend).await;
        let values = || named("Ada", "Byron").into_iter().chain([Person::POINTS.set(None)]);
        assert!(objects.get_or_create(values(), []).await.unwrap().1);
        assert!(!objects.get_or_create(values(), []).await.unwrap().1);
    }
}

/// A transaction that reads repeatably cannot see who was first, and is told to run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn behind_an_older_snapshot_it_is_a_serialization_failure() {
    // rule 68
    for level in [Isolation::RepeatableRead, Isolation::Serializable] {
        let backend = Backend::postgres().await;
        let objects = people::create(&backend).await;
        let others = Manager::new(backend.observer().clone());
        let plan = backend.db.build_transaction().isolation(level);
        let result: Result<(), Error> = plan
            .atomic(|| async {
                assert_eq!(objects.count(Person::select()).await?, 0);
                others.create(named("Ada", "Byron")).await?;
                objects.get_or_create(named("Ada", "Byron"), []).await.map(|_| ())
            })
            .await;
        assert!(result.unwrap_err().is_retryable(), "at {level:?}");
        let (_, created) = objects.get_or_create(named("Ada", "Byron"), []).await.unwrap();
        assert!(!created);
    }
}
