//! What is wrong with the attributes alone.

use nestling::{ForeignKey, FromRow, Model, model::TextEnum};

#[derive(Model)]
#[model(tabel = "user")]
struct UnknownKey {
    id: i64,
}

#[derive(Model)]
#[model(table = "user", table = "users")]
struct KeyTwice {
    id: i64,
}

#[derive(Model)]
#[model(table)]
struct NoTable {
    id: i64,
}

#[derive(Model)]
#[model(rename_all = "Snake")]
struct UnknownCase {
    id: i64,
}

#[derive(Model)]
#[model(unique(name, first), index)]
struct UnknownField {
    id: i64,
    name: String,
}

#[derive(Model)]
#[model(index(name, nam, name))]
struct OddIndex {
    id: i64,
    name: String,
}

#[derive(Model)]
struct NoKey {
    name: String,
}

#[derive(Model)]
struct Fields {
    id: i64,
    #[model(uniqe)]
    a: String,
    #[model(max_length = "5")]
    b: String,
    #[model(max_length = 0)]
    c: String,
    #[model(unique = 1)]
    d: String,
    #[model(default_sql = now())]
    e: String,
    #[model(rename = "")]
    f: String,
    #[model(backref = "films")]
    g: i64,
    #[model(backref = "two words")]
    h: ForeignKey<NoKey>,
    #[model(on_delete = "cascades")]
    i: ForeignKey<NoKey>,
    #[model(on_update = Cascade)]
    j: ForeignKey<NoKey>,
    #[model(index, index)]
    k: i64,
}

#[derive(Model)]
struct OneColumn {
    id: i64,
    #[model(rename = "label")]
    name: String,
    label: String,
    boss: Option<ForeignKey<NoKey>>,
    boss_id: i64,
    A: i64,
    a: i64,
}

#[derive(Model)]
struct Auto {
    #[model(primary_key, auto)]
    one: i64,
    #[model(primary_key)]
    other: i64,
    #[model(auto = false)]
    third: i64,
}

#[derive(Model)]
struct AutoDefault {
    #[model(auto, default = 5)]
    id: i64,
}

#[derive(Model)]
struct Generic<T> {
    id: T,
}

#[derive(Model)]
struct Tuple(i64);

#[derive(Model)]
enum Enum {
    A,
}

#[derive(FromRow)]
struct Borrowed<'a> {
    #[from_row(rename = "x")]
    name: &'a str,
}

#[derive(FromRow)]
struct Renamed {
    #[from_row(name = "x")]
    name: String,
}

#[derive(TextEnum)]
enum Full {
    A,
    B(i64),
    #[text_enum(rename = "A")]
    C,
    #[text_enum(text = "A")]
    D,
}

#[derive(TextEnum)]
enum Empty {}

#[derive(TextEnum)]
struct Struct;

fn main() {}
