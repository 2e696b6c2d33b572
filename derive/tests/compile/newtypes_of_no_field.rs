//! A newtype of what no column can have, and a discriminant that its column cannot hold.

use nestling::model::{Field, IntEnum};

struct Unknown;

#[derive(Field)]
struct Wrapped(Unknown);

#[derive(IntEnum)]
enum Far {
    A = 3_000_000_000,
}

fn main() {}
