//! Opening a database.

use std::time::Duration;

use nestling::{
    Manager, Model, MySQLDatabase, PostgresqlDatabase, PostgresqlExtDatabase, Result, create_tables, types::HStore,
};

use crate::{harness::Backend, test_servers};

#[test]
fn postgresql() -> Result<()> {
    let db = PostgresqlDatabase::builder("postgres://me:secret@db.example.com:5432/films?sslmode=require")?
        .min_connections(1)
        .max_connections(10)
        .autoconnect(true)
        .connect_timeout(Duration::from_secs(3))
        .build()?;
    assert!(!db.is_connected()); // nothing is connected before it is needed
    Ok(())
}

#[test]
fn extended() -> Result<()> {
    let url = "postgres://db.example.com/films";

    let with_hstore = PostgresqlExtDatabase::open(url)?;
    let without = PostgresqlExtDatabase::builder(url)?.register_hstore(false).build()?;
    assert_eq!(with_hstore.dialect(), without.dialect());
    Ok(())
}

#[test]
fn mysql() -> Result<()> {
    let url = "mysql://me:secret@db.example.com:3306/films";

    let db = MySQLDatabase::builder(url)?.max_connections(10).build()?;
    let manager = Manager::new(db);
    assert!(!manager.database().is_connected());
    Ok(())
}

#[derive(Debug, PartialEq, Model)]
struct Product {
    id: i64,
    name: String,
    features: HStore,
}

async fn products(objects: &Manager) -> Result<()> {
    let features = HStore::from([("colour", Some("red")), ("size", None)]);
    let chair: Product = objects.create([Product::NAME.set("chair"), Product::FEATURES.set(features.clone())]).await?;
    assert_eq!(chair.features, features);
    assert_eq!(chair.features.get("size"), Some(None)); // the key is there, its value is NULL
    Ok(())
}

/// An extension belongs to a database, not to a schema: this test makes a database of its own.
#[tokio::test]
async fn hstore() {
    let backend = Backend::postgres().await;
    let name = format!("{}_guide", backend.name());
    backend.observer().batch(&format!("create database {name}")).await.unwrap();
    let base = test_servers::postgres_url();
    let (server, _) = base.split_once('?').unwrap_or((&base, ""));
    let (server, _) = server.rsplit_once('/').unwrap();

    let objects = Manager::new(PostgresqlExtDatabase::open(&format!("{server}/{name}")).unwrap());
    objects.database().batch("create extension hstore").await.unwrap();
    create_tables(objects.database(), &[Product::TABLE]).await.unwrap();
    products(&objects).await.unwrap();

    objects.close().await;
    backend.observer().batch(&format!("drop database {name} with (force)")).await.unwrap();
}
