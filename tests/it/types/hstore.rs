//! HStore of PostgreSQL (rule 73): there and back, an extension that is not there yet, and other back ends.

use nestling::{
    Database, DatabaseBuilder, Error, ErrorKind, Model, PostgresqlDatabase, PostgresqlExtDatabase, Query as _, Value,
    params, query::Expr, types::HStore,
};

use crate::{harness::Backend, test_servers};

/// A database of a test's own at the PostgreSQL server: an extension belongs to one, and not to a schema.
struct Own {
    url: String,
    backend: Backend,
}

impl Own {
    async fn new() -> Self {
        let backend = Backend::postgres().await;
        let name = format!("{}_own", backend.name());
        backend.observer().batch(&format!("create database {name}")).await.expect("a database for the test");
        let base = test_servers::postgres_url();
        let (server, _) = base.split_once('?').unwrap_or((&base, ""));
        let (server, _) = server.rsplit_once('/').expect("a URL with a database");
        Self { url: format!("{server}/{name}"), backend }
    }

    async fn with_hstore() -> (Self, Database) {
        let own = Self::new().await;
        let db = own.one(|options| options);
        db.batch("create extension hstore").await.expect("the extension comes with the server");
        (own, db)
    }

    /// The database, with one connection.
    fn one(&self, options: impl FnOnce(DatabaseBuilder) -> DatabaseBuilder) -> Database {
        let builder = PostgresqlExtDatabase::builder(&self.url).expect("the URL of the test server");
        options(builder.max_connections(1)).build().expect("valid options")
    }

    async fn drop(self, db: Database) {
        db.close().await;
        let sql = format!("drop database {}_own with (force)", self.backend.name());
        self.backend.observer().batch(&sql).await.expect("it is the test's own");
    }
}

fn awkward() -> HStore {
    HStore::from([
        ("", Some("")),
        ("a", None),
        ("NULL", Some("NULL")),
        ("quo\"te", Some("back\\slash \"quoted\" 'single'")),
        ("=>", Some(", \"a\"=>\"b\"")),
        ("日本語 🎬", Some("e\u{301}\n\t\u{1}")),
        ("long", Some(&"long ".repeat(20_000))),
    ])
}

/// rule 73: NULL values, quotes, unicode, the empty map, NULL instead of a map
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn maps_come_back_as_they_went() {
    let (own, db) = Own::with_hstore().await;
    db.batch("create table film (id serial primary key, tags hstore)").await.unwrap();
    for map in [awkward(), HStore::new(), HStore::from([("one", None::<&str>)])] {
        let insert = "insert into film (tags) values ($1) returning tags, tags::text as told, (select count(*) from each(tags)) as n";
        let row = db.query_one(insert, params![&map]).await.unwrap();
        assert_eq!(row.get::<HStore>("tags").unwrap(), map);
        assert_eq!(row.get::<Option<HStore>>(0).unwrap(), Some(map.clone()));
        assert_eq!(row.get::<Value>(0).unwrap(), Value::HStore(map.clone()));
        assert_eq!(row.get::<usize>("n").unwrap(), map.len(), "the server has as many");
        // What the server writes as text it reads to the same map.
        let text: String = row.get("told").unwrap();
        let back = db.query_one("select $1::hstore", params![text]).await.unwrap();
        assert_eq!(back.get::<HStore>(0).unwrap(), map);
        let found = db.query_one("select count(*) from film where tags = $1", params![map]).await.unwrap();
        assert_eq!(found.get::<i64>(0).unwrap(), 1);
    }
    let row = db.query_one("select $1::hstore as tags", params![None::<HStore>]).await.unwrap();
    assert_eq!(row.get::<Option<HStore>>(0).unwrap(), None);
    assert!(row.get::<HStore>(0).unwrap_err().to_string().contains("is NULL, which Option<HStore> can hold"));
    let seven = db.query_one("select 7 as tags", params![]).await.unwrap().get::<HStore>(0).unwrap_err();
    assert_eq!(seven.to_string(), "column \"tags\" of type int4 cannot be read as HStore");
    own.drop(db).await;
}

/// rule 73
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn arrays_and_domains_of_maps_come_back_as_they_went() {
    let (own, db) = Own::with_hstore().await;
    let list = vec![Some(awkward()), None, Some(HStore::new())];
    let row = db.query_one("select $1::hstore[] as tags", params![Value::array(list.clone())]).await.unwrap();
    assert_eq!(row.get::<Vec<Option<HStore>>>(0).unwrap(), list);
    let whole = vec![awkward(), HStore::new()];
    let row = db.query_one("select $1::hstore[] as tags", params![&whole]).await.unwrap();
    assert_eq!(row.get::<Vec<HStore>>(0).unwrap(), whole);
    db.batch("create domain tags as hstore check (value ? 'a')").await.unwrap();
    let row = db.query_one("select $1::tags as tags", params![awkward()]).await.unwrap();
    assert_eq!(row.get::<HStore>(0).unwrap(), awkward());
    own.drop(db).await;
}

/// rule 73: what does not fit is refused before it is sent, so that the transaction stays whole
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn what_does_not_fit_is_refused_before_it_is_sent() {
    let (own, db) = Own::with_hstore().await;
    db.atomic(|| async {
        for (sql, map, told) in [
            ("select $1::hstore", HStore::from([("a", "\0")]), "HStore with a NUL character does not fit into hstore"),
            ("select $1::hstore", HStore::from([("\0", "a")]), "HStore with a NUL character does not fit into hstore"),
            ("select $1::text", HStore::new(), "HStore does not fit into text"),
            ("select $1::jsonb", HStore::new(), "HStore does not fit into jsonb"),
        ] {
            let error = db.query(sql, params![map]).await.unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Parameter, format!("parameter $1: {told}")));
        }
        let map = db.query_one("select $1::hstore", params![awkward()]).await?.get::<HStore>(0)?;
        assert_eq!(map, awkward());
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
    own.drop(db).await;
}

/// rule 73: a missing extension is not fatal; one that is created later, or created anew, works on the old connection
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn an_extension_that_is_created_later_works_on_an_old_connection() {
    let own = Own::new().await;
    let db = own.one(|options| options);
    let pid = || async { db.query_one("select pg_backend_pid()", ()).await.unwrap().get::<i32>(0).unwrap() };
    let select = "select $1::hstore as tags";
    let first = pid().await;
    for round in 0..3 {
        let missing = db.query(select, params![awkward()]).await.unwrap_err();
        assert_eq!((missing.kind(), missing.code()), (ErrorKind::Server, Some("42704")), "round {round}: {missing}");
        // In a transaction that was begun before as well.
        db.batch("create extension hstore").await.unwrap();
        for _ in 0..2 {
            let row = db.atomic(|| async { db.query_one(select, params![awkward()]).await }).await;
            assert_eq!(row.unwrap_or_else(|e| panic!("round {round}: {e}")).get::<HStore>(0).unwrap(), awkward());
        }
        db.batch("drop extension hstore").await.unwrap();
    }
    // The same statement, with a type of the same name and another number.
    for _ in 0..2 {
        db.batch("create extension hstore").await.unwrap();
        assert_eq!(db.query_one(select, params![awkward()]).await.unwrap().get::<HStore>(0).unwrap(), awkward());
        db.batch("drop extension hstore").await.unwrap();
    }
    assert_eq!(pid().await, first, "all on one connection");
    own.drop(db).await;
}

/// rule 73: `register_hstore(false)`; the plain database reads and writes hstore as well
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn it_is_on_by_default_and_off_by_an_option() {
    let (own, db) = Own::with_hstore().await;
    let plain = PostgresqlDatabase::open(&own.url).unwrap();
    let row = plain.query_one("select $1::hstore as tags", params![awkward()]).await.unwrap();
    assert_eq!(row.get::<HStore>(0).unwrap(), awkward());
    plain.close().await;

    let off = own.one(|options| options.register_hstore(false));
    for value in [Value::from(awkward()), Value::array([awkward()])] {
        let error = off.query("select $1::hstore", params![1, value]).await.unwrap_err();
        let told = "parameter $2: HStore cannot be sent, as register_hstore(false) was said";
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Parameter, told.into()));
    }
    let text = r#""a"=>"1", "b"=>NULL"#;
    let sql = "select $1::hstore as map, $1::hstore::text as told, array[$1::hstore] as maps";
    let row = off.query_one(sql, params![text]).await.expect("text in its own form can be given to it");
    assert_eq!(row.get::<String>("told").unwrap(), text);
    let told = row.get::<String>("map").unwrap_err().to_string();
    assert_eq!(told, "column \"map\" of type hstore cannot be read in its binary form: cast it to text in the SQL");
    for told in [row.get::<HStore>("map").unwrap_err(), row.get::<Vec<HStore>>("maps").unwrap_err()] {
        assert_eq!(told.kind(), ErrorKind::Decode);
    }
    assert!(row.get::<HStore>("map").unwrap_err().to_string().contains("register_hstore(false)"));
    off.close().await;
    own.drop(db).await;
}

test_on! {
    every_backend;

    /// rule 73
    async fn other_databases_have_no_maps(backend) {
        if !backend.is_postgres() {
            for value in [Value::from(HStore::new()), Value::from(awkward())] {
                let error = backend.db.query("select $1", params![value]).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                assert!(error.to_string().ends_with("has no hstore"), "{error}");
            }
        }
    }
}

/// A model with hstore columns.
#[derive(Debug, PartialEq, Model)]
#[model(table = "film")]
struct Film {
    #[model(auto = false)]
    id: i32,
    tags: HStore,
    more: Option<HStore>,
}

/// rule 73: as a field of a model, and its operators
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_field_of_a_model_has_the_operators_of_hstore() {
    let (own, db) = Own::with_hstore().await;
    db.batch("create table film (id integer primary key, tags hstore not null, more hstore)").await.unwrap();
    let ran = Film { id: 1, tags: HStore::from([("title", "Ran"), ("country", "Japan")]), more: None };
    let heat = HStore::from([("title", Some("Heat")), ("country", None)]);
    let heat = Film { id: 2, more: Some(HStore::new()), tags: heat };
    Film::insert([Film::ID.set(1), Film::TAGS.set(&ran.tags)]).run_on(&db).await.unwrap();
    Film::insert_rows(std::slice::from_ref(&heat)).run_on(&db).await.unwrap();
    let both = Film::select().order_by(Film::ID.asc()).all(&db).await.unwrap();
    assert_eq!(both, [ran, heat]);
    let ids = |condition: Expr<bool>| {
        let select = Film::select().filter(condition).order_by(Film::ID.asc()).columns(Film::ID);
        let db = &db;
        async move { select.all(db).await.unwrap() }
    };
    assert_eq!(ids(Film::TAGS.key("title").eq("Ran")).await, [1]);
    assert_eq!(ids(Film::TAGS.key("country").is_null()).await, [2]);
    assert_eq!(ids(Film::TAGS.has_key("country")).await, [1, 2]);
    assert_eq!(ids(Film::MORE.has_key("country")).await, [0; 0]);
    assert_eq!(ids(Film::TAGS.has_all_keys(["title", "year"])).await, [0; 0]);
    assert_eq!(ids(Film::TAGS.has_any_key(["title", "year"])).await, [1, 2]);
    assert_eq!(ids(Film::TAGS.contains(HStore::from([("country", "Japan")]))).await, [1]);
    assert_eq!(ids(Film::MORE.contains(HStore::new())).await, [2]);
    assert_eq!(ids(Film::TAGS.eq(&both[0].tags)).await, [1]);
    assert_eq!(ids(Film::MORE.eq(None::<HStore>)).await, [1]);
    let change = Film::TAGS.merge(HStore::from([("year", "1985")])).without(["country", "nothing"]);
    let changed = Film::select().filter(Film::ID.eq(1)).columns((change.clone(), Film::MORE.merge(HStore::new())));
    let (tags, more) = changed.one(&db).await.unwrap();
    assert_eq!((tags, more), (HStore::from([("title", "Ran"), ("year", "1985")]), None));
    let update = Film::update([Film::TAGS.set(change)]).filter(Film::TAGS.key("title").eq("Ran"));
    assert_eq!(update.run_on(&db).await.unwrap(), 1);
    assert_eq!(ids(Film::TAGS.has_any_key(["year", "country"])).await, [1, 2]);
    assert_eq!(ids(Film::TAGS.has_key("country")).await, [2]);
    own.drop(db).await;
}
