//! Comparisons and assignments of another type than the column's.

use nestling::{ForeignKey, Model, model::TextEnum};

#[derive(TextEnum)]
enum State {
    New,
}

#[derive(Model)]
struct User {
    id: i64,
    name: String,
    state: State,
}

#[derive(Model)]
struct Movie {
    id: i64,
    director: ForeignKey<User>,
}

fn main() {
    let movie = Movie { id: 1, director: ForeignKey::new(1) };
    let _ = User::ID.eq("x");
    let _ = User::NAME.eq(5);
    let _ = User::NAME.set(None::<String>);
    let _ = User::STATE.eq("new");
    let _ = User::ID.in_(["a", "b"]);
    let _ = Movie::DIRECTOR.eq(&movie);
    let _ = User::NAME.eq(User::ID);
    let _ = Movie::select().filter(Movie::ID);
}
