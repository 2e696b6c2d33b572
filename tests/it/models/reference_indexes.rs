//! The indexes that `create_tables` makes for foreign keys.

use nestling::{
    Dialect, ForeignKey, Model, create_tables,
    model::{Table, create_statements},
    params,
};

use crate::harness::Backend;

#[derive(Debug, Model)]
struct Parent {
    id: i64,
}

#[derive(Debug, Model)]
#[model(unique(three, id), index(four, three))]
struct Child {
    id: i64,
    one: ForeignKey<Parent>,
    #[model(index = false)]
    two: ForeignKey<Parent>,
    three: ForeignKey<Parent>,
    four: Option<ForeignKey<Parent>>,
    #[model(index)]
    five: ForeignKey<Parent>,
    #[model(unique)]
    six: Option<ForeignKey<Parent>>,
}

#[derive(Debug, Model)]
struct Link {
    #[model(primary_key)]
    left: ForeignKey<Parent>,
    #[model(primary_key)]
    right: ForeignKey<Parent>,
}

const TABLES: [&Table; 3] = [Parent::TABLE, Child::TABLE, Link::TABLE];

/// The first columns of all indexes of a table, as the server has them.
async fn indexed(backend: &Backend, table: &str) -> Vec<String> {
    let sql = backend.choose(
        "select distinct a.attname::text from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0] \
         where i.indrelid = to_regclass($1) order by 1",
        "select distinct column_name from information_schema.statistics \
         where table_schema = database() and table_name = $1 and seq_in_index = 1 order by 1",
        "select distinct i.name from pragma_index_list($1) l join pragma_index_info(l.name) i where i.seqno = 0 order by 1",
    );
    let rows = backend.observer().query(sql, params![table]).await.expect("indexes");
    rows.iter().map(|row| row.get(0).expect("a name")).collect()
}

test_on! {
    every_backend;

    // fault 5.1
    async fn each_foreign_key_has_an_index_unless_it_needs_none(backend) {
        for _ in 0..2 {
            create_tables(&backend.db, &TABLES).await.expect("tables");
        }
        let child: Vec<String> = indexed(&backend, "child").await.into_iter().filter(|column| column != "id").collect();
        // MySQL makes one for every foreign key, asked or not.
        let without = backend.choose(5, 6, 5);
        assert_eq!(child.len(), without, "{child:?}");
        assert!(backend.is_mysql() || !child.contains(&"two_id".to_owned()));
        assert_eq!(indexed(&backend, "link").await, ["left_id", "right_id"]);
    }
}

#[test]
fn no_index_is_made_twice() {
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        let statements = create_statements(dialect, &TABLES).expect("statements");
        let names: Vec<&str> = statements
            .iter()
            .filter_map(|sql| sql.split('"').nth(1).filter(|_| sql.starts_with("CREATE INDEX")))
            .collect();
        assert_eq!(
            names,
            ["child__five_id_idx", "child__four_id__three_id_idx", "child__one_id_idx", "link__right_id_idx"]
        );
    }
}
