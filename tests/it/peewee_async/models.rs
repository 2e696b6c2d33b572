//! The models of the ported tests.

use nestling::{ForeignKey, Manager, Model, create_tables};
use uuid::Uuid;

use crate::harness::Backend;

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "testmodel")]
pub(super) struct TestModel {
    pub(super) id: i64,
    #[model(unique, max_length = 100)]
    pub(super) text: String,
    #[model(max_length = 100, default = String::new())]
    pub(super) data: String,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "alpha")]
pub(super) struct TestModelAlpha {
    pub(super) id: i64,
    #[model(max_length = 100)]
    pub(super) text: String,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "beta")]
pub(super) struct TestModelBeta {
    pub(super) id: i64,
    #[model(backref = "betas")]
    pub(super) alpha: ForeignKey<TestModelAlpha>,
    #[model(max_length = 100)]
    pub(super) text: String,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "gamma")]
pub(super) struct TestModelGamma {
    pub(super) id: i64,
    #[model(max_length = 100)]
    pub(super) text: String,
    pub(super) beta: ForeignKey<TestModelBeta>,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "uuidtestmodel")]
pub(super) struct UUIDTestModel {
    #[model(default = Uuid::new_v4())]
    pub(super) id: Uuid,
    #[model(max_length = 100)]
    pub(super) text: String,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "compositetestmodel")]
pub(super) struct CompositeTestModel {
    #[model(primary_key)]
    pub(super) task_id: i64,
    #[model(primary_key, max_length = 100)]
    pub(super) product_type: String,
}

/// The tables, and a manager of the database under test.
pub(super) async fn create(backend: &Backend) -> Manager {
    let tables = [
        TestModel::TABLE,
        TestModelAlpha::TABLE,
        TestModelBeta::TABLE,
        TestModelGamma::TABLE,
        UUIDTestModel::TABLE,
        CompositeTestModel::TABLE,
    ];
    create_tables(backend.observer(), &tables).await.expect("the tables of the tests");
    Manager::new(backend.db.clone())
}

pub(super) async fn create_text(objects: &Manager, text: &str) -> TestModel {
    objects.create([TestModel::TEXT.set(text)]).await.expect("a row")
}
