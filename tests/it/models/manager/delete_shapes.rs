//! Recursive deletes through shapes of references that are easily got wrong: diamonds, composite keys, keys that are not the
//! primary one, circles that cannot be NULL, and tables without a model.

use nestling::{Manager, Model, params};

use crate::harness::Backend;

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "top")]
struct Top {
    #[model(primary_key, max_length = 20)]
    code: String,
    #[model(primary_key)]
    part: i32,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "node")]
struct Node {
    #[model(auto = false)]
    id: i64,
}

async fn batch(backend: &Backend, statements: &[&str]) -> Manager {
    for sql in statements {
        backend.observer().batch(sql).await.expect(sql);
    }
    Manager::new(backend.db.clone())
}

async fn rows(objects: &Manager, sql: &str) -> Vec<String> {
    let rows = objects.database().query(sql, params![]).await.unwrap();
    rows.iter().map(|row| row.get(0).unwrap()).collect()
}

test_on! {
    every_backend;

    // rule 67
    async fn a_diamond_of_composite_keys(backend) {
        let objects = batch(
            &backend,
            &[
                "create table top (code varchar(20), part integer, primary key (code, part))",
                "create table lefty (code varchar(20), part integer, name varchar(20) not null unique,
                 primary key (code, part, name), foreign key (code, part) references top (code, part))",
                "create table righty (id integer primary key, code varchar(20) not null, part integer not null,
                 foreign key (code, part) references top (code, part))",
                "create table bottom (id integer primary key, name varchar(20) not null, righty integer not null,
                 foreign key (name) references lefty (name), foreign key (righty) references righty (id))",
                "create table note (bottom integer, foreign key (bottom) references bottom (id))",
                "insert into top values ('a', 1), ('a', 2), ('b', 1)",
                "insert into lefty values ('a', 1, 'l1'), ('a', 2, 'l2'), ('b', 1, 'l3')",
                "insert into righty values (1, 'a', 1), (2, 'a', 2), (3, 'b', 1)",
                // Reached from the left, from the right, from both, and from neither.
                "insert into bottom values (1, 'l1', 3), (2, 'l3', 1), (3, 'l1', 1), (4, 'l2', 2), (5, 'l3', 3)",
                "insert into note values (1), (3), (4), (null)",
            ],
        )
        .await;
        let deleted = objects.delete(&Top { code: "a".into(), part: 1 }).recursive().await.unwrap();
        assert_eq!(deleted, 1);
        assert_eq!(rows(&objects, "select code from top order by code").await, ["a", "b"]);
        assert_eq!(rows(&objects, "select name from lefty order by name").await, ["l2", "l3"]);
        let bottoms = objects.database().query("select id from bottom order by id", params![]).await.unwrap();
        assert_eq!(bottoms.iter().map(|row| row.get(0).unwrap()).collect::<Vec<i64>>(), [4, 5]);
        let notes = "select count(*), count(bottom) from note";
        let notes: (i64, i64) = objects.database().query_one(notes, params![]).await.unwrap().to().unwrap();
        assert_eq!(notes, (4, 1), "references that may be NULL have become NULL");
    }

    // rule 67
    async fn a_tree_that_refers_to_itself_and_cannot_be_null(backend) {
        let objects = batch(
            &backend,
            &[
                "create table node (id bigint primary key, parent bigint not null,
                 foreign key (parent) references node (id))",
                // The root is its own parent.
                "insert into node values (1, 1)",
                "insert into node values (2, 1), (3, 1), (4, 2), (5, 4), (6, 3)",
                "insert into node values (7, 7)",
            ],
        )
        .await;
        assert_eq!(objects.delete(&Node { id: 2 }).recursive().await.unwrap(), 1);
        let ids = "select cast(id as char(1)) from node order by id";
        assert_eq!(rows(&objects, ids).await, ["1", "3", "6", "7"]);
        let root = objects.delete(&Node { id: 1 }).recursive().await;
        if backend.is_mysql() {
            // InnoDB lets nobody delete a row that refers to itself.
            assert!(root.unwrap_err().is_foreign_key_violation());
            assert_eq!(rows(&objects, ids).await, ["1", "3", "6", "7"]);
        } else {
            assert_eq!(root.unwrap(), 1);
            assert_eq!(rows(&objects, ids).await, ["7"]);
        }
    }

    // rule 67
    async fn a_row_that_refers_to_itself_and_may_be_null(backend) {
        for delete_nullable in [false, true] {
            let objects = batch(
                &backend,
                &[
                    "drop table if exists node",
                    "create table node (id bigint primary key, parent bigint, foreign key (parent) references node (id))",
                    "insert into node values (1, 1)",
                    "insert into node values (2, 1), (3, 2), (4, 4)",
                ],
            )
            .await;
            let delete = objects.delete(&Node { id: 1 }).recursive();
            let delete = if delete_nullable { delete.delete_nullable() } else { delete };
            assert_eq!(delete.await.unwrap(), 1);
            let left = objects.count(Node::select()).await.unwrap();
            assert_eq!(left, if delete_nullable { 1 } else { 3 });
        }
    }
}

test_on! {
    postgres_and_sqlite;

    // rule 67
    async fn a_circle_that_cannot_be_null_goes_as_one(backend) {
        // MySQL looks at each row by itself, so that such rows cannot even be made there.
        let objects = batch(
            &backend,
            &[
                "create table node (id bigint primary key, next bigint not null, foreign key (next) references node (id))",
                "insert into node values (1, 2), (2, 3), (3, 1), (4, 4), (5, 1)",
            ],
        )
        .await;
        assert_eq!(objects.delete(&Node { id: 2 }).recursive().await.unwrap(), 1);
        assert_eq!(objects.count(Node::select()).await.unwrap(), 1);
    }

    // rule 67
    async fn tables_that_refer_to_each_other_where_references_are_deferred(backend) {
        let objects = batch(
            &backend,
            &[
                "create table node (id bigint primary key, edge bigint not null)",
                "create table edge (id bigint primary key, node bigint not null
                 references node (id) deferrable initially deferred)",
                backend.choose(
                    "alter table node add foreign key (edge) references edge (id) deferrable initially deferred",
                    "",
                    "drop table node; create table node (id bigint primary key,
                     edge bigint not null references edge (id) deferrable initially deferred)",
                ),
            ],
        )
        .await;
        objects
            .atomic(|| async {
                objects.database().execute("insert into node values (1, 1), (2, 2)", params![]).await?;
                objects.database().execute("insert into edge values (1, 1), (2, 2), (3, 1)", params![]).await
            })
            .await
            .unwrap();
        assert_eq!(objects.delete(&Node { id: 1 }).recursive().await.unwrap(), 1);
        let edges = objects.database().query("select id from edge", params![]).await.unwrap();
        assert_eq!((edges.len(), objects.count(Node::select()).await.unwrap()), (1, 1));
    }
}

/// A schema that is not the one of the connection, with names that need quotes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn another_schema_is_looked_at_where_the_model_names_it() {
    // rule 67
    #[derive(Debug, Model)]
    #[model(table = "odd \"name", schema = "nestling_other")]
    struct Odd {
        #[model(auto = false)]
        id: i64,
    }
    let backend = Backend::postgres().await;
    let sql = "drop schema if exists nestling_other cascade; create schema nestling_other;
         create table nestling_other.\"odd \"\"name\" (id bigint primary key);
         create table \"a child\" (\"of whom\" bigint not null references nestling_other.\"odd \"\"name\" (id));
         insert into nestling_other.\"odd \"\"name\" values (1), (2); insert into \"a child\" values (1), (2)";
    let objects = batch(&backend, &[sql]).await;
    assert_eq!(objects.delete(&Odd { id: 1 }).recursive().await.unwrap(), 1);
    let left = objects.database().query("select \"of whom\" from \"a child\"", params![]).await.unwrap();
    assert_eq!(left.len(), 1);
    backend.observer().batch("drop schema nestling_other cascade").await.unwrap();
}
