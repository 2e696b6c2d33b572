//! The text of queries, as each database gets it.

use nestling::{
    Dialect, ErrorKind, Model, Query, Value, params,
    query::{
        OnConflict,
        functions::{case, count, exists, name, row},
    },
};

use super::models::{Director, Label, Movie, Seat};

/// The text on PostgreSQL, MySQL and SQLite.
fn texts(query: &impl Query) -> [String; 3] {
    [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite].map(|dialect| query.sql(dialect).unwrap().0)
}

/// The condition of a query on PostgreSQL.
fn condition(condition: nestling::query::Expr<bool>) -> String {
    let sql = Seat::select().columns(Seat::HALL).filter(condition).sql(Dialect::Postgres).unwrap().0;
    sql.split_once(" WHERE ").expect("a condition").1.replace(r#""seat"."#, "")
}

#[test]
fn a_select_quotes_names_and_numbers_parameters() {
    let query = Label::select().filter(Label::NAME.eq("x") & Label::USES.in_([1, 2]));
    let query = query.order_by(Label::CODE.desc()).limit(3);
    assert_eq!(
        texts(&query),
        [
            "SELECT \"label\".\"code\", \"label\".\"name\", \"label\".\"uses\" FROM \"label\" \
             WHERE \"label\".\"name\" = $1 AND \"label\".\"uses\" = ANY($2) ORDER BY \"label\".\"code\" DESC LIMIT $3",
            "SELECT `label`.`code`, `label`.`name`, `label`.`uses` FROM `label` \
             WHERE `label`.`name` = ? AND `label`.`uses` IN (?, ?) ORDER BY `label`.`code` DESC LIMIT ?",
            "SELECT \"label\".\"code\", \"label\".\"name\", \"label\".\"uses\" FROM \"label\" \
             WHERE \"label\".\"name\" = ? AND \"label\".\"uses\" IN (?, ?) ORDER BY \"label\".\"code\" DESC LIMIT ?",
        ]
    );
    let array = Value::Array(vec![Value::I64(1), Value::I64(2)]);
    assert_eq!(query.sql(Dialect::Postgres).unwrap().1, params!["x", array, 3_u64]);
    assert_eq!(query.sql(Dialect::Mysql).unwrap().1, params!["x", 1, 2, 3_u64]);
}

#[test]
fn conditions_keep_their_parentheses() {
    let (a, b, c) = (Seat::HALL.eq(1), Seat::NUMBER.gt(2), Seat::TAKEN.eq(true));
    assert_eq!(condition((a.clone() | b.clone()) & c.clone()), r#"("hall" = $1 OR "number" > $2) AND "taken" = $3"#);
    assert_eq!(condition(a.clone() | b.clone() & c.clone()), r#""hall" = $1 OR ("number" > $2 AND "taken" = $3)"#);
    assert_eq!(condition(!(a & b)), r#"NOT ("hall" = $1 AND "number" > $2)"#);
    assert_eq!(condition(!c | (Seat::HALL + 1).eq(2)), r#"NOT ("taken" = $1) OR "hall" + $2 = $3"#);
    assert_eq!(condition((Seat::HALL - (Seat::NUMBER - 1)).eq(0)), r#""hall" - ("number" - $1) = $2"#);
    assert_eq!(
        condition((Seat::HALL * (Seat::NUMBER + 1)).lt(-Seat::HALL)),
        r#""hall" * ("number" + $1) < 0 - "hall""#
    );
    assert_eq!(condition(Seat::HALL.in_([] as [i32; 0])), "1 = 0");
    assert_eq!(condition(row((Seat::HALL, Seat::NUMBER)).ge((1, 2))), r#"("hall", "number") >= ($1, $2)"#);
}

#[test]
fn an_insert_is_written_for_each_database() {
    let seat = [Seat::HALL.set(1), Seat::NUMBER.set(2), Seat::TAKEN.set(true)];
    let many = Seat::insert_many([
        vec![seat[0].clone(), seat[1].clone(), seat[2].clone()],
        vec![seat[0].clone(), seat[1].clone(), seat[2].clone(), Seat::PRICE.set(Seat::PRICE.excluded())],
    ]);
    let texts_of_many = texts(&many.on_conflict_ignore());
    assert_eq!(
        texts_of_many,
        [
            "INSERT INTO \"seat\" (\"hall\", \"number\", \"taken\", \"price\") VALUES ($1, $2, $3, DEFAULT), \
             ($4, $5, $6, \"excluded\".\"price\") ON CONFLICT DO NOTHING RETURNING \"seat\".\"hall\", \"seat\".\"number\"",
            "INSERT INTO `seat` (`hall`, `number`, `taken`, `price`) VALUES (?, ?, ?, DEFAULT), (?, ?, ?, VALUES(`price`))",
            "INSERT INTO \"seat\" (\"hall\", \"number\", \"taken\", \"price\") VALUES (?, ?, ?, (7)), \
             (?, ?, ?, \"excluded\".\"price\") ON CONFLICT DO NOTHING RETURNING \"seat\".\"hall\", \"seat\".\"number\"",
        ]
    );
    let update = OnConflict::columns((Seat::HALL, Seat::NUMBER)).update([Seat::PRICE.set(Seat::PRICE + 1)]);
    let upsert =
        texts(&Seat::insert(seat).on_conflict(update.update_columns(Seat::TAKEN)).returning_columns(Seat::PRICE));
    assert!(
        upsert[0].ends_with(
            r#"ON CONFLICT ("hall", "number") DO UPDATE SET "price" = "seat"."price" + $4, "taken" = "excluded"."taken" RETURNING "seat"."price""#
        ),
        "{upsert:?}"
    );
    assert!(
        upsert[1].ends_with("ON DUPLICATE KEY UPDATE `price` = `seat`.`price` + ?, `taken` = VALUES(`taken`)"),
        "{upsert:?}"
    );
    let numbered = Director::insert([Director::NAME.set("x")])
        .on_conflict(OnConflict::columns(Director::NAME).update_columns(Director::BORN));
    assert!(texts(&numbered)[1].contains("UPDATE `id` = LAST_INSERT_ID(`id`), `born` = VALUES(`born`)"));
    let nothing = Director::insert([]).sql(Dialect::Sqlite).unwrap().0;
    assert_eq!(nothing, r#"INSERT INTO "director" ("id") VALUES (NULL) RETURNING "director"."id""#);
    let empty = OnConflict::columns(Director::NAME).update([]);
    assert_eq!(Director::insert([]).on_conflict(empty).sql(Dialect::Sqlite).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn updates_and_deletes_are_written_for_each_database() {
    let update =
        Seat::update([Seat::PRICE.set(Seat::PRICE * 2)]).filter(Seat::HALL.eq(1)).returning_columns(Seat::PRICE);
    assert_eq!(
        texts(&update),
        [
            r#"UPDATE "seat" SET "price" = "seat"."price" * $1 WHERE "seat"."hall" = $2 RETURNING "seat"."price""#,
            "UPDATE `seat` SET `price` = `seat`.`price` * ? WHERE `seat`.`hall` = ?",
            r#"UPDATE "seat" SET "price" = "seat"."price" * ? WHERE "seat"."hall" = ? RETURNING "seat"."price""#,
        ]
    );
    let delete = Seat::delete().filter(Seat::key_in(&[(1, 2), (3, 4)]));
    assert_eq!(
        texts(&delete),
        [
            r#"DELETE FROM "seat" WHERE ("seat"."hall", "seat"."number") IN (($1, $2), ($3, $4))"#,
            "DELETE FROM `seat` WHERE (`seat`.`hall`, `seat`.`number`) IN ((?, ?), (?, ?))",
            r#"DELETE FROM "seat" WHERE ("seat"."hall", "seat"."number") IN (VALUES (?, ?), (?, ?))"#,
        ]
    );
}

#[test]
fn patterns_and_division_differ_between_databases() {
    let like =
        texts(&Label::select().columns(Label::USES / 2).filter(Label::NAME.ilike("a%") & Label::NAME.contains("5%")));
    assert_eq!(
        like,
        [
            "SELECT \"label\".\"uses\" / $1 FROM \"label\" WHERE \"label\".\"name\" ILIKE $2 \
             AND \"label\".\"name\" LIKE $3 ESCAPE '!'",
            "SELECT `label`.`uses` DIV ? FROM `label` WHERE LOWER(`label`.`name`) LIKE LOWER(?) \
             AND `label`.`name` LIKE ? ESCAPE '!'",
            "SELECT \"label\".\"uses\" / ? FROM \"label\" WHERE LOWER(\"label\".\"name\") LIKE LOWER(?) ESCAPE '\\' \
             AND \"label\".\"name\" LIKE ? ESCAPE '!'",
        ]
    );
}

#[test]
fn joins_groups_and_locks_are_written_in_their_order() {
    let busy = Director::select()
        .left_join(Movie::DIRECTOR)
        .group_by(Director::NAME)
        .having(count().gt(1))
        .order_by(name::<i64>("films").desc().nulls_last())
        .offset(2)
        .columns((Director::NAME, Movie::ID.count().named("films")));
    let expected = |limit: &str| {
        format!(
            "SELECT \"director\".\"name\", COUNT(\"movie\".\"id\") AS \"films\" FROM \"director\" \
             LEFT JOIN \"movie\" ON \"movie\".\"director_id\" = \"director\".\"id\" GROUP BY \"director\".\"name\" \
             HAVING COUNT(*) > ? ORDER BY \"films\" DESC NULLS LAST{limit} OFFSET ?"
        )
    };
    assert_eq!(texts(&busy)[0], expected("").replacen('?', "$1", 1).replacen('?', "$2", 1));
    assert_eq!(texts(&busy)[2], expected(" LIMIT ?"));
    let lock = |select: nestling::query::Select<Seat>| {
        texts(&select).map(|text| {
            text.rsplit_once('"')
                .map_or(text.rsplit_once('`').map(|(_, end)| end.to_owned()), |(_, end)| Some(end.to_owned()))
                .expect("a name in quotes")
        })
    };
    assert_eq!(
        lock(Seat::select().for_update().skip_locked()),
        [" FOR UPDATE SKIP LOCKED", " FOR UPDATE SKIP LOCKED", ""]
    );
    assert_eq!(lock(Seat::select().for_share()), [" FOR SHARE", " LOCK IN SHARE MODE", ""]);
    let shared = Seat::select().for_share().nowait();
    assert_eq!(shared.sql(Dialect::Mysql).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(Seat::select().distinct_on(Seat::HALL).sql(Dialect::Mysql).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn unions_and_subqueries_are_written_for_each_database() {
    let halls = |number: i32| Seat::select().filter(Seat::NUMBER.eq(number)).columns(Seat::HALL);
    let union = halls(1).union(halls(2).limit(1)).order_by(Seat::HALL.asc());
    assert_eq!(
        texts(&union),
        [
            "SELECT \"seat\".\"hall\" FROM \"seat\" WHERE \"seat\".\"number\" = $1 UNION (SELECT * FROM (SELECT \
             \"seat\".\"hall\" FROM \"seat\" WHERE \"seat\".\"number\" = $2 LIMIT $3) AS \"part\") ORDER BY \"hall\" ASC",
            "SELECT `seat`.`hall` FROM `seat` WHERE `seat`.`number` = ? UNION (SELECT * FROM (SELECT \
             `seat`.`hall` FROM `seat` WHERE `seat`.`number` = ? LIMIT ?) AS `part`) ORDER BY `hall` ASC",
            "SELECT \"seat\".\"hall\" FROM \"seat\" WHERE \"seat\".\"number\" = ? UNION SELECT * FROM (SELECT \
             \"seat\".\"hall\" FROM \"seat\" WHERE \"seat\".\"number\" = ? LIMIT ?) AS \"part\" ORDER BY \"hall\" ASC",
        ]
    );
    assert_eq!(
        condition(exists(halls(1)) | Seat::HALL.in_(halls(2))),
        "EXISTS(SELECT \"hall\" FROM \"seat\" WHERE \"number\" = $1) \
         OR \"hall\" IN (SELECT \"hall\" FROM \"seat\" WHERE \"number\" = $2)"
    );
    let age = case::<String>().when(Seat::HALL.eq(1), "first").otherwise("other");
    assert_eq!(
        condition(age.eq("first")),
        "(CASE WHEN (\"hall\" = $1) THEN CAST($2 AS text) ELSE CAST($3 AS text) END) = $4"
    );
}

#[test]
fn a_row_by_its_key_has_one_text_however_it_is_asked_for() {
    let get = |id: i64| Director::select().filter(Director::ID.eq(id)).limit(2).order_by(Director::NAME.asc());
    let text = "SELECT \"director\".\"id\", \"director\".\"name\", \"director\".\"born\" FROM \"director\" \
                WHERE \"director\".\"id\" = $1";
    assert_eq!(get(1).sql(Dialect::Postgres).unwrap(), (text.to_owned(), params![1]));
    assert_eq!(get(2).sql(Dialect::Postgres).unwrap(), (text.to_owned(), params![2]));
    assert_eq!(get(2).sql(Dialect::Mysql).unwrap().0, text.replace('"', "`").replace("$1", "?"));
    // What differs in anything is not taken for the same.
    let others = [
        get(1).limit(0),
        get(1).offset(1),
        get(1).for_update(),
        get(1).distinct(),
        get(1).filter(Director::BORN.is_null()),
    ];
    for other in others {
        assert_ne!(other.sql(Dialect::Postgres).unwrap().0, text);
    }
    let alias = Director::alias("d");
    assert_ne!(alias.select().filter(alias.col(Director::ID).eq(1)).sql(Dialect::Postgres).unwrap().0, text);
    let born = |born: Option<i32>| {
        Director::update([Director::NAME.set("x"), Director::BORN.set(born)]).filter(Director::ID.eq(1))
    };
    let (sql, params) = born(Some(3)).sql(Dialect::Postgres).unwrap();
    assert_eq!(sql, r#"UPDATE "director" SET "name" = $1, "born" = $2 WHERE "director"."id" = $3"#);
    assert_eq!(params, params!["x", 3, 1]);
    assert_eq!(born(None).sql(Dialect::Postgres).unwrap(), (sql, params!["x", None::<i32>, 1]));
    let swapped = Director::update([Director::BORN.set(3), Director::NAME.set("x")]).filter(Director::ID.eq(1));
    assert_eq!(swapped.sql(Dialect::Postgres).unwrap().1, params![3, "x", 1]);
    assert!(swapped.sql(Dialect::Postgres).unwrap().0.contains(r#"SET "born" = $1, "name" = $2"#));
    let delete = Director::delete().filter(Director::ID.eq(7)).sql(Dialect::Sqlite).unwrap();
    assert_eq!(delete, (r#"DELETE FROM "director" WHERE "director"."id" = ?"#.to_owned(), params![7]));
    let insert = |name: &str| Director::insert([Director::NAME.set(name)]);
    let (key, params) = insert("a").sql(Dialect::Postgres).unwrap();
    assert_eq!(
        (key.as_str(), params),
        (r#"INSERT INTO "director" ("name") VALUES ($1) RETURNING "director"."id""#, params!["a"])
    );
    assert_eq!(insert("b").sql(Dialect::Postgres).unwrap(), (key.clone(), params!["b"]));
    assert_ne!(insert("b").returning().sql(Dialect::Postgres).unwrap().0, key);
    assert_ne!(insert("b").on_conflict_ignore().sql(Dialect::Postgres).unwrap().0, key);
    assert_ne!(insert("b").returning_columns(Director::NAME).sql(Dialect::Postgres).unwrap().0, key);
    assert_eq!(insert("b").sql(Dialect::Postgres).unwrap().0, key);
}
