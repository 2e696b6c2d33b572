//! What building a typed query costs, from its parts to its text and parameters, for PostgreSQL and SQLite: a row by its
//! key, a select with a join, five conditions, an order and a limit, and an upsert; and what is around them. Beside them the whole way
//! of a row by its key on SQLite in memory. Allocations are counted. How to count instructions is said in `core.rs`.

use std::hint::black_box;

use divan::Bencher;
use nestling::{Database, Dialect, ForeignKey, Model, Query, query::OnConflict};

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

#[derive(Debug, Model)]
struct Director {
    id: i64,
    name: String,
}

#[derive(Debug, Model)]
struct Movie {
    id: i64,
    #[model(unique)]
    title: String,
    year: i32,
    rating: Option<f64>,
    director: ForeignKey<Director>,
}

const DIALECTS: [Dialect; 2] = [Dialect::Postgres, Dialect::Sqlite];

fn measure<Q: Query>(bencher: Bencher<'_, '_>, dialect: Dialect, query: impl Fn() -> Q) {
    bencher.bench_local(|| query().sql(dialect).expect("every database can say it"));
}

#[divan::bench(args = DIALECTS)]
fn select_by_key(bencher: Bencher<'_, '_>, dialect: Dialect) {
    measure(bencher, dialect, || Movie::select().filter(Movie::ID.eq(black_box(7))));
}

#[divan::bench(args = DIALECTS)]
fn select_a_page(bencher: Bencher<'_, '_>, dialect: Dialect) {
    measure(bencher, dialect, || {
        Movie::select()
            .join(Movie::DIRECTOR)
            .filter(Director::NAME.eq("Varda"))
            .filter(Movie::YEAR.between(1955, black_box(1985)))
            .filter(Movie::TITLE.starts_with("C"))
            .filter(Movie::RATING.is_null() | Movie::RATING.gt(7.5))
            .filter(Movie::ID.in_([1, 2, 3]))
            .order_by(Movie::YEAR.desc())
            .limit(20)
    });
}

#[divan::bench(args = DIALECTS)]
fn upsert(bencher: Bencher<'_, '_>, dialect: Dialect) {
    measure(bencher, dialect, || {
        let newer = OnConflict::columns(Movie::TITLE).update([Movie::YEAR.set(Movie::YEAR + 1)]);
        let movie = [Movie::TITLE.set("Cleo"), Movie::YEAR.set(black_box(1962)), Movie::DIRECTOR.set(1)];
        Movie::insert(movie.to_vec()).on_conflict(newer.update_columns(Movie::RATING))
    });
}

#[divan::bench(args = DIALECTS)]
fn insert(bencher: Bencher<'_, '_>, dialect: Dialect) {
    measure(bencher, dialect, || {
        Movie::insert([Movie::TITLE.set("Cleo"), Movie::YEAR.set(black_box(1962)), Movie::DIRECTOR.set(1)])
    });
}

#[divan::bench(args = DIALECTS)]
fn update_by_key(bencher: Bencher<'_, '_>, dialect: Dialect) {
    measure(bencher, dialect, || Movie::update([Movie::YEAR.set(black_box(1962))]).filter(Movie::ID.eq(7)));
}

#[divan::bench(args = DIALECTS)]
fn delete_by_key(bencher: Bencher<'_, '_>, dialect: Dialect) {
    measure(bencher, dialect, || Movie::delete().filter(Movie::ID.eq(black_box(7))));
}

/// The whole way of a row by its key on SQLite in memory, where what is around the query costs least.
#[divan::bench]
fn get_by_key(bencher: Bencher<'_, '_>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let db = Database::open("sqlite::memory:").expect("a valid URL");
    let schema =
        "create table movie (id integer primary key, title text, year integer, rating real, director_id integer);
        insert into movie values (7, 'Cleo', 1962, null, 1)";
    runtime.block_on(db.batch(schema)).expect("a table");
    let _entered = runtime.enter();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    bencher.bench_local(|| {
        let mut get = std::pin::pin!(Movie::select().filter(Movie::ID.eq(black_box(7))).one(&db));
        loop {
            if let std::task::Poll::Ready(movie) = get.as_mut().poll(&mut cx) {
                break movie.expect("a row");
            }
        }
    });
}
