//! What is wrong with the types of fields: only the compiler knows those.

use nestling::{ForeignKey, Model};

struct Unknown;

#[derive(Model)]
struct User {
    id: i64,
}

#[derive(Model)]
struct Lengths {
    id: i64,
    #[model(max_length = 5)]
    text: Option<String>,
    #[model(max_length = 6)]
    number: i64,
}

#[derive(Model)]
struct Numbered {
    #[model(auto)]
    id: String,
}

#[derive(Model)]
struct Maybe {
    id: Option<i64>,
}

#[derive(Model)]
struct Actions {
    id: i64,
    #[model(on_delete = "cascade")]
    number: i64,
    #[model(on_delete = "set null")]
    user: ForeignKey<User>,
}

#[derive(Model)]
struct Default {
    id: i64,
    #[model(default = 5)]
    name: String,
}

fn main() {}
