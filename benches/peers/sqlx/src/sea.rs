//! SeaORM on PostgreSQL: entities, active models, nested `begin`. By default a connection is tested by a round trip
//! whenever it is borrowed, as it is sqlx's pool.

use agent::{BoxFuture, Job, Peer, Refused, Result, Setup, Wide, anyhow};
use futures_util::future::try_join_all;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection,
    DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
    sea_query::Expr,
};

use crate::NOTE;

mod account {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "account")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub balance: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod entry {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "entry")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub account: i64,
        pub amount: i64,
        pub note: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod wide {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "wide")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub account: i64,
        pub name: String,
        pub note: Option<String>,
        pub amount: i64,
        #[sea_orm(column_type = "Double")]
        pub ratio: f64,
        pub code: i32,
        pub active: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) struct SeaOrm(DatabaseConnection);

async fn write(on: &impl ConnectionTrait, job: Job) -> Result<()> {
    let row = entry::ActiveModel {
        account: Set(job.key),
        amount: Set(job.task as i64),
        note: Set(NOTE.to_owned()),
        ..Default::default()
    };
    row.insert(on).await?;
    Ok(())
}

async fn balance(on: &impl ConnectionTrait, key: i64) -> Result<i64> {
    let found = account::Entity::find_by_id(key).one(on).await?;
    Ok(found.ok_or_else(|| anyhow!("there is no account {key}"))?.balance)
}

fn level(outer: &DatabaseTransaction, job: Job, left: u32) -> BoxFuture<'_, Result<()>> {
    Box::pin(async move {
        let savepoint = outer.begin().await?;
        write(&savepoint, job).await?;
        if left > 1 {
            level(&savepoint, job, left - 1).await?;
        }
        Ok(savepoint.commit().await?)
    })
}

fn hollow(outer: &DatabaseTransaction, left: u32) -> BoxFuture<'_, Result<()>> {
    Box::pin(async move {
        let savepoint = outer.begin().await?;
        if left > 1 {
            hollow(&savepoint, left - 1).await?;
        }
        Ok(savepoint.commit().await?)
    })
}

async fn innermost(outer: &DatabaseTransaction, job: Job) -> Result<()> {
    let savepoint = outer.begin().await?;
    write(&savepoint, job).await?;
    savepoint.rollback().await?;
    Err(anyhow::Error::new(Refused))
}

impl Peer for SeaOrm {
    async fn open(setup: &Setup) -> Result<Self> {
        let mut options = ConnectOptions::new(&setup.url);
        options.max_connections(setup.connections as u32).test_before_acquire(setup.defaults).sqlx_logging(false);
        Ok(Self(Database::connect(options).await?))
    }

    async fn select(&self, job: Job) -> Result<i64> {
        balance(&self.0, job.key).await
    }

    async fn insert(&self, job: Job) -> Result<()> {
        let transaction = self.0.begin().await?;
        write(&transaction, job).await?;
        Ok(transaction.commit().await?)
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        let transaction = self.0.begin().await?;
        let first = balance(&transaction, job.key).await?;
        let second = balance(&transaction, job.key_after(1)).await?;
        let grow = account::Entity::update_many()
            .col_expr(account::Column::Balance, Expr::col(account::Column::Balance).add(1))
            .filter(account::Column::Id.eq(job.key));
        grow.exec(&transaction).await?;
        write(&transaction, job).await?;
        transaction.commit().await?;
        Ok([first, second])
    }

    async fn nested(&self, job: Job, depth: u32) -> Result<()> {
        let transaction = self.0.begin().await?;
        level(&transaction, job, depth).await?;
        Ok(transaction.commit().await?)
    }

    async fn siblings(&self, job: Job, count: u32) -> Result<()> {
        let transaction = self.0.begin().await?;
        for _ in 0..count {
            level(&transaction, job, 1).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn empty(&self, _: Job, depth: u32) -> Result<()> {
        let transaction = self.0.begin().await?;
        hollow(&transaction, depth).await?;
        Ok(transaction.commit().await?)
    }

    async fn joined(&self, job: Job) -> Result<[i64; 4]> {
        let transaction = self.0.begin().await?;
        let balances = try_join_all(job.four_keys().map(|key| balance(&transaction, key))).await?;
        transaction.commit().await?;
        balances.try_into().map_err(|_| anyhow!("four were asked for"))
    }

    async fn caught(&self, job: Job) -> Result<()> {
        let transaction = self.0.begin().await?;
        write(&transaction, job).await?;
        let middle = transaction.begin().await?;
        write(&middle, job).await?;
        match innermost(&middle, job).await {
            Err(error) if error.is::<Refused>() => {}
            other => other?,
        }
        middle.commit().await?;
        Ok(transaction.commit().await?)
    }

    async fn read(&self, _: Job, rows: i64) -> Result<Vec<Wide>> {
        let found = wide::Entity::find().order_by_asc(wide::Column::Id).limit(rows as u64).all(&self.0).await?;
        Ok(found.into_iter().map(Wide::from).collect())
    }
}

impl From<wide::Model> for Wide {
    fn from(row: wide::Model) -> Self {
        let wide::Model { id, account, name, note, amount, ratio, code, active } = row;
        Self { id, account, name, note, amount, ratio, code, active }
    }
}
