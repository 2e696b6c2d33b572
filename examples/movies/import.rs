//! The import: a transaction for each batch, a savepoint for each film, and one more for each name looked up.
//!
//! No function is handed a transaction, and none asks whether one is open: whatever a task sends joins the block
//! that the task has open. It knows the films and the tables, and nothing of files or output but the progress.

use nestling::{
    Database, Error, params,
    sea_query::{Alias, Query},
};

use crate::{film::Film, progress::Progress};

/// How many films are committed together.
const BATCH: usize = 100;

/// A film that the database did not take, and what the database said of it.
pub(crate) struct Rejected<'f> {
    pub(crate) film: &'f Film,
    pub(crate) reason: Error,
}

/// Imports all films and returns those that were rejected.
///
/// # Errors
///
/// Any failure but a rejected film. The batches before it are kept, its own is rolled back.
///
/// # Cancel safety
///
/// Dropping the future rolls back the batch that is open; the batches before it are kept.
pub(crate) async fn import<'f>(
    db: &Database,
    films: &'f [Film],
    mut progress: Progress,
) -> Result<Vec<Rejected<'f>>, Error> {
    let mut rejected = Vec::new();
    for batch in films.chunks(BATCH) {
        rejected.extend(db.atomic(|| import_batch(db, batch, &mut progress)).await?);
    }
    Ok(rejected)
}

/// Imports films one by one. A film that is rejected is rolled back alone; the batch goes on without it.
async fn import_batch<'f>(
    db: &Database,
    films: &'f [Film],
    progress: &mut Progress,
) -> Result<Vec<Rejected<'f>>, Error> {
    let mut rejected = Vec::new();
    for film in films {
        match db.atomic(|| import_film(db, film)).await {
            Ok(()) => {}
            Err(reason) if breaks_a_rule(&reason) => rejected.push(Rejected { film, reason }),
            Err(failure) => return Err(failure),
        }
        progress.advance();
        // SQLite answers on the spot, so this task never has to wait, and would look at Ctrl-C only at its end.
        tokio::task::yield_now().await;
    }
    Ok(rejected)
}

/// Inserts a film, and its director and distributor if they are new. They go with the film if it is rejected.
async fn import_film(db: &Database, film: &Film) -> Result<(), Error> {
    let director_id = match &film.director {
        Some(name) => Some(director_id(db, name).await?),
        None => None,
    };
    let distributor_id = match &film.distributor {
        Some(name) => Some(distributor_id(db, name).await?),
        None => None,
    };
    db.execute(
        "insert into movie (title, release_date, director_id, distributor_id, worldwide_gross, us_gross,
                            production_budget, running_time_min, mpaa_rating, imdb_rating, imdb_votes)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        params![
            film.title.as_deref(),
            film.release_date,
            director_id,
            distributor_id,
            film.worldwide_gross,
            film.us_gross,
            film.production_budget,
            film.running_time_min,
            film.mpaa_rating.as_deref(),
            film.imdb_rating,
            film.imdb_votes
        ],
    )
    .await?;
    Ok(())
}

async fn director_id(db: &Database, name: &str) -> Result<i64, Error> {
    find_or_insert(db, "director", name).await
}

async fn distributor_id(db: &Database, name: &str) -> Result<i64, Error> {
    find_or_insert(db, "distributor", name).await
}

/// The id of a name in a table of names. Its block makes it whole wherever it is called: on its own it would be a
/// transaction, here it is a savepoint.
async fn find_or_insert(db: &Database, table: &str, name: &str) -> Result<i64, Error> {
    db.atomic(|| async {
        let find = format!("select id from {table} where name = $1");
        if let Some(found) = db.query_opt(&find, params![name]).await? {
            return found.get("id");
        }
        // Not every database can return the id from the insert itself: a portable statement leaves that to the crate.
        let mut insert = Query::insert();
        insert.into_table(Alias::new(table)).columns(["name"]).values_panic([name.into()]).returning_col("id");
        db.run(&insert).await?.inserted_id()
    })
    .await
}

/// Whether the fault lies with the row: a rule of the schema forbids it. Anything else is a failure of the import.
fn breaks_a_rule(error: &Error) -> bool {
    error.is_not_null_violation()
        || error.is_check_violation()
        || error.is_unique_violation()
        || error.is_foreign_key_violation()
}
