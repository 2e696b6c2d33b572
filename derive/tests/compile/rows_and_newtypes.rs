//! What is wrong with structs that are read from rows, with newtypes and with enums of integers.

use nestling::{
    FromRow,
    model::{Field, IntEnum},
};

#[derive(FromRow)]
struct Keys {
    #[from_row(skip, flatten)]
    a: i64,
    #[from_row(skip, json)]
    b: i64,
    #[from_row(flatten, rename = "x")]
    c: Other,
    #[from_row(json, try_from = "i64")]
    d: i64,
    #[from_row(jsn)]
    e: i64,
}

#[derive(FromRow)]
struct Other(#[from_row(rename = "x")] i64, #[from_row(flatten)] Empty);

#[derive(FromRow)]
struct Empty;

#[derive(Field)]
struct Two(i64, i64);

#[derive(Field)]
enum Level {
    Low,
}

#[derive(IntEnum)]
#[repr(u64)]
enum Wide {
    A,
}

#[derive(IntEnum)]
enum Full {
    A(i64),
}

#[derive(IntEnum)]
enum None {}

fn main() {}
