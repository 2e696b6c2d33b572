//! A type that no column can have.

use nestling::Model;

struct Unknown;

#[derive(Model)]
struct User {
    id: i64,
    what: Unknown,
}

fn main() {}
