//! What the derive macros say of a struct: its table, its key, its defaults, its backrefs; and how rows are read by name.

use nestling::{
    Database, ErrorKind, ForeignKey, FromRow, Model, Query as _, Value, create_tables,
    model::{Column, ColumnType, Field, ReferenceAction, TextEnum},
    params,
    types::Json,
};
use uuid::Uuid;

/// An alias does not hide what a type is.
type Boss = Option<ForeignKey<HTTPUser>>;

#[derive(Debug, Clone, PartialEq, Model)]
#[model(unique(first, r#type), index(last, first))]
struct HTTPUser {
    id: i64,
    #[model(max_length = 20, index)]
    first: String,
    #[model(rename = "surname", unique, default = "nobody", check = "surname <> ''")]
    last: String,
    #[model(default)]
    r#type: Option<i16>,
    #[model(default = 5, default_sql = "7")]
    score: Option<i64>,
    #[model(on_delete = "SET_NULL", on_update = "no action")]
    boss: Boss,
    #[model(default = Json(vec![1]))]
    tags: Json<Vec<i32>>,
    #[model(default = Uuid::from_u128(7))]
    token: Uuid,
    #[model(backref = "mentored")]
    mentor: Option<ForeignKey<Self>>,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "pairs", schema = "main", rename_all = "SCREAMING_SNAKE_CASE")]
struct Pair {
    other: bool,
    #[model(primary_key)]
    left: ForeignKey<HTTPUser>,
    #[model(primary_key)]
    right_side: String,
}

#[derive(Debug, Clone, PartialEq, Model)]
struct OneToOne {
    #[model(primary_key, backref = "extra", on_delete = "cascade")]
    user: ForeignKey<HTTPUser>,
    /// Not the constant of the table, which is `<OneToOne as Model>::TABLE`.
    table: String,
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Given {
    #[model(auto = false)]
    id: i64,
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Made {
    #[model(default = Uuid::from_u128(1))]
    id: Uuid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
#[text_enum(rename_all = "snake_case")]
enum State {
    New,
    InProgress,
    #[text_enum(rename = "")]
    Nothing,
    r#Type,
}

#[derive(Debug, PartialEq, FromRow)]
#[from_row(rename_all = "camelCase")]
struct Line {
    full_name: String,
    #[from_row(rename = "count(*)")]
    total: i64,
    r#type: Option<State>,
}

macro_rules! model {
    ($name:ident, $table:literal, $type:ty, $default:expr) => {
        #[derive(Debug, Model)]
        #[model(table = $table)]
        struct $name {
            id: i64,
            #[model(backref = "by_macro")]
            user: $type,
            #[model(default = $default)]
            name: String,
        }
    };
}

model!(ByMacro, "by a macro", Option<ForeignKey<HTTPUser>>, "x");

#[test]
fn a_macro_can_write_models() {
    assert_eq!((ByMacro::TABLE.name, ByMacro::USER.name()), ("by a macro", "user_id"));
    assert_eq!(ByMacro::default_value(2), Some(Value::from("x")));
}

#[test]
fn the_table_is_what_the_struct_says() {
    let table = HTTPUser::TABLE;
    assert_eq!((table.model, table.schema, table.name), ("HTTPUser", None, "http_user"));
    let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    // The macro sees no `ForeignKey` in an alias, and cannot know what to call its column.
    assert_eq!(names, ["id", "first", "surname", "type", "score", "boss", "tags", "token", "mentor_id"]);
    assert_eq!(table.columns[2].field, "last");
    assert_eq!(table.primary_key, [0]);
    assert_eq!(table.auto_column(), Some(0));
    let nulls: Vec<_> = table.columns.iter().map(|column| column.null).collect();
    assert_eq!(nulls, [false, false, false, true, true, true, false, false, true]);
    assert_eq!(table.columns[1].max_length, Some(20));
    assert_eq!(table.columns[2].check, Some("surname <> ''"));
    assert_eq!(table.columns[4].default_sql, Some("7"));
    assert_eq!(table.columns[5].ty, ColumnType::I64);
    let boss = table.columns[5].references.expect("a reference");
    assert_eq!((boss.table)().name, "http_user");
    assert_eq!((boss.on_delete, boss.on_update), (Some(ReferenceAction::SetNull), Some(ReferenceAction::NoAction)));
    let indexes: Vec<_> = table.indexes.iter().map(|index| (index.columns, index.unique)).collect();
    assert_eq!(indexes, [(&[1][..], false), (&[2], true), (&[1, 3], true), (&[2, 1], false)]);
}

#[test]
fn keys_are_single_or_several_numbered_or_given() {
    let pair = Pair { other: true, left: ForeignKey::new(3), right_side: "x".into() };
    assert_eq!(pair.key(), (ForeignKey::new(3), "x".to_owned()));
    assert_eq!(Pair::TABLE.primary_key, [1, 2]);
    assert_eq!((Pair::TABLE.schema, Pair::TABLE.name), (Some("main"), "pairs"));
    assert_eq!(Pair::RIGHT_SIDE.name(), "RIGHT_SIDE");
    assert_eq!(Pair::LEFT.name(), "LEFT_ID");
    for table in [Pair::TABLE, <OneToOne as Model>::TABLE, Given::TABLE, Made::TABLE] {
        assert_eq!(table.auto_column(), None, "{}", table.model);
    }
    let column: Column<OneToOne, String> = OneToOne::TABLE;
    assert_eq!(column.name(), "table");
    assert_eq!(Made { id: Uuid::nil() }.key(), Uuid::nil());
}

#[test]
fn defaults_are_made_for_each_row_that_needs_one() {
    let value = |column: usize| HTTPUser::default_value(column);
    assert_eq!(value(0), None);
    assert_eq!(value(2), Some(Value::from("nobody")));
    assert_eq!(value(3), Some(Value::Null));
    assert_eq!(value(4), Some(Value::from(5)));
    assert_eq!(value(6), Some(Value::Json(serde_json::json!([1]))));
    assert_eq!(value(7), Some(Value::Uuid(Uuid::from_u128(7))));
    assert_eq!(value(99), None);
    assert_eq!(Made::default_value(0), Some(Value::Uuid(Uuid::from_u128(1))));
}

#[test]
#[should_panic(expected = "the table of Given has no column 1, but 1")]
fn a_column_that_is_not_there_has_no_value() {
    let _ = Given { id: 1 }.value(1);
}

/// The backref of a model is a query for those that refer to it.
#[tokio::test]
async fn backrefs_select_what_refers_to_a_row() -> nestling::Result<()> {
    let db = Database::open("sqlite::memory:")?;
    create_tables(&db, &[<OneToOne as Model>::TABLE, HTTPUser::TABLE]).await?;
    let insert =
        "insert into http_user (id, first, surname, tags, token, mentor_id) values ($1, 'a', $2, '[]', $3, $4)";
    let token = Uuid::nil();
    db.execute(insert, params![1, "one", token, None::<i64>]).await?;
    db.execute(insert, params![2, "two", token, 1]).await?;
    db.execute(insert, params![3, "three", token, 1]).await?;
    db.execute("insert into one_to_one (user_id, \"table\") values (2, 'x')", ()).await?;
    let users = HTTPUser::select().order_by(HTTPUser::ID.asc()).all(&db).await?;
    let mentored = users[0].mentored().filter(HTTPUser::LAST.ne("two")).all(&db).await?;
    assert_eq!(mentored, [users[2].clone()]);
    assert_eq!(users[1].extra().one(&db).await?.table, "x");
    assert_eq!(users[1].extra().one(&db).await?.user.key(), &2);
    assert!(users[0].extra().first(&db).await?.is_none());
    // A key that refers is not numbered, and is missed.
    let error = db.execute("insert into one_to_one (\"table\") values ('y')", ()).await.expect_err("no key");
    assert!(error.is_not_null_violation(), "{error:?}");
    let error = users[0].mentored().columns(HTTPUser::BOSS).sql(nestling::Dialect::Mysql)?.0;
    assert_eq!(error, "SELECT `http_user`.`boss` FROM `http_user` WHERE `http_user`.`mentor_id` = ?");
    Ok(())
}

/// rule 73
#[tokio::test]
async fn rows_are_read_by_name_in_any_order_and_what_is_missing_is_told() -> nestling::Result<()> {
    let db = Database::open("sqlite::memory:")?;
    let expected = Line { full_name: "Ada".into(), total: 3, r#type: Some(State::Type) };
    for sql in [
        "select 'Ada' as fullName, 3 as 'count(*)', 'type' as type, 7 as more",
        "select 7 as more, 'type' as type, 3 as 'count(*)', 'Ada' as fullName",
    ] {
        assert_eq!(db.query_one(sql, params![]).await?.to::<Line>()?, expected);
    }
    let row = db.query_one("select 'Ada' as fullName, 3 as 'count(*)'", params![]).await?;
    let error = row.to::<Line>().expect_err("a column is missing");
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert_eq!(error.to_string(), "the row has no column type, but these 2: fullName, count(*)");
    let row = db.query_one("select 5 as id", params![]).await?;
    assert_eq!(row.to::<Given>()?, Given { id: 5 });
    let error = row.to::<Made>().expect_err("it is no UUID");
    assert_eq!(error.to_string(), "column \"id\" of type INTEGER cannot be read as Uuid");
    Ok(())
}

#[tokio::test]
async fn the_text_of_an_enum_is_one_of_its_own_or_an_error() -> nestling::Result<()> {
    assert_eq!(State::TEXTS, ["new", "in_progress", "", "type"]);
    for (state, text) in
        [(State::New, "new"), (State::InProgress, "in_progress"), (State::Nothing, ""), (State::Type, "type")]
    {
        assert_eq!(state.text(), text);
        assert_eq!(State::from_text(text), Some(state));
        assert_eq!(Value::from(state), Value::from(text));
        assert_eq!(state.to_value(), Value::from(text));
    }
    assert_eq!(State::from_text("New"), None);
    let db = Database::open("sqlite::memory:")?;
    let row = db.query_one("select 'secret' as a, 5 as b, null as c, $1 as d", params![State::Nothing]).await?;
    let error = row.get::<State>("a").expect_err("no such state");
    assert_eq!(error.kind(), ErrorKind::Decode);
    let expected = "column \"a\" of type TEXT cannot be read as State: \
                    the text is none of its variants, which are \"new\", \"in_progress\", \"\", \"type\"";
    assert_eq!(error.to_string(), expected, "the value itself stays secret");
    assert_eq!(row.get::<State>("b").expect_err("a number").kind(), ErrorKind::Decode);
    assert_eq!(row.get::<Option<State>>("c")?, None);
    assert_eq!(row.get::<State>("d")?, State::Nothing);
    Ok(())
}
