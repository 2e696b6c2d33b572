//! Blocking calls. There `allow_sync` switched a flag of the whole process; here it holds for its closure (rule 62).

use nestling::{Error, ErrorKind};

use super::models::{self, TestModel, create_text};

test_on! {
    every_backend;

    async fn test_allow_sync_is_reverted_for_exc(backend) {
        let objects = models::create(&backend).await;
        let obj = create_text(&objects, "Test").await;
        let ident = obj.id;
        let failed = objects.allow_sync(|sync| {
            let found: TestModel = sync.get(TestModel::ID.eq(ident))?;
            assert_eq!(found.text, "Test");
            Err::<(), Error>(sync.get::<TestModel>(TestModel::ID.eq(ident + 1)).expect_err("there is no such row"))
        });
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::NoRow);
        let refused = objects.sync().get::<TestModel>(TestModel::ID.eq(ident)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::SyncNotAllowed);
    }
}
