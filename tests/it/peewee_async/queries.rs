//! Inserts, updates and deletes, and what they give back.

use nestling::Model as _;
use uuid::Uuid;

use super::models::{self, TestModel, UUIDTestModel, create_text};

test_on! {
    every_backend;

    async fn test_delete__count(backend) {
        let objects = models::create(&backend).await;
        create_text(&objects, "Test 1").await;
        create_text(&objects, "Test 2").await;
        assert_eq!(objects.execute(TestModel::delete()).await.unwrap(), 2);
    }

    async fn test_delete__by_condition(backend) {
        let objects = models::create(&backend).await;
        let expected = create_text(&objects, "text1").await;
        let deleted = create_text(&objects, "text2").await;
        objects.execute(TestModel::delete().filter(TestModel::TEXT.eq("text2"))).await.unwrap();
        assert_eq!(objects.get_or_none(TestModel::by_key(expected.id)).await.unwrap(), Some(expected));
        assert_eq!(objects.get_or_none(TestModel::by_key(deleted.id)).await.unwrap(), None);
    }

    async fn test_delete__return_model(backend) {
        let objects = models::create(&backend).await;
        let m = create_text(&objects, "text").await;
        let res = objects.execute(TestModel::delete().returning()).await.unwrap();
        assert_eq!(res, [m]);
        assert_eq!(objects.count(TestModel::select()).await.unwrap(), 0);
    }

    async fn test_insert_many(backend) {
        let objects = models::create(&backend).await;
        let rows = [[TestModel::TEXT.set("Test 1")], [TestModel::TEXT.set("Test 2")]];
        let last_ids = objects.execute(TestModel::insert_many(rows)).await.unwrap();
        let res = objects.execute(TestModel::select().order_by(TestModel::ID.asc())).await.unwrap();
        assert_eq!(res.iter().map(|obj| &*obj.text).collect::<Vec<_>>(), ["Test 1", "Test 2"]);
        assert_eq!(last_ids, [res[0].id, res[1].id]);
    }

    async fn test_insert__return_id(backend) {
        let objects = models::create(&backend).await;
        let last_id = objects.execute(TestModel::insert([TestModel::TEXT.set("Test 1")])).await.unwrap();
        assert_eq!(objects.get(TestModel::by_key(last_id)).await.unwrap().text, "Test 1");
    }

    async fn test_insert_on_conflict_ignore__last_id_is_none(backend) {
        let objects = models::create(&backend).await;
        let insert = || TestModel::insert([TestModel::TEXT.set("text")]).on_conflict_ignore();
        assert!(objects.execute(insert()).await.unwrap().is_some());
        assert_eq!(objects.execute(insert()).await.unwrap(), None);
    }

    async fn test_insert_on_conflict_ignore__return_model(backend) {
        let objects = models::create(&backend).await;
        let values = [TestModel::TEXT.set("text"), TestModel::DATA.set("data")];
        let insert = TestModel::insert(values).on_conflict_ignore().returning();
        let res = objects.execute(insert).await.unwrap().unwrap();
        assert_eq!((&*res.text, &*res.data), ("text", "data"));
    }

    async fn test_insert_on_conflict_ignore__inserted_once(backend) {
        let objects = models::create(&backend).await;
        let insert = || TestModel::insert([TestModel::TEXT.set("text")]).on_conflict_ignore();
        objects.execute(insert()).await.unwrap();
        objects.execute(insert()).await.unwrap();
        assert_eq!(objects.count(TestModel::select()).await.unwrap(), 1);
    }

    async fn test_insert__uuid_pk(backend) {
        let objects = models::create(&backend).await;
        let last_id: Uuid = objects.execute(UUIDTestModel::insert([UUIDTestModel::TEXT.set("Test 1")])).await.unwrap();
        assert_eq!(objects.get(UUIDTestModel::by_key(last_id)).await.unwrap().text, "Test 1");
    }

    async fn test_insert__return_model(backend) {
        let objects = models::create(&backend).await;
        let values = [TestModel::TEXT.set("text"), TestModel::DATA.set("data")];
        let inserted = objects.execute(TestModel::insert(values).returning()).await.unwrap();
        assert_eq!((&*inserted.text, &*inserted.data), ("text", "data"));
        assert_eq!(objects.get(TestModel::by_key(inserted.id)).await.unwrap(), inserted);
    }

    async fn test_insert_many__return_model(backend) {
        let objects = models::create(&backend).await;
        let rows = ["text1", "text2"].map(|text| [TestModel::TEXT.set(text), TestModel::DATA.set("data")]);
        let inserted = objects.execute(TestModel::insert_many(rows).returning()).await.unwrap();
        assert_eq!(inserted.iter().map(|obj| &*obj.text).collect::<Vec<_>>(), ["text1", "text2"]);
        assert_eq!(objects.execute(TestModel::select().order_by(TestModel::ID.asc())).await.unwrap(), inserted);
    }

    async fn test_update__count(backend) {
        let objects = models::create(&backend).await;
        for text in ["Test 1", "Test 2", "Test 3"] {
            create_text(&objects, text).await;
        }
        assert_eq!(objects.execute(TestModel::update([TestModel::DATA.set("new_data")])).await.unwrap(), 3);
    }

    async fn test_update__field_updated(backend) {
        let objects = models::create(&backend).await;
        let obj1 = create_text(&objects, "Test 1").await;
        create_text(&objects, "Test 2").await;
        let update = TestModel::update([TestModel::TEXT.set("Test update query")]).filter(TestModel::ID.eq(obj1.id));
        objects.execute(update).await.unwrap();
        assert_eq!(objects.get(TestModel::by_key(obj1.id)).await.unwrap().text, "Test update query");
    }

    async fn test_update__returning_model(backend) {
        let objects = models::create(&backend).await;
        create_text(&objects, "text1").await;
        create_text(&objects, "text2").await;
        let update = TestModel::update([TestModel::DATA.set("new_data")]).filter(TestModel::DATA.eq(""));
        let mut models = objects.execute(update.returning()).await.unwrap();
        models.sort_by_key(|model| model.id);
        assert_eq!(models.iter().map(|model| &*model.text).collect::<Vec<_>>(), ["text1", "text2"]);
        assert!(models.iter().all(|model| model.data == "new_data"));
    }
}
