//! The three models: their tables made afresh before the import, their rows counted after it.
//!
//! The rules that films have to keep stand here and nowhere else in the program; it is the database that holds films to them.

use chrono::NaiveDate;
use nestling::{
    Database, Error, ForeignKey, Manager, Model, create_tables,
    model::{Table, drop_tables},
};

#[derive(Debug, Model)]
pub(crate) struct Director {
    pub(crate) id: i64,
    #[model(unique, max_length = 255)]
    pub(crate) name: String,
}

#[derive(Debug, Model)]
pub(crate) struct Distributor {
    pub(crate) id: i64,
    #[model(unique, max_length = 255)]
    pub(crate) name: String,
}

#[derive(Debug, Model)]
pub(crate) struct Movie {
    pub(crate) id: i64,
    #[model(max_length = 255)]
    pub(crate) title: String,
    #[model(check = "release_date <= '2012-12-31'")]
    pub(crate) release_date: NaiveDate,
    pub(crate) director: Option<ForeignKey<Director>>,
    pub(crate) distributor: Option<ForeignKey<Distributor>>,
    pub(crate) worldwide_gross: Option<i64>,
    pub(crate) us_gross: Option<i64>,
    pub(crate) production_budget: Option<i64>,
    pub(crate) running_time_min: Option<i64>,
    #[model(max_length = 16)]
    pub(crate) mpaa_rating: Option<String>,
    pub(crate) imdb_rating: Option<f64>,
    pub(crate) imdb_votes: Option<i64>,
}

const TABLES: [&Table; 3] = [Director::TABLE, Distributor::TABLE, Movie::TABLE];

/// How many rows the tables hold.
pub(crate) struct Counts {
    pub(crate) films: u64,
    pub(crate) directors: u64,
    pub(crate) distributors: u64,
}

/// Drops the tables, if they are there, and creates them empty.
///
/// # Errors
///
/// Those of connecting, and of the database.
pub(crate) async fn create(db: &Database) -> Result<(), Error> {
    drop_tables(db, &TABLES).await?;
    create_tables(db, &TABLES).await
}

/// Counts the rows of all tables.
///
/// # Errors
///
/// Those of the database.
pub(crate) async fn count(objects: &Manager) -> Result<Counts, Error> {
    Ok(Counts {
        films: objects.count(Movie::select()).await?,
        directors: objects.count(Director::select()).await?,
        distributors: objects.count(Distributor::select()).await?,
    })
}
