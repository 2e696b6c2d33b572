//! What the manager costs: prefetch at three sizes, each four times the one before, so that time that grows faster than the
//! number of rows is seen; and many new rows by one statement. SQLite in memory, and PostgreSQL where
//! `NESTLING_POSTGRES_URL` names one (`tests/run.sh with-servers -- cargo bench --all-features --bench manager`).

use divan::Bencher;
use nestling::{Database, Error, ForeignKey, Manager, Model, model::PrefetchType};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

#[derive(Debug, Model)]
#[model(table = "bench_author")]
struct Author {
    id: i64,
    name: String,
}

#[derive(Debug, Model)]
#[model(table = "bench_book")]
struct Book {
    id: i64,
    title: String,
    pages: i32,
    author: ForeignKey<Author>,
}

#[derive(Debug, Clone, Model)]
#[model(table = "bench_point")]
struct Point {
    id: i64,
    name: String,
    x: f64,
    y: f64,
    size: i32,
    note: Option<String>,
}

const SIZES: [i64; 3] = [250, 1_000, 4_000];
const BOOKS: i64 = 50;

fn author(number: i64) -> Author {
    Author { id: number + 1, name: format!("author {number}") }
}

fn book(number: i64) -> Book {
    let author = ForeignKey::new(number / BOOKS + 1);
    Book { id: number + 1, title: format!("book {number}"), pages: 300, author }
}

/// The back ends that there are.
fn backends() -> Vec<&'static str> {
    let mut names = vec!["sqlite"];
    if std::env::var("NESTLING_POSTGRES_URL").is_ok() {
        names.push("postgres");
    }
    names
}

/// A runtime, and a manager of a database with empty tables.
fn open(backend: &str) -> (Runtime, Manager) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let url = match backend {
        "postgres" => std::env::var("NESTLING_POSTGRES_URL").expect("the URL of a server"),
        _ => "sqlite::memory:".into(),
    };
    let objects = Manager::new(Database::open(&url).expect("a valid URL"));
    let key = if backend == "postgres" { "bigserial" } else { "integer" };
    let schema = "drop table if exists bench_book; drop table if exists bench_author; drop table if exists bench_point;
        create table bench_point (id {key} primary key, name text not null, x float8 not null, y float8 not null,
            size integer not null, note text);
        create table bench_author (id bigint primary key, name text not null);
        create table bench_book (id bigint primary key, title text not null, pages integer not null,
            author_id bigint not null references bench_author (id));
        create index bench_by_author on bench_book (author_id)";
    let schema = schema.replace("{key}", key);
    runtime.block_on(objects.database().batch(&schema)).expect("empty tables");
    (runtime, objects)
}

async fn fill(objects: &Manager, authors: i64) -> Result<(), Error> {
    objects.bulk_create(&(0..authors).map(author).collect::<Vec<_>>()).await?;
    objects.bulk_create(&(0..authors * BOOKS).map(book).collect::<Vec<_>>()).await?;
    Ok(())
}

/// Authors with fifty books each.
#[divan::bench_group(sample_count = 10)]
mod prefetch {
    use super::{Author, Bencher, Book, Model as _, PrefetchType, SIZES, backends, fill, open};

    fn measure(bencher: Bencher<'_, '_>, backend: &str, authors: i64, by: PrefetchType) {
        let (runtime, objects) = open(backend);
        runtime.block_on(fill(&objects, authors)).expect("rows");
        bencher.bench_local(|| {
            let books = Book::AUTHOR.children(Book::select());
            let tree = runtime.block_on(async { objects.prefetch(Author::select(), books).by(by).await });
            assert_eq!(tree.expect("a tree").len() as i64, authors);
        });
    }

    fn sizes() -> impl Iterator<Item = (&'static str, i64)> {
        backends().into_iter().flat_map(|backend| SIZES.map(|authors| (backend, authors)))
    }

    #[divan::bench(args = sizes())]
    fn keys(bencher: Bencher<'_, '_>, (backend, authors): (&str, i64)) {
        measure(bencher, backend, authors, PrefetchType::Keys);
    }

    #[divan::bench(args = sizes())]
    fn condition(bencher: Bencher<'_, '_>, (backend, authors): (&str, i64)) {
        measure(bencher, backend, authors, PrefetchType::Where);
    }

    #[divan::bench(args = sizes())]
    fn join(bencher: Bencher<'_, '_>, (backend, authors): (&str, i64)) {
        measure(bencher, backend, authors, PrefetchType::Join);
    }
}

/// Ten thousand rows of six columns, into a table without indexes but its key.
#[divan::bench_group(sample_count = 20)]
mod ten_thousand_rows {
    use super::{Bencher, Manager, Model as _, Point, Runtime, backends, open};

    fn prepare(backend: &str) -> (Runtime, Manager, Vec<Point>) {
        let (runtime, objects) = open(backend);
        let point = |number: i64| Point {
            id: 0,
            name: format!("point {number}"),
            x: number as f64,
            y: 0.5,
            size: 7,
            note: (number % 2 == 0).then(|| "even".into()),
        };
        (runtime, objects, (0..10_000).map(point).collect())
    }

    /// Each time some rows fewer, as nobody inserts the same number again and again: a text of so many values is new each time.
    fn measure<F: Future<Output = nestling::Result<Vec<i64>>>>(
        bencher: Bencher<'_, '_>,
        backend: &str,
        insert: impl Fn(Manager, Vec<Point>) -> F,
    ) {
        let (runtime, objects, mut rows) = prepare(backend);
        bencher
            .with_inputs(|| {
                runtime.block_on(objects.execute(Point::delete())).expect("an empty table");
                rows.pop();
                rows.clone()
            })
            .bench_local_values(|rows| runtime.block_on(insert(objects.clone(), rows)).expect("keys"));
    }

    #[divan::bench(args = backends())]
    fn bulk_create(bencher: Bencher<'_, '_>, backend: &str) {
        measure(bencher, backend, |objects, rows| async move { objects.bulk_create(&rows).await });
    }

    #[divan::bench(args = backends())]
    fn insert_rows(bencher: Bencher<'_, '_>, backend: &str) {
        measure(bencher, backend, |objects, rows| async move { objects.execute(Point::insert_rows(&rows)).await });
    }
}
