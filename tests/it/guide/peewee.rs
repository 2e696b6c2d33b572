//! What the page about peewee-async shows: its models, and the tables that they are in.

mod blocks;
mod databases;
mod manager;

use nestling::{Database, ForeignKey, Manager, Model, Result, create_tables};

#[derive(Debug, Clone, PartialEq, Model)]
struct User {
    id: i64,
    #[model(unique, max_length = 100)]
    username: String,
    #[model(default = true)]
    active: bool,
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Director {
    id: i64,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Movie {
    id: i64,
    title: String,
    director: ForeignKey<Director>,
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Award {
    id: i64,
    name: String,
    movie: ForeignKey<Movie>,
}

/// A manager whose tables are there: no users, one director with two films, one of them with an award.
async fn manager() -> Result<Manager> {
    let objects = Manager::new(Database::open("sqlite::memory:")?);
    create_tables(objects.database(), &[User::TABLE, Director::TABLE, Movie::TABLE, Award::TABLE]).await?;
    let varda: Director = objects.create([Director::NAME.set("Varda")]).await?;
    let titles = ["Cléo", "Vagabond"].map(|title| [Movie::TITLE.set(title), Movie::DIRECTOR.set(&varda)]);
    objects.execute(Movie::insert_many(titles)).await?;
    let vagabond: Movie = objects.get(Movie::TITLE.eq("Vagabond")).await?;
    objects.create([Award::NAME.set("Golden Lion"), Award::MOVIE.set(&vagabond)]).await?;
    Ok(objects)
}
