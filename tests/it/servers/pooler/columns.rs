//! Statements without names whose columns have become others since they were described: what the server says at each
//! execution is what counts. Rules 2 and 31. (`stale_statements.rs` has the one about their parameters.)

use nestling::{Database, Error, params};

use crate::harness::Backend;

/// One connection to the server itself, which keeps no statements.
async fn without_names() -> Backend {
    let backend = Backend::postgres().await.with(|options| options.max_connections(1).statement_cache_capacity(0));
    backend.with_items().await
}

async fn columns(db: &Database) -> Result<Vec<String>, Error> {
    let rows = db.query("select * from item", ()).await?;
    Ok(rows[0].columns().map(ToOwned::to_owned).collect())
}

/// rule 31: also in the middle of a block, where a statement that is prepared fails
#[tokio::test]
async fn a_changed_table_is_not_noticed_anywhere() {
    let backend = without_names().await;
    let db = &backend.db;
    db.execute("insert into item values (1, 'first')", ()).await.unwrap();
    assert_eq!(columns(db).await.unwrap(), ["id", "name"]);
    let changes = [
        ("alter table item add column added int4 default 7", &["id", "name", "added"][..]),
        ("alter table item rename column name to title", &["id", "title", "added"]),
        ("alter table item drop column added", &["id", "title"]),
    ];
    for (change, expected) in changes {
        backend.observer().batch(change).await.unwrap();
        let block = db.atomic(|| async {
            db.query_one("select 1", ()).await?;
            columns(db).await
        });
        assert_eq!(block.await.expect(change), expected);
        assert_eq!(columns(db).await.expect(change), expected);
    }
    backend.observer().batch("alter table item alter column id type text using 'n' || id").await.unwrap();
    let mut rows = db.stream("select * from item", ()).await.unwrap();
    assert_eq!(rows.next().await.expect("a row").unwrap().get::<String>("id").unwrap(), "n1");
    drop(rows);
    assert_eq!(db.query_one("select * from item", ()).await.unwrap().get::<String>("id").unwrap(), "n1");
}

/// rule 2: rows of a type that is not known are kept back until it was looked up
#[tokio::test]
async fn columns_may_come_to_be_of_a_type_that_is_new() {
    let backend = without_names().await;
    let db = &backend.db;
    let insert = "insert into item values ($1, $2) returning *";
    for id in 0..300 {
        db.query_one(insert, params![id, format!("n{id}")]).await.expect("a row");
    }
    let all = || async {
        let rows = db.query("select * from item order by id", ()).await?;
        rows.iter().map(|row| row.get::<String>("name")).collect::<Result<Vec<_>, _>>()
    };
    let before = all().await.unwrap();
    let values: Vec<_> = (0..300).map(|id| format!("'n{id}'")).collect();
    let retype = format!(
        "create type name_of as enum ({}); alter table item alter column name type name_of using name::name_of",
        values.join(", ")
    );
    backend.observer().batch(&retype).await.unwrap();
    assert_eq!(all().await.expect("of another type"), before);
    // The parameters of a statement are of its first day, and it is described anew.
    db.execute("delete from item", ()).await.unwrap();
    let row = db.query_one(insert, params![1, "n7"]).await.expect("outside a block");
    assert_eq!(row.get::<String>("name").unwrap(), "n7");
    assert_eq!(all().await.unwrap(), ["n7"]);
}
