//! `#[derive(FromRow)]`: columns that are documents, that are converted, that may be missing, several that are a struct of their
//! own, and structs whose fields have no names.

use std::{error::Error as _, num::TryFromIntError};

use nestling::{ErrorKind, FromRow, Model, create_tables, params, raw};

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "author")]
struct Author {
    id: i64,
    #[model(max_length = 40)]
    name: String,
}

#[derive(Debug, PartialEq, FromRow)]
struct Size {
    width: i64,
    height: i64,
}

#[derive(Debug, PartialEq)]
struct Even(i64);

impl TryFrom<i64> for Even {
    type Error = &'static str;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        if number % 2 == 0 { Ok(Self(number)) } else { Err("an odd number") }
    }
}

#[derive(Debug, PartialEq, FromRow)]
#[from_row(rename_all = "camelCase")]
struct Picture {
    file_name: String,
    #[from_row(flatten)]
    size: Size,
    #[from_row(json)]
    tags: Vec<String>,
    #[from_row(json)]
    extra: Option<Vec<i64>>,
    #[from_row(try_from = "i64")]
    even: Even,
    #[from_row(try_from = "i64", rename = "pages", default = 9)]
    page_count: u8,
    #[from_row(default)]
    note: Option<String>,
    #[from_row(skip)]
    cache: Vec<u8>,
    #[from_row(skip, default = 7)]
    version: i32,
}

#[derive(Debug, PartialEq, FromRow)]
struct Pair(String, #[from_row(skip)] bool, #[from_row(try_from = "i64")] u8, #[from_row(default)] Option<i64>);

#[derive(Debug, PartialEq, FromRow)]
struct Id(i64);

/// The columns in the order of the fields; and all of them.
const ALL: &str = r#"select 'a.png' as {n}, '["x"]' as tags, null as extra, 4 as even, 3 as pages, 'hi' as note,
    30 as width, 20 as height"#;
/// In another order, without what may be missing.
const SOME: &str = r#"select 20 as height, 30 as width, 4 as even, '[1]' as extra, '["x"]' as tags, 'a.png' as {n}"#;

fn picture() -> Picture {
    Picture {
        file_name: "a.png".into(),
        size: Size { width: 30, height: 20 },
        tags: vec!["x".into()],
        extra: None,
        even: Even(4),
        page_count: 3,
        note: Some("hi".into()),
        cache: Vec::new(),
        version: 7,
    }
}

test_on! { every_backend;

/// rule 73
async fn a_struct_is_read_from_whatever_its_fields_say(backend) {
    let named = |sql: &str| sql.replace("{n}", backend.choose("\"fileName\"", "fileName", "fileName"));
    let by_position: Picture = raw(named(ALL), ()).one(&backend.db).await.unwrap();
    assert_eq!(by_position, picture());
    let by_name: Picture = raw(named(SOME), ()).one(&backend.db).await.unwrap();
    assert_eq!(by_name, Picture { extra: Some(vec![1]), page_count: 9, note: None, ..picture() });
}

/// rule 73
async fn a_struct_without_names_is_read_by_position(backend) {
    let pair: Pair = raw("select 'a', 5, null", ()).one(&backend.db).await.unwrap();
    assert_eq!(pair, Pair("a".into(), false, 5, None));
    let short: Pair = raw("select 'a', 5", ()).one(&backend.db).await.unwrap();
    assert_eq!(short, pair);
    let ids: Vec<Id> = raw("select 1 union all select 2 order by 1", ()).all(&backend.db).await.unwrap();
    assert_eq!(ids, [Id(1), Id(2)]);
}

/// rule 73
async fn a_conversion_that_fails_names_the_column_and_not_the_value(backend) {
    let db = &backend.db;
    let error = raw::<Pair>("select 'a', 12800 * 2 as size", ()).one(db).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.source().is_some_and(|source| source.is::<TryFromIntError>()), "{error:?}");
    assert!(error.to_string().contains("cannot be read as u8: its `TryFrom` has refused the value"), "{error}");
    assert!(!format!("{error:?}").contains("25600"), "{error:?}");
    let null = raw::<Pair>("select 'a', cast(null as char(1))", ()).one(db).await.unwrap_err();
    assert_eq!(null.kind(), ErrorKind::Decode);
    let missing = raw::<Size>("select 1 as width", ()).one(db).await.unwrap_err();
    assert!(missing.to_string().contains("no column height"), "{missing}");
}

/// rule 73
async fn a_model_is_part_of_a_row(backend) {
    #[derive(Debug, PartialEq, FromRow)]
    struct Line {
        #[from_row(flatten)]
        author: Author,
        books: i64,
    }
    let db = &backend.db;
    create_tables(db, &[Author::TABLE]).await.unwrap();
    db.execute("insert into author (name) values ('ann')", params![]).await.unwrap();
    let line: Line = raw("select author.*, 3 as books from author", ()).one(db).await.unwrap();
    assert_eq!(line, Line { author: Author { id: 1, name: "ann".into() }, books: 3 });
}

}
