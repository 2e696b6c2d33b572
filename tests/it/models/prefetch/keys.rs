//! Keys of all kinds, parents that come twice, references to the own table, and more keys than one statement takes.

use nestling::{ForeignKey, Manager, Model, create_tables};
use uuid::Uuid;

use super::ALL;
use crate::harness::Backend;

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "person")]
struct Person {
    id: i64,
    #[model(max_length = 100)]
    name: String,
    boss: Option<ForeignKey<Self>>,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "country")]
struct Country {
    #[model(primary_key, max_length = 20)]
    code: String,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "city")]
struct City {
    #[model(default = Uuid::new_v4())]
    id: Uuid,
    country: ForeignKey<Country>,
    #[model(max_length = 100)]
    name: String,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "street")]
struct Street {
    id: i32,
    city: Option<ForeignKey<City>>,
    #[model(max_length = 100)]
    name: String,
}

async fn people(backend: &Backend) -> Manager {
    create_tables(backend.observer(), &[Person::TABLE]).await.unwrap();
    let objects = Manager::new(backend.db.clone());
    let person = |id, boss: Option<i64>| Person { id, name: format!("{id}"), boss: boss.map(ForeignKey::new) };
    let people = [person(1, None), person(2, Some(1)), person(3, Some(1)), person(4, Some(2)), person(5, Some(5))];
    objects.execute(Person::insert_rows(&people)).await.unwrap();
    objects
}

test_on! {
    every_backend;

    // rule 71
    async fn a_table_that_refers_to_itself(backend) {
        let objects = people(&backend).await;
        for by in ALL {
            let below = || Person::BOSS.children(Person::select().order_by(Person::ID.asc()));
            let all = Person::select().order_by(Person::ID.asc());
            let tree = objects.prefetch(all, below().with(below())).by(by).await.unwrap();
            let ids: Vec<Vec<(i64, Vec<i64>)>> = tree
                .iter()
                .map(|top| {
                    let below = |person: &nestling::model::Prefetched<Person, Vec<Person>>| {
                        (person.id, person.children.iter().map(|person| person.id).collect())
                    };
                    top.children.iter().map(below).collect()
                })
                .collect();
            let expected =
                [vec![(2, vec![4]), (3, vec![])], vec![(4, vec![])], vec![], vec![], vec![(5, vec![5])]];
            assert_eq!(ids, expected, "by {by:?}");
        }
    }

    // rule 71
    async fn text_and_uuids_are_keys_too(backend) {
        create_tables(backend.observer(), &[Street::TABLE, City::TABLE, Country::TABLE]).await.unwrap();
        let objects = Manager::new(backend.db.clone());
        for code in ["at", "ch", "it's \\ \"{,}"] {
            objects.create([Country::CODE.set(code)]).await.unwrap();
        }
        for (country, name) in [("at", "Graz"), ("it's \\ \"{,}", "Rome"), ("at", "Linz")] {
            let values = [City::NAME.set(name)].into_iter().chain([City::COUNTRY.set(country)]);
            let city = objects.create(values).await.unwrap();
            let street = [Street::NAME.set(format!("{name} Road"))];
            objects.create(street.into_iter().chain([Street::CITY.set(&city)])).await.unwrap();
        }
        objects.create([Street::NAME.set("Nowhere")]).await.unwrap();
        for by in ALL {
            let streets = Street::CITY.children(Street::select());
            let cities = City::COUNTRY.children(City::select().order_by(City::NAME.asc())).with(streets);
            let tree = objects.prefetch(Country::select().order_by(Country::CODE.desc()), cities).by(by).await.unwrap();
            let names: Vec<Vec<&str>> = tree
                .iter()
                .map(|country| country.children.iter().map(|city| &*city.children[0].name).collect())
                .collect();
            assert_eq!(names, [vec!["Rome Road"], vec![], vec!["Graz Road", "Linz Road"]], "by {by:?}");
        }
    }

    // rule 71
    async fn a_parent_that_comes_twice_has_its_children_twice(backend) {
        let objects = people(&backend).await;
        for by in ALL {
            let others = Person::alias("others");
            // Whoever has two people below comes twice.
            let bosses = Person::select()
                .join_on(&others, others.col(Person::BOSS).eq(Person::ID))
                .filter(Person::ID.ne(5))
                .order_by(Person::ID.asc());
            let below = Person::BOSS.children(Person::select().order_by(Person::ID.asc()));
            let tree = objects.prefetch(bosses, below).by(by).await.unwrap();
            let ids: Vec<(i64, Vec<i64>)> =
                tree.iter().map(|boss| (boss.id, boss.children.iter().map(|person| person.id).collect())).collect();
            assert_eq!(ids, [(1, vec![2, 3]), (1, vec![2, 3]), (2, vec![4])], "by {by:?}");
        }
    }

    // rule 71
    async fn a_thousand_parents_take_as_many_statements_as_there_are_models(backend) {
        create_tables(backend.observer(), &[Person::TABLE]).await.unwrap();
        let objects = Manager::new(backend.db.clone());
        let top = |id| Person { id, name: String::new(), boss: None };
        let below = |id: i64| Person { id, name: String::new(), boss: Some(ForeignKey::new(id % 1_000 + 1)) };
        objects.bulk_create(&(1..=1_000).map(top).collect::<Vec<_>>()).await.unwrap();
        objects.bulk_create(&(1_001..=6_000).map(below).collect::<Vec<_>>()).await.unwrap();
        for by in ALL {
            let before = backend.db.stats().statements;
            let tops = Person::select().filter(Person::BOSS.is_null());
            let tree = objects.prefetch(tops, Person::BOSS.children(Person::select())).by(by).await.unwrap();
            assert_eq!(backend.db.stats().statements - before, 2, "by {by:?}");
            assert!(tree.len() == 1_000 && tree.iter().all(|top| top.children.len() == 5), "by {by:?}");
        }
    }
}

/// More keys than SQLite takes parameters: they go in parts, or by a condition where a limit counts over all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_keys_than_one_statement_takes() {
    // rule 71
    let backend = Backend::sqlite().await;
    create_tables(backend.observer(), &[Person::TABLE]).await.unwrap();
    let objects = Manager::new(backend.db.clone());
    let person = |id: i64| {
        let boss = (id > 1).then(|| ForeignKey::new(id / 2));
        Person { id, name: String::new(), boss }
    };
    objects.bulk_create(&(1..=40_000).map(person).collect::<Vec<_>>()).await.unwrap();
    let all = || Person::select().order_by(Person::ID.asc());
    let before = backend.db.stats().statements;
    let tree = objects.prefetch(all(), Person::BOSS.children(all())).await.unwrap();
    assert_eq!(backend.db.stats().statements - before, 3, "one for the parents and two for the keys");
    assert!(tree[..19_999].iter().all(|top| {
        let ids: Vec<i64> = top.children.iter().map(|person| person.id).collect();
        ids == [2 * top.id, 2 * top.id + 1]
    }));
    let last = Person::select().order_by(Person::ID.desc()).limit(3);
    let tree = objects.prefetch(all(), Person::BOSS.children(last)).await.unwrap();
    let found: Vec<i64> = tree.iter().flat_map(|top| top.children.iter().map(|person| person.id)).collect();
    assert_eq!(found, [39_999, 39_998, 40_000], "the last three, each with its own parent");
}
