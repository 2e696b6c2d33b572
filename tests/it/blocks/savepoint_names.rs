//! Names of savepoints: those that people choose never meet those that are generated.

use nestling::{Error, params};

use crate::harness::insert;

test_on! {
    every_backend;

    /// rule 22; fault 1.11: a name of a generated savepoint was one that people write
    async fn a_name_that_a_person_chooses_is_free_at_every_depth(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            for (id, name) in (1..).zip(["s1", "s2", "S3", "sp1", "n1", "savepoint1"]) {
                // Two generated ones around it, and one inside.
                db.atomic(|| db.atomic(|| async {
                    insert(db, 3 * id, name).await?;
                    db.savepoint_named(name, || async {
                        assert_eq!(db.current_savepoint().as_deref(), Some(name));
                        insert(db, 3 * id + 1, &format!("in {name}")).await?;
                        let undone = db.atomic(|| async {
                            assert_ne!(db.current_savepoint().as_deref(), Some(name));
                            insert(db, 3 * id + 2, "undone").await?;
                            db.query_one("select 1 from item where id = -1", params![]).await.map(|_| ())
                        });
                        undone.await.expect_err("there is no such row");
                        Ok::<_, Error>(())
                    })
                    .await
                }))
                .await?;
            }
            Ok::<_, Error>(())
        });
        work.await.expect("each of the names is free");
        let kept = ["S3", "in S3", "in n1", "in s1", "in s2", "in savepoint1", "in sp1", "n1", "s1", "s2", "savepoint1", "sp1"];
        let mut items = backend.items().await;
        items.sort();
        assert_eq!(items, kept);
    }
}
