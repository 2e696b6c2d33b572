//! One handle: a manager is its database too, and typed queries take either.

use nestling::{ForeignKey, Manager, Model, Query as _, create_tables, params};

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "owner")]
struct Owner {
    id: i64,
    #[model(unique, max_length = 50)]
    name: String,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "pet")]
struct Pet {
    id: i64,
    #[model(max_length = 50)]
    name: String,
    owner: ForeignKey<Owner>,
}

test_on! { every_backend;

/// rule 72
async fn what_a_database_can_do_its_manager_can(backend) {
    let objects = Manager::new(backend.db.clone());
    create_tables(&objects, &[Owner::TABLE, Pet::TABLE]).await.unwrap();
    let (sent, mut told) = tokio::sync::mpsc::unbounded_channel();
    objects
        .atomic(|| async {
            assert!(objects.in_transaction());
            objects.create([Owner::NAME.set("ada")]).await?;
            objects.on_commit(move || async move { sent.send("committed") }).await?;
            assert_eq!(objects.depth(), 1);
            objects.savepoint(|| async { objects.set_rollback_only() }).await
        })
        .await
        .unwrap();
    assert_eq!(told.try_recv(), Ok("committed"));
    assert_eq!(objects.query("select name from owner", params![]).await.unwrap().len(), 1);
    assert_eq!(objects.dialect(), backend.db.dialect());
    objects.build_transaction().read_only().atomic(|| async { objects.ping().await }).await.unwrap();
    assert!(objects.is_connected() && objects.stats().statements >= 3);
    objects.close().await;
    assert!(!backend.db.is_connected(), "it is the same database");
}

/// rule 72
async fn a_query_takes_a_manager_or_a_database(backend) {
    let objects = Manager::new(backend.db.clone());
    create_tables(&objects, &[Owner::TABLE, Pet::TABLE]).await.unwrap();
    let ada = objects.create([Owner::NAME.set("ada")]).await.unwrap();
    Pet::insert([Pet::NAME.set("Rex"), Pet::OWNER.set(&ada)]).run_on(&objects).await.unwrap();
    let pets = || Pet::select().filter(Pet::NAME.eq("Rex"));
    assert_eq!(pets().all(&objects).await.unwrap(), pets().all(&backend.db).await.unwrap());
    let rex = pets().first(&objects).await.unwrap().unwrap();
    assert_eq!(pets().one(&objects).await.unwrap(), rex);
    assert_eq!((pets().count(&objects).await.unwrap(), pets().exists(&objects).await.unwrap()), (1, true));
    assert_eq!(pets().columns(Pet::NAME).scalar(&objects).await.unwrap().as_deref(), Some("Rex"));
    assert_eq!(pets().stream(&objects).await.unwrap().next().await.unwrap().unwrap(), rex);
    assert_eq!(rex.owner.get(&objects).await.unwrap(), ada);
}

/// rule 62
async fn a_blocking_manager_is_its_blocking_database(backend) {
    let objects = Manager::new(backend.db.clone());
    create_tables(&objects, &[Owner::TABLE]).await.unwrap();
    let work = move || {
        objects.allow_sync(|sync| {
            sync.atomic(|| {
                assert!(sync.in_transaction());
                sync.create([Owner::NAME.set("ada")])?;
                sync.set_rollback_only()
            })?;
            sync.query("select name from owner", params![]).map(|rows| rows.len())
        })
    };
    assert_eq!(work().unwrap(), 0);
}

}
