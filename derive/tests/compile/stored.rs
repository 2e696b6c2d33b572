//! What is wrong with how a column is stored and who writes it.

use nestling::Model;

#[derive(Model)]
struct Stored {
    id: i64,
    #[model(stored = "blob")]
    a: i64,
    #[model(stored)]
    b: i64,
    #[model(generated = 5)]
    c: i64,
    #[model(generated = "")]
    d: i64,
}

#[derive(Model)]
struct Written {
    id: i64,
    #[model(read_only, default = 5)]
    a: i64,
    #[model(generated, default_sql = "5")]
    b: i64,
}

fn main() {}
