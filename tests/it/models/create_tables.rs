//! Making and dropping the tables of models: order, circles, what is there already, names, and the words of each database.

use nestling::{
    Database, Dialect, Error, ErrorKind, ForeignKey, Model, create_tables,
    model::{Table, create_statements, drop_tables},
    params,
    types::Json,
};

use crate::{harness::Backend, support::waits::PATIENCE};

#[derive(Debug, PartialEq, Model)]
#[model(table = "director", index(born, name))]
struct Director {
    id: i64,
    #[model(unique, max_length = 40)]
    name: String,
    #[model(check = "born > 1800")]
    born: i32,
}

#[derive(Debug, PartialEq, Model)]
#[model(unique(title, year))]
struct Movie {
    id: i32,
    #[model(index)]
    title: String,
    #[model(default_sql = "1900 + 94")]
    year: i16,
    #[model(on_delete = "cascade")]
    director: ForeignKey<Director>,
    /// The movie that it is a sequel of.
    #[model(on_delete = "set null")]
    sequel_of: Option<ForeignKey<Self>>,
}

#[derive(Debug, PartialEq, Model)]
struct Award {
    #[model(primary_key, rename = "movie")]
    movie: ForeignKey<Movie>,
    #[model(primary_key, max_length = 20)]
    name: String,
    #[model(primary_key)]
    year: i16,
}

/// These two refer to each other.
#[derive(Debug, PartialEq, Model)]
struct Team {
    id: i64,
    captain: Option<ForeignKey<Player>>,
}

#[derive(Debug, PartialEq, Model)]
struct Player {
    id: i64,
    team: ForeignKey<Team>,
    /// A self-reference that is looked at at once.
    #[model(on_delete = "restrict")]
    rival: Option<ForeignKey<Self>>,
}

const FILMS: [&Table; 3] = [Award::TABLE, Movie::TABLE, Director::TABLE];
const TEAMS: [&Table; 2] = [Team::TABLE, Player::TABLE];

/// A statement that fails, and how.
async fn refused(db: &Database, sql: &str) -> Error {
    db.execute(sql, ()).await.expect_err(sql)
}

async fn count(db: &Database, sql: &str) -> i64 {
    db.query_one(sql, params![]).await.expect(sql).get(0).expect("a number")
}

async fn with_films(backend: &Backend) -> &Database {
    let db = &backend.db;
    create_tables(db, &FILMS).await.expect("tables");
    db.execute("insert into director (name, born) values ('Kurosawa', 1910)", ()).await.expect("a director");
    let movie = "insert into movie (title, director_id) select 'Ran', id from director";
    db.execute(movie, ()).await.expect("a movie");
    db
}

test_on! {
    every_backend;

    async fn tables_come_in_the_order_of_their_references_with_all_that_they_hold(backend) {
        let db = with_films(&backend).await;
        // The database numbers rows, and has the defaults.
        assert_eq!(count(db, "select year from movie").await, 1994);
        assert_eq!(count(db, "select id from movie").await, 1);
        // What must hold, holds.
        let twice = "insert into director (name, born) values ('Kurosawa', 1930)";
        assert!(refused(db, twice).await.is_unique_violation());
        let twice = "insert into movie (title, year, director_id) values ('Ran', 1994, 1)";
        assert!(refused(db, twice).await.is_unique_violation());
        let early = "insert into director (name, born) values ('Homer', -800)";
        assert!(refused(db, early).await.is_check_violation());
        let nobody = "insert into movie (title, director_id) values ('Ikiru', 77)";
        assert!(refused(db, nobody).await.is_foreign_key_violation());
        let no_name = "insert into director (name, born) values (null, 1930)";
        assert!(refused(db, no_name).await.is_not_null_violation());
        let long = format!("insert into director (name, born) values ('{}', 1930)", "ü".repeat(41));
        let error = db.execute(&long, ()).await.expect_err("41 characters");
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        let long = long.replacen('ü', "", 1);
        db.execute(&long, ()).await.expect("40 characters, in 80 bytes");
        let award = "insert into award (movie, name, year) values (1, 'Oscar', 1986)";
        db.execute(award, ()).await.expect("an award");
        assert!(refused(db, award).await.is_unique_violation());
        assert!(refused(db, "insert into award (movie, name) values (1, 'Palme')").await.is_not_null_violation());
        // What happens on deletion.
        let sequel = "insert into movie (title, director_id, sequel_of_id) select 'Ran 2', id, 1 from director where born = 1930";
        db.execute(sequel, ()).await.expect("a movie");
        assert!(refused(db, "delete from movie where title = 'Ran'").await.is_foreign_key_violation());
        db.execute("delete from award", ()).await.expect("no awards");
        db.execute("delete from movie where title = 'Ran'", ()).await.expect("no movie");
        assert_eq!(count(db, "select count(*) from movie where sequel_of_id is null").await, 1);
        db.execute("delete from director", ()).await.expect("no directors");
        assert_eq!(count(db, "select count(*) from movie").await, 0);
    }
}

test_on! {
    every_backend;

    async fn what_is_there_is_left_and_what_is_not_there_is_no_error(backend) {
        let db = with_films(&backend).await;
        create_tables(db, &FILMS).await.expect("again");
        create_tables(db, &[]).await.expect("nothing");
        assert_eq!(count(db, "select count(*) from movie").await, 1, "nothing was touched");
        drop_tables(db, &FILMS).await.expect("dropped");
        drop_tables(db, &FILMS).await.expect("dropped again");
        assert!(Movie::select().all(db).await.is_err());
        create_tables(db, &FILMS).await.expect("made anew, with all names free");
        assert_eq!(Movie::select().all(db).await.expect("none"), []);
    }
}

test_on! {
    every_backend;

    async fn tables_that_refer_to_each_other_and_to_themselves_are_made_and_dropped_with_rows_in_them(backend) {
        let db = &backend.db;
        for _ in 0..2 {
            create_tables(db, &TEAMS).await.expect("tables");
            create_tables(db, &TEAMS).await.expect("again");
            db.execute("insert into team (captain_id) values (null)", ()).await.expect("a team");
            db.execute("insert into player (team_id) values (1)", ()).await.expect("a player");
            db.execute("insert into player (team_id, rival_id) values (1, 1)", ()).await.expect("a rival");
            db.execute("update team set captain_id = 2", ()).await.expect("a captain");
            assert!(refused(db, "update team set captain_id = 3").await.is_foreign_key_violation());
            assert!(refused(db, "update player set rival_id = 3").await.is_foreign_key_violation());
            drop_tables(db, &TEAMS).await.expect("dropped");
            drop_tables(db, &TEAMS).await.expect("dropped again");
            assert!(Player::select().all(db).await.is_err());
        }
    }
}

test_on! {
    every_backend;

    async fn several_may_make_the_same_tables_at_the_same_time(backend) {
        let database = |_| backend.builder().busy_timeout(PATIENCE).build().expect("a database");
        let databases: Vec<_> = (0..6).map(database).collect();
        let make = |db: Database| tokio::spawn(async move { create_tables(&db, &FILMS).await });
        for made in databases.into_iter().map(make).collect::<Vec<_>>() {
            made.await.expect("no panic").expect("made, or found");
        }
        assert_eq!(Director::select().all(&backend.db).await.expect("none"), []);
    }
}

test_on! {
    postgres_and_sqlite;

    async fn in_a_block_all_of_it_is_rolled_back_with_the_block(backend) {
        let db = &backend.db;
        let rolled_back: nestling::Result<()> = db.atomic(|| async {
            create_tables(db, &TEAMS).await?;
            db.execute("insert into team (captain_id) values (null)", ()).await?;
            drop_tables(db, &TEAMS).await?;
            create_tables(db, &FILMS).await?;
            Err(db.execute("nonsense", ()).await.expect_err("it is none"))
        }).await;
        rolled_back.expect_err("it was");
        assert!(Director::select().all(db).await.is_err());
    }
}

test_on! {
    mysql_and_mariadb;

    /// rule 35
    async fn inside_a_block_it_is_refused_before_it_commits_the_block(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.atomic(|| async {
            db.execute("insert into item values (1, 'one')", ()).await?;
            for result in [create_tables(db, &FILMS).await, drop_tables(db, &FILMS).await] {
                assert_eq!(result.expect_err("it would commit").kind(), ErrorKind::ImplicitCommit);
            }
            db.execute("insert into item values (2, 'two')", ()).await
        })
        .await
        .expect("the block is none the worse");
        assert_eq!(backend.items().await, ["one", "two"]);
    }
}

#[derive(Model)]
#[model(
    table = "a_table_whose_name_is_as_long_as_postgres_lets_it_be_and_longer",
    unique(first, second),
    index(second, first)
)]
struct Long {
    id: i64,
    #[model(unique, rename = "the `first` \"column\"", max_length = 50)]
    first: String,
    second: i64,
}

test_on! {
    every_backend;

    async fn long_and_odd_names_are_cut_and_quoted(backend) {
        let db = &backend.db;
        create_tables(db, &[Long::TABLE]).await.expect("the table");
        create_tables(db, &[Long::TABLE]).await.expect("the table again");
        assert!(Long::select().filter(Long::FIRST.eq("x")).all(db).await.expect("none").is_empty());
        drop_tables(db, &[Long::TABLE]).await.expect("dropped");
    }
}

#[derive(Model)]
struct Listed {
    id: i64,
    tags: Vec<String>,
}

#[tokio::test]
async fn arrays_are_postgres_alone() {
    for dialect in [Dialect::Sqlite, Dialect::Mysql] {
        let error = create_statements(dialect, &[Listed::TABLE]).expect_err("there are none");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), format!("{dialect} has no type for the field tags of Listed"));
    }
    assert!(
        create_statements(Dialect::Postgres, &[Listed::TABLE]).expect("the statement")[0]
            .contains("\"tags\" text[] NOT NULL")
    );
}

#[derive(Model)]
#[model(schema = "other")]
struct Elsewhere {
    id: i64,
    #[model(index)]
    number: u64,
    meta: Json<Vec<i32>>,
}

#[derive(Model)]
#[model(schema = "other")]
struct There {
    id: i64,
    elsewhere: ForeignKey<Elsewhere>,
}

test_on! {
    every_backend;

    async fn tables_can_have_a_schema(backend) {
        let db = &backend.db;
        let name = backend.name();
        // A schema is another database on MySQL, and another file on SQLite; the names are one test's own.
        let make = backend.choose(
            format!("create schema other_{name}"), format!("create database other_{name}"), "attach ':memory:' as other".into(),
        );
        let statements = create_statements(db.dialect(), &[There::TABLE, Elsewhere::TABLE]).expect("the statements");
        db.connection(|| async {
            db.execute(&make, ()).await?;
            for statement in &statements {
                let own = format!("other_{name}");
                let statement = match db.dialect() {
                    Dialect::Sqlite => statement.clone(),
                    _ => statement.replace("\"other\"", &own).replace("`other`", &own),
                };
                db.execute(&statement, ()).await?;
            }
            if db.dialect() == Dialect::Sqlite {
                assert!(Elsewhere::select().filter(Elsewhere::NUMBER.eq(7_u64)).all(db).await?.is_empty());
            }
            Ok::<_, Error>(())
        })
        .await
        .expect("made");
    }
}

#[test]
fn each_database_is_told_in_its_own_words() {
    let of = |dialect| create_statements(dialect, &[Elsewhere::TABLE, There::TABLE]).expect("statements");
    assert_eq!(
        of(Dialect::Sqlite),
        [
            "CREATE TABLE IF NOT EXISTS \"other\".\"elsewhere\" (\n  \"id\" INTEGER PRIMARY KEY NOT NULL,\n  \"number\" BIGINT NOT NULL,\n  \
         \"meta\" TEXT NOT NULL\n)",
            "CREATE INDEX IF NOT EXISTS \"other\".\"elsewhere__number_idx\" ON \"elsewhere\" (\"number\")",
            "CREATE TABLE IF NOT EXISTS \"other\".\"there\" (\n  \"id\" INTEGER PRIMARY KEY NOT NULL,\n  \"elsewhere_id\" BIGINT NOT NULL,\n  \
         CONSTRAINT \"there__elsewhere_id_fkey\" FOREIGN KEY (\"elsewhere_id\") REFERENCES \"elsewhere\" (\"id\")\n)",
            "CREATE INDEX IF NOT EXISTS \"other\".\"there__elsewhere_id_idx\" ON \"there\" (\"elsewhere_id\")",
        ]
    );
    assert_eq!(
        of(Dialect::Mysql)[0],
        "CREATE TABLE IF NOT EXISTS `other`.`elsewhere` (\n  `id` bigint AUTO_INCREMENT NOT NULL,\n  `number` bigint unsigned NOT NULL,\n  \
         `meta` json NOT NULL,\n  PRIMARY KEY (`id`),\n  INDEX `elsewhere__number_idx` (`number`)\n) \
         ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    );
    let teams = create_statements(Dialect::Postgres, &TEAMS).expect("statements");
    assert_eq!(
        teams.last().expect("it closes the circle"),
        "ALTER TABLE \"player\" ADD CONSTRAINT \"player__team_id_fkey\" FOREIGN KEY (\"team_id\") REFERENCES \"team\" (\"id\")"
    );
}
