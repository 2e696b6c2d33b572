//! What a query gives: rows that can be counted, indexed and gone through as often as one likes.

use std::collections::{BTreeSet, HashMap};

use nestling::{Model as _, params};

use super::models::{self, TestModel, create_text};

test_on! {
    every_backend;

    async fn test_select_many_objects(backend) {
        let objects = models::create(&backend).await;
        let text1 = create_text(&objects, "Test 1").await;
        let text2 = create_text(&objects, "Test 2").await;
        create_text(&objects, "Test 3").await;
        let select = TestModel::select().filter(TestModel::ID.in_([text1.id, text2.id]));
        let result = objects.execute(select).await.unwrap();
        let texts: BTreeSet<&str> = result.iter().map(|obj| &*obj.text).collect();
        assert_eq!(texts, ["Test 1", "Test 2"].into());
    }

    async fn test_indexing_result(backend) {
        let objects = models::create(&backend).await;
        create_text(&objects, "Test 1").await;
        let obj = create_text(&objects, "Test 2").await;
        let result = objects.execute(TestModel::select().order_by(TestModel::TEXT.asc())).await.unwrap();
        assert_eq!(result[1], obj);
        assert_eq!(result.len(), 2);
        assert_eq!(result.get(2), None);
    }

    async fn test_multiple_iterate_over_result(backend) {
        let objects = models::create(&backend).await;
        let obj1 = create_text(&objects, "Test 1").await;
        let obj2 = create_text(&objects, "Test 2").await;
        let result = objects.execute(TestModel::select().order_by(TestModel::TEXT.asc())).await.unwrap();
        for _ in 0..2 {
            let all: Vec<&TestModel> = result.iter().collect();
            assert_eq!(all, [&obj1, &obj2]);
        }
    }

    // SQL of one's own into models, into tuples, and into maps.
    async fn test_raw_query(backend) {
        let objects = models::create(&backend).await;
        let obj1 = create_text(&objects, "Test 1").await;
        let obj2 = create_text(&objects, "Test 2").await;
        let sql = "select id, text, data from testmodel where id >= $1 order by id";
        let models = objects.execute(TestModel::raw(sql, params![obj1.id])).await.unwrap();
        assert_eq!(models, [obj1.clone(), obj2]);
        let tuples = objects.execute(nestling::raw::<(i64, String, String)>(sql, params![obj1.id])).await.unwrap();
        assert_eq!(tuples[0], (obj1.id, "Test 1".into(), String::new()));
        let rows = objects.database().query(sql, params![obj1.id]).await.unwrap();
        let maps: Vec<HashMap<&str, String>> = rows
            .iter()
            .map(|row| {
                let names: Vec<&str> = row.columns().collect();
                names.into_iter().filter(|name| *name != "id").map(|name| (name, row.get(name).unwrap())).collect()
            })
            .collect();
        assert_eq!((&*maps[1]["text"], &*maps[1]["data"]), ("Test 2", ""));
    }
}
