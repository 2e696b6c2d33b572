//! What can be asked of the films once they are in: the directors who made most of them, and a few figures.

use nestling::{Error, Manager, Model as _, model::Prefetched, query::functions::coalesce};

use crate::{
    schema::{Director, Movie},
    table::{Align, Column, Table},
    text::grouped,
};

/// How many directors are listed.
const DIRECTORS: u64 = 5;

/// How many of a director's films are named; the others are counted.
const TITLES: usize = 3;

/// What was asked, and answered.
pub(crate) struct Top {
    /// The directors who made most films, and their films by how much they earned.
    directors: Vec<Prefetched<Director, Vec<Movie>>>,
    without_director: u64,
    worldwide_gross: Option<i64>,
    best_rating: Option<f64>,
}

impl Top {
    /// Asks the database: a query for the directors and one for their films, however many there are.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) async fn ask(objects: &Manager) -> Result<Self, Error> {
        let busiest = Director::select()
            .join(Movie::DIRECTOR)
            .group_by((Director::ID, Director::NAME))
            .order_by(Movie::ID.count().desc())
            .order_by(Director::NAME.asc())
            .limit(DIRECTORS);
        // NULL comes first on one database and last on another.
        let films = Movie::select().order_by(coalesce(Movie::WORLDWIDE_GROSS, 0).desc()).order_by(Movie::TITLE.asc());
        Ok(Self {
            directors: objects.prefetch(busiest, Movie::DIRECTOR.children(films)).await?,
            without_director: objects.count(Movie::select().filter(Movie::DIRECTOR.is_null())).await?,
            worldwide_gross: objects.scalar(Movie::select().columns(Movie::WORLDWIDE_GROSS.sum())).await?.flatten(),
            best_rating: objects.scalar(Movie::select().columns(Movie::IMDB_RATING.max())).await?.flatten(),
        })
    }

    pub(crate) fn for_people(&self) -> String {
        let Self { directors, without_director, worldwide_gross, best_rating } = self;
        let mut table = Table::new([
            Column { head: "director", align: Align::Left, widest: 24 },
            Column { head: "films", align: Align::Right, widest: 6 },
            Column { head: "those that earned most", align: Align::Left, widest: 88 },
        ]);
        for director in directors {
            // NULL comes first on one database and last on another.
            let films = &director.children;
            let titles: Vec<&str> = films.iter().take(TITLES).map(|film| &*film.title).collect();
            table.push([&director.name, &films.len().to_string(), &titles.join(" · ")]);
        }
        let gross = worldwide_gross.map_or(0, i64::unsigned_abs);
        format!(
            "\n{}\n  {} films have no director; all films together earned {} $; the best is rated {:.1}.\n",
            table.render(),
            grouped(*without_director),
            grouped(gross),
            best_rating.unwrap_or_default(),
        )
    }
}
