//! What is no parameter, no model, no condition; and a row that is read as nothing in particular.

use std::time::Duration;

use nestling::{Error, ForeignKey, Model, Row, params};

struct NotAModel;

struct Unknown;

#[derive(Model)]
struct Movie {
    id: i64,
    seen: bool,
}

fn parameters() {
    let _ = params![Duration::from_secs(1)];
    let _ = params![1, Unknown];
}

fn reference(_: ForeignKey<NotAModel>) {}

fn conditions() {
    let _ = Movie::select().filter(Movie::SEEN.eq(true) || Movie::ID.eq(1));
}

fn untyped(row: &Row) -> Result<(), Error> {
    row.get(0)?;
    Ok(())
}

fn main() {}
