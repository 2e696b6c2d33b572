//! What does not compile, and how it says so; and that what compiles gives no warnings, however strict its crate is.

#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic)]

/// A crate that has names of its own for what everybody imports.
pub mod strict {
    use nestling::{
        ForeignKey, FromRow, Model,
        model::{Field, IntEnum, TextEnum},
        types::Json,
    };

    /// Not the one of the prelude.
    #[derive(Debug)]
    pub struct Option;
    /// Not the one of the prelude.
    #[derive(Debug)]
    pub struct Result;
    /// Not the one of the prelude.
    #[derive(Debug)]
    pub struct Some;
    /// Not the one of the prelude.
    pub trait Clone {}
    /// Not the one of the standard library.
    pub mod std {}

    /// A state.
    #[derive(Debug, PartialEq, Eq, TextEnum)]
    #[text_enum(rename_all = "kebab-case")]
    pub enum State {
        /// Open.
        StillOpen,
        /// Closed.
        #[text_enum(rename = "over")]
        Closed,
    }

    /// A person.
    #[derive(Debug, Model)]
    #[model(table = "person", unique(r#type, name), index(name), rename_all = "camelCase")]
    pub struct Person {
        /// The key.
        pub id: i64,
        /// The name.
        #[model(max_length = 20, default = "nobody")]
        pub name: String,
        /// A keyword.
        #[model(default)]
        pub r#type: u8,
        /// The state.
        #[model(default = State::StillOpen)]
        pub state: State,
        #[model(backref = "minions")]
        boss: ::std::option::Option<ForeignKey<Self>>,
        pub(crate) notes: Json<Vec<String>>,
    }

    /// What is read of people.
    #[derive(Debug, FromRow)]
    pub struct Summary {
        /// A keyword.
        pub r#type: u8,
        /// How many.
        #[from_row(rename = "count(*)")]
        pub count: i64,
    }

    /// A row of columns that are made into something else.
    #[derive(Debug, FromRow)]
    pub struct Made {
        /// Several columns.
        #[from_row(flatten)]
        pub summary: Summary,
        /// A document or NULL.
        #[from_row(json, rename = "doc")]
        pub document: ::std::option::Option<Vec<String>>,
        /// Converted.
        #[from_row(try_from = "i64", default = 5)]
        pub year: u16,
        /// Not there.
        #[from_row(skip)]
        pub cache: Vec<u8>,
    }

    /// A row by position.
    #[derive(Debug, FromRow)]
    pub struct Pair(
        /// A number.
        pub i64,
        /// A document.
        #[from_row(json)]
        pub Vec<String>,
    );

    /// A key.
    #[derive(Debug, PartialEq, Eq, Hash, ::core::clone::Clone, Field)]
    pub struct M(i64);

    /// Levels.
    #[derive(Debug, IntEnum)]
    #[repr(i16)]
    pub enum Level {
        /// Low.
        Low = 1,
        /// High.
        High,
    }

    /// What has such fields.
    #[derive(Debug, Model)]
    pub struct Leveled {
        /// The key.
        pub id: M,
        /// The level.
        #[model(default = Level::Low)]
        pub level: Level,
    }

    #[derive(Model)]
    struct Hidden {
        #[model(primary_key)]
        one: i32,
        #[model(primary_key)]
        other: String,
    }

    /// What is made is used by nobody, and gives no warning for it.
    #[must_use]
    pub fn keys() -> (usize, usize) {
        (Person::TABLE.primary_key.len(), Hidden::TABLE.primary_key.len())
    }
}

#[test]
fn mistakes_are_told_where_they_stand() {
    trybuild::TestCases::new().compile_fail("tests/compile/*.rs");
    assert_eq!(strict::keys(), (1, 2));
}
