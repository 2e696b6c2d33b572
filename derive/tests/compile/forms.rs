//! Forms of values that the type of a field does not have.

use nestling::Model;

#[derive(Model)]
struct Forms {
    id: i64,
    #[model(stored = "bytes")]
    a: i64,
    #[model(stored = "rfc3339")]
    b: Option<String>,
}

fn main() {}
