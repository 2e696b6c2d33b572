//! The import: a transaction for each batch, and a savepoint for each film.
//!
//! No function is handed a transaction, and none asks whether one is open: whatever a task sends joins the block
//! that the task has open. It knows the films and the tables, and nothing of files or output but the progress.

use nestling::{Error, ForeignKey, Manager, Model as _};

use crate::{
    film::Film,
    progress::Progress,
    schema::{Director, Distributor, Movie},
};

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
    objects: &Manager,
    films: &'f [Film],
    mut progress: Progress,
) -> Result<Vec<Rejected<'f>>, Error> {
    let mut rejected = Vec::new();
    for batch in films.chunks(BATCH) {
        rejected.extend(objects.atomic(|| import_batch(objects, batch, &mut progress)).await?);
    }
    Ok(rejected)
}

/// Imports films one by one. A film that is rejected is rolled back alone; the batch goes on without it.
async fn import_batch<'f>(
    objects: &Manager,
    films: &'f [Film],
    progress: &mut Progress,
) -> Result<Vec<Rejected<'f>>, Error> {
    let mut rejected = Vec::new();
    for film in films {
        match objects.atomic(|| import_film(objects, film)).await {
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
async fn import_film(objects: &Manager, film: &Film) -> Result<(), Error> {
    let director = match &film.director {
        Some(name) => Some(director(objects, name).await?),
        None => None,
    };
    let distributor = match &film.distributor {
        Some(name) => Some(distributor(objects, name).await?),
        None => None,
    };
    let mut values = vec![
        Movie::DIRECTOR.set(director),
        Movie::DISTRIBUTOR.set(distributor),
        Movie::WORLDWIDE_GROSS.set(film.worldwide_gross),
        Movie::US_GROSS.set(film.us_gross),
        Movie::PRODUCTION_BUDGET.set(film.production_budget),
        Movie::RUNNING_TIME_MIN.set(film.running_time_min),
        Movie::MPAA_RATING.set(&film.mpaa_rating),
        Movie::IMDB_RATING.set(film.imdb_rating),
        Movie::IMDB_VOTES.set(film.imdb_votes),
    ];
    // Every film must have these. What is missing is left out, and it is the database that says so.
    values.extend(film.title.as_ref().map(|title| Movie::TITLE.set(title)));
    values.extend(film.release_date.map(|date| Movie::RELEASE_DATE.set(date)));
    objects.execute(Movie::insert(values)).await?;
    Ok(())
}

async fn director(objects: &Manager, name: &str) -> Result<ForeignKey<Director>, Error> {
    let (director, _) = objects.get_or_create([Director::NAME.set(name)], []).await?;
    Ok(ForeignKey::to(&director))
}

async fn distributor(objects: &Manager, name: &str) -> Result<ForeignKey<Distributor>, Error> {
    let (distributor, _) = objects.get_or_create([Distributor::NAME.set(name)], []).await?;
    Ok(ForeignKey::to(&distributor))
}

/// Whether the fault lies with the row: a rule of the schema forbids it. Anything else is a failure of the import.
fn breaks_a_rule(error: &Error) -> bool {
    error.is_not_null_violation()
        || error.is_check_violation()
        || error.is_unique_violation()
        || error.is_foreign_key_violation()
}
