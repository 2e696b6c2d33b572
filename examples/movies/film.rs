//! A film as the data file has it. Nothing is judged here: what is missing or cannot be read becomes NULL, and the
//! database decides whether it takes that.

use std::{error::Error, fs, path::Path};

use chrono::NaiveDate;
use serde_json::Value;

/// One row of the data file.
pub(crate) struct Film {
    /// Counted from 1.
    pub(crate) row: usize,
    pub(crate) title: Option<String>,
    pub(crate) release_date: Option<NaiveDate>,
    /// The release date as the file has it, for people to read.
    pub(crate) released: Option<String>,
    pub(crate) director: Option<String>,
    pub(crate) distributor: Option<String>,
    pub(crate) worldwide_gross: Option<i64>,
    pub(crate) us_gross: Option<i64>,
    pub(crate) production_budget: Option<i64>,
    pub(crate) running_time_min: Option<i64>,
    pub(crate) mpaa_rating: Option<String>,
    pub(crate) imdb_rating: Option<f64>,
    pub(crate) imdb_votes: Option<i64>,
}

/// Reads a file that holds one JSON array of films.
///
/// # Errors
///
/// If the file cannot be read, or is no JSON array.
pub(crate) fn read(path: &Path) -> Result<Vec<Film>, Box<dyn Error>> {
    let json = fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let rows: Vec<Value> = serde_json::from_slice(&json)
        .map_err(|error| format!("{} does not hold a JSON array of films: {error}", path.display()))?;
    Ok((1..).zip(&rows).map(|(row, fields)| Film::new(row, fields)).collect())
}

impl Film {
    fn new(row: usize, fields: &Value) -> Self {
        let text = |name: &str| text(&fields[name]);
        let whole = |name: &str| fields[name].as_i64();
        let released = text("Release Date");
        Self {
            row,
            title: text("Title"),
            release_date: released.as_deref().and_then(date),
            released,
            director: text("Director"),
            distributor: text("Distributor"),
            worldwide_gross: whole("Worldwide Gross"),
            us_gross: whole("US Gross"),
            production_budget: whole("Production Budget"),
            running_time_min: whole("Running Time min"),
            mpaa_rating: text("MPAA Rating"),
            imdb_rating: fields["IMDB Rating"].as_f64(),
            imdb_votes: whole("IMDB Votes"),
        }
    }
}

/// A text, or a number as the text that was meant: the films "300" and "1408" stand as numbers in the file.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A date like "Jun 12 1998".
fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%b %d %Y").ok()
}
