//! The derive macros of `nestling`. Use them through that crate, which has them beside the traits of the same names.

mod attributes;
mod case;
mod field;
mod from_row;
mod model;
mod output;
mod table;
mod text_enum;

use proc_macro::TokenStream;
use syn::{DeriveInput, Result, parse_macro_input};

/// Makes a struct the model of a table.
///
/// It implements `Model` and `FromRow`, and makes a constant for each field: the column `User::USERNAME` of the field
/// `username`, as visible as the field is. The type of a field is any that implements `Field`; an `Option` is a column that
/// may be NULL, `ForeignKey<M>` a foreign key, `Json<T>` a JSON document of any type of serde, and an enum with
/// `#[derive(TextEnum)]` text.
///
/// # The primary key
/// A field called `id` is the primary key, unless other fields say `primary_key`. Several that say so, up to four, are a key
/// of several columns, and `Model::Key` is the tuple of their types. A single key that is an integer, is no `ForeignKey` and
/// has no default is given its numbers by the database, unless it says `auto = false`.
///
/// # Attributes of the struct
/// | `#[model(…)]` | |
/// |---|---|
/// | `table = "users"` | The name of the table. Defaults to the name of the struct in snake case. |
/// | `schema = "app"` | The schema of the table; on MySQL the database. Defaults to what the connection has. |
/// | `unique(first, last)` | No two rows are equal in all of these fields. May be given several times. |
/// | `index(last, first)` | An index on these fields. May be given several times. |
/// | `rename_all = "camelCase"` | How columns are called: `lowercase`, `UPPERCASE`, `PascalCase`, `camelCase`, `snake_case`, `SCREAMING_SNAKE_CASE`, `kebab-case`, `SCREAMING-KEBAB-CASE`. |
/// | `crate = "path"` | Where the crate `nestling` is, if it goes by another name. |
///
/// # Attributes of a field
/// | `#[model(…)]` | |
/// |---|---|
/// | `primary_key` | The field is the primary key, or part of it. |
/// | `auto`, `auto = false` | Whether the database gives numbers to the key. |
/// | `unique`, `index` | No two rows are equal in it; it has an index. |
/// | `max_length = 100` | How many characters its text may have. |
/// | `default = expression` | What a new row gets that is not given a value: an expression of Rust, run for each such row. Without `= …` it is that of `Default`. |
/// | `default_sql = "now()"` | The default that the table has. |
/// | `check = "age > 0"` | What must hold for every row, as SQL. |
/// | `rename = "user_name"` | The name of the column. Defaults to that of the field, and to `director_id` for a foreign key called `director`. |
/// | `on_delete = "cascade"`, `on_update = …` | What a foreign key does when the row goes that it refers to, or changes its key: `cascade`, `set null`, `set default`, `restrict`, `no action`. |
/// | `backref = "films"` | Gives the model that the foreign key refers to, which is of the same crate, a method of this name: a select of the rows that refer to a row. |
///
/// What the macro cannot see behind the name of a type (an alias of `ForeignKey<M>`) works, except that the column is not
/// called `…_id` and has no `backref`. A field called `table` takes the name `TABLE`: its table is `<User as Model>::TABLE`.
///
/// # Examples
/// ```
/// use nestling::{Dialect, ForeignKey, Json, Model, Query, TextEnum, create_statements};
///
/// #[derive(Debug, Model)]
/// #[model(table = "directors")]
/// struct Director {
///     id: i64,
///     #[model(unique, max_length = 100)]
///     name: String,
/// }
///
/// #[derive(Debug, TextEnum)]
/// enum State {
///     Planned,
///     Released,
/// }
///
/// #[derive(Debug, Model)]
/// #[model(unique(title, year))]
/// struct Movie {
///     id: i64,
///     #[model(index)]
///     title: String,
///     #[model(check = "year > 1890")]
///     year: i16,
///     #[model(default = State::Planned)]
///     state: State,
///     #[model(on_delete = "cascade", backref = "films")]
///     director: ForeignKey<Director>,
///     sequel_of: Option<ForeignKey<Movie>>,
///     tags: Json<Vec<String>>,
/// }
///
/// let query = Movie::select().filter(Movie::TITLE.eq("Ran") & Movie::YEAR.gt(1980));
/// let (sql, _params) = query.columns(Movie::ID).sql(Dialect::Postgres)?;
/// assert_eq!(sql, r#"SELECT "movie"."id" FROM "movie" WHERE "movie"."title" = $1 AND "movie"."year" > $2"#);
///
/// let kurosawa = Director { id: 1, name: "Kurosawa".into() };
/// let films = kurosawa.films().columns(Movie::TITLE);
/// assert!(films.sql(Dialect::Sqlite)?.0.ends_with(r#"WHERE "movie"."director_id" = ?"#));
///
/// let tables = create_statements(Dialect::Sqlite, &[Movie::TABLE, Director::TABLE])?;
/// assert!(tables[0].starts_with(r#"CREATE TABLE IF NOT EXISTS "directors""#));
/// # Ok::<_, nestling::Error>(())
/// ```
///
/// Mistakes are told where they stand:
/// ```compile_fail
/// #[derive(nestling::Model)]
/// struct User {
///     id: i64,
///     #[model(uniqe)]
///     name: String,
/// }
/// ```
#[proc_macro_derive(Model, attributes(model))]
pub fn model(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input), |input| Ok(model::Model::read(input)?.output()))
}

/// Makes a struct one that is read from a row, by the names of its columns.
///
/// The columns may be in any order, and there may be more of them. One that is missing is an error of kind `Decode` that
/// names it. The type of a field is any that implements `FromCell`. Models need no such derive: theirs does the same.
///
/// # Attributes
/// | `#[from_row(…)]` | |
/// |---|---|
/// | `rename = "count(*)"` | On a field: the name of its column. Defaults to that of the field. |
/// | `rename_all = "camelCase"` | On the struct: how columns are called, in one of the cases that `#[derive(Model)]` has. |
/// | `crate = "path"` | On the struct: where the crate `nestling` is, if it goes by another name. |
///
/// # Examples
/// ```
/// use nestling::{Database, FromRow, params};
///
/// #[derive(Debug, FromRow)]
/// struct Line {
///     name: String,
///     #[from_row(rename = "count(*)")]
///     films: i64,
/// }
///
/// # async fn lines(db: &Database) -> nestling::Result<Vec<Line>> {
/// let rows = db.query("select count(*), name from movie group by name", params![]).await?;
/// rows.iter().map(|row| row.to()).collect()
/// # }
/// ```
#[proc_macro_derive(FromRow, attributes(from_row))]
pub fn from_row(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input), from_row::derive)
}

/// Makes an enum one that is stored as text.
///
/// It implements `TextEnum`, and what a field of a model and a parameter of a statement need. A text that no variant has is
/// an error of kind `Decode`, whose message tells the texts that there are. The variants have no fields.
///
/// # Attributes
/// | `#[text_enum(…)]` | |
/// |---|---|
/// | `rename = "x"` | On a variant: its text. Defaults to its name as it is written. |
/// | `rename_all = "snake_case"` | On the enum: how texts are written, in one of the cases that `#[derive(Model)]` has. |
/// | `crate = "path"` | On the enum: where the crate `nestling` is, if it goes by another name. |
///
/// # Examples
/// ```
/// use nestling::{TextEnum, Value};
///
/// #[derive(Debug, PartialEq, TextEnum)]
/// #[text_enum(rename_all = "snake_case")]
/// enum State {
///     Planned,
///     InProduction,
///     #[text_enum(rename = "out")]
///     Released,
/// }
///
/// assert_eq!(State::TEXTS, ["planned", "in_production", "out"]);
/// assert_eq!(State::from_text("out"), Some(State::Released));
/// assert_eq!(Value::from(State::InProduction), Value::from("in_production"));
/// ```
#[proc_macro_derive(TextEnum, attributes(text_enum))]
pub fn text_enum(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input), text_enum::derive)
}

fn expand(input: DeriveInput, make: impl FnOnce(DeriveInput) -> Result<proc_macro2::TokenStream>) -> TokenStream {
    make(input).unwrap_or_else(syn::Error::into_compile_error).into()
}
