//! The calls of the manager.

use nestling::{Model as _, query::Select};
use uuid::Uuid;

use super::models::{self, CompositeTestModel, TestModel, UUIDTestModel, create_text};

test_on! {
    every_backend;

    async fn test_create_obj(backend) {
        let objects = models::create(&backend).await;
        let values = [TestModel::TEXT.set("Test"), TestModel::DATA.set("Data")];
        let obj = objects.create(values).await.unwrap();
        assert_eq!((&*obj.text, &*obj.data), ("Test", "Data"));
    }

    async fn test_get_and_delete_obj(backend) {
        let objects = models::create(&backend).await;
        let obj1 = create_text(&objects, "Test").await;
        let obj2: TestModel = objects.get(TestModel::ID.eq(obj1.id)).await.unwrap();
        assert_eq!(objects.delete(&obj2).await.unwrap(), 1);
        assert_eq!(objects.get_or_none::<TestModel>(TestModel::ID.eq(obj1.id)).await.unwrap(), None);
    }

    async fn test_get_and_update_obj(backend) {
        let objects = models::create(&backend).await;
        let mut obj1 = create_text(&objects, "Test").await;
        obj1.text = "Other".into();
        assert_eq!(objects.update(&obj1).await.unwrap(), 1);
        let obj2: TestModel = objects.get(TestModel::ID.eq(obj1.id)).await.unwrap();
        assert_eq!(obj2, obj1);
    }

    async fn test_update_obj(backend) {
        let objects = models::create(&backend).await;
        let mut obj = create_text(&objects, "Test update object. 1").await;
        obj.text = "Test update object. 2".into();
        objects.update(&obj).await.unwrap();
        assert_eq!(objects.get(TestModel::by_key(obj.id)).await.unwrap().text, "Test update object. 2");
    }

    async fn test_delete_obj(backend) {
        let objects = models::create(&backend).await;
        let obj1 = create_text(&objects, "Expired object").await;
        let obj2 = objects.get(TestModel::by_key(obj1.id)).await.unwrap();
        objects.delete(&obj2).await.unwrap();
        let error = objects.get(TestModel::by_key(obj1.id)).await.unwrap_err();
        assert_eq!(error.kind(), nestling::ErrorKind::NoRow);
    }

    // The second call gives back the first object, and changes nothing.
    async fn test_create_or_get(backend) {
        let objects = models::create(&backend).await;
        let values = |data: &str| [TestModel::TEXT.set("Unique title"), TestModel::DATA.set(data)];
        let (obj1, created1) = objects.create_or_get(values("Data 1")).await.unwrap();
        let (obj2, created2) = objects.create_or_get(values("Data 2")).await.unwrap();
        assert!(created1 && !created2);
        assert_eq!(obj1, obj2);
        assert_eq!((&*obj1.data, &*obj2.data), ("Data 1", "Data 1"));
    }

    async fn test_get_or_create(backend) {
        let objects = models::create(&backend).await;
        let (text, data) = (|| [TestModel::TEXT.set("Unique title")], |data: &str| [TestModel::DATA.set(data)]);
        let (obj1, created1) = objects.get_or_create(text(), data("Data 1")).await.unwrap();
        let (obj2, created2) = objects.get_or_create(text(), data("Data 2")).await.unwrap();
        assert!(created1 && !created2);
        assert_eq!(obj1, obj2);
        assert_eq!(obj2.data, "Data 1");
    }

    async fn test_create_uuid_obj(backend) {
        let objects = models::create(&backend).await;
        let obj = objects.create([UUIDTestModel::TEXT.set("Test")]).await.unwrap();
        assert!(!obj.id.is_nil());
        assert_eq!(obj.text, "Test");
    }

    // By its key, by a condition, by a query: the same object.
    async fn test_get_obj_by_id(backend) {
        let objects = models::create(&backend).await;
        let obj1 = create_text(&objects, "Test").await;
        let obj2 = objects.get(TestModel::by_key(obj1.id)).await.unwrap();
        let obj3: TestModel = objects.get(TestModel::ID.eq(obj1.id)).await.unwrap();
        let obj4 = objects.get(TestModel::select().filter(TestModel::ID.eq(obj1.id))).await.unwrap();
        assert!(obj1 == obj2 && obj1 == obj3 && obj1 == obj4);
    }

    async fn test_get_obj_by_uuid(backend) {
        let objects = models::create(&backend).await;
        let id = Uuid::new_v4();
        let obj1 = objects.create([UUIDTestModel::TEXT.set("Test")].into_iter().chain([UUIDTestModel::ID.set(id)]));
        let obj1 = obj1.await.unwrap();
        let obj2 = objects.get(UUIDTestModel::by_key(id)).await.unwrap();
        let obj3: UUIDTestModel = objects.get(UUIDTestModel::ID.eq(id)).await.unwrap();
        let obj4 = objects.get(UUIDTestModel::select().filter(UUIDTestModel::ID.eq(id))).await.unwrap();
        assert!(obj1.id == id && obj1 == obj2 && obj1 == obj3 && obj1 == obj4);
    }

    async fn test_get_or_none(backend) {
        let objects = models::create(&backend).await;
        let obj1 = create_text(&objects, "Test").await;
        let by_text = |text: &str| TestModel::TEXT.eq(text);
        assert_eq!(objects.get_or_none(by_text("Test")).await.unwrap(), Some(obj1));
        assert_eq!(objects.get_or_none::<TestModel>(by_text("unknown")).await.unwrap(), None);
    }

    async fn test_scalar_query(backend) {
        let objects = models::create(&backend).await;
        for text in ["Test 1", "Test 2", "Test 3"] {
            create_text(&objects, text).await;
        }
        let texts: Select<TestModel, String> = TestModel::select().order_by(TestModel::ID.desc()).columns(TestModel::TEXT);
        assert_eq!(objects.scalar(texts).await.unwrap().as_deref(), Some("Test 3"));
        let as_tuple = TestModel::select().order_by(TestModel::ID.asc()).columns((TestModel::TEXT, TestModel::DATA));
        assert_eq!(objects.scalar(as_tuple).await.unwrap(), Some(("Test 1".into(), String::new())));
        let empty = TestModel::select().filter(TestModel::TEXT.eq("unknown")).columns(TestModel::ID);
        assert_eq!(objects.scalar(empty).await.unwrap(), None);
    }

    async fn test_count_query(backend) {
        let objects = models::create(&backend).await;
        for number in 0..5 {
            create_text(&objects, &format!("Test {number}")).await;
        }
        assert_eq!(objects.count(TestModel::select()).await.unwrap(), 5);
    }

    async fn test_count_query_with_limit(backend) {
        let objects = models::create(&backend).await;
        for number in 0..5 {
            create_text(&objects, &format!("Test {number}")).await;
        }
        let limited = TestModel::select().limit(3);
        assert_eq!(objects.count(limited.clone()).await.unwrap(), 3);
        assert_eq!(objects.count(limited.clear_limit()).await.unwrap(), 5);
        assert_eq!(objects.count(TestModel::select().limit(0)).await.unwrap(), 0);
    }

    async fn test_composite_key(backend) {
        let objects = models::create(&backend).await;
        let obj_uuid = [CompositeTestModel::TASK_ID.set(5)];
        let obj1 = objects.create(obj_uuid.into_iter().chain([CompositeTestModel::PRODUCT_TYPE.set("boots")]));
        let obj1 = obj1.await.unwrap();
        assert_eq!((obj1.task_id, &*obj1.product_type), (5, "boots"));
        assert_eq!(obj1.key(), (5, "boots".to_owned()));
        let obj2 = objects.get(CompositeTestModel::by_key((5, "boots".to_owned()))).await.unwrap();
        assert_eq!(obj2, obj1);
    }
}
