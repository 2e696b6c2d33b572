//! Pages of a query: by number, and behind a row, in every direction and with NULLs; and whether there are more.

use nestling::{ErrorKind, ForeignKey, Manager, Model, Query as _, create_tables, query::Select, types::Json};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "shelf")]
struct Shelf {
    id: i64,
    #[model(max_length = 20)]
    label: String,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "book")]
struct Book {
    id: i64,
    #[model(max_length = 20)]
    title: String,
    year: Option<i32>,
    rating: i32,
    #[model(unique, stored = "simple")]
    code: Uuid,
    shelf: ForeignKey<Shelf>,
    tags: Json<Vec<String>>,
}

const COUNT: i64 = 23;

/// Books of few years and ratings, so that only the key tells them apart.
async fn books(objects: &Manager) {
    create_tables(objects, &[Shelf::TABLE, Book::TABLE]).await.unwrap();
    let shelf = objects.create([Shelf::LABEL.set("top")]).await.unwrap();
    let books: Vec<Book> = (1..=COUNT)
        .map(|at| Book {
            id: 0,
            title: format!("t{}", at * 7 % 5),
            year: (at % 4 != 0).then(|| i32::try_from(2000 + at % 3).unwrap()),
            rating: i32::try_from(at % 2).unwrap(),
            code: Uuid::from_u128(u128::try_from(at * 31 % 97).unwrap()),
            shelf: ForeignKey::to(&shelf),
            tags: Json(vec![]),
        })
        .collect();
    objects.bulk_create(&books).await.unwrap();
}

/// The rows of all pages, each fetched behind the last row of the one ahead of it.
async fn walked(objects: &Manager, query: &Select<Book>, size: u64) -> Vec<Book> {
    let mut page = query.clone().page(1, size).fetch(objects).await.unwrap();
    let mut rows = Vec::new();
    while page.has_more {
        assert_eq!(page.rows.len(), usize::try_from(size).unwrap(), "only the last page is not full");
        let next = query.clone().after(page.rows.last().unwrap());
        rows.append(&mut page.rows);
        page = next.page(1, size).fetch(objects).await.unwrap();
        assert!(!page.rows.is_empty(), "a page that was said to be there has rows");
    }
    rows.append(&mut page.rows);
    rows
}

test_on! { every_backend;

/// rule 70
async fn pages_have_all_rows_and_tell_whether_there_are_more(backend) {
    let objects = Manager::new(backend.db.clone());
    books(&objects).await;
    let query = Book::select().order_by(Book::RATING.desc()).order_by(Book::ID.asc());
    let all = query.clone().all(&objects).await.unwrap();
    for size in [1, 5, 22, 23, 24] {
        let mut rows = Vec::new();
        for number in 1.. {
            let page = query.clone().page(number, size).fetch(&objects).await.unwrap();
            assert_eq!(page.has_more, number * size < u64::try_from(COUNT).unwrap(), "page {number} of {size}");
            rows.extend(page.rows);
            if !page.has_more {
                break;
            }
        }
        assert_eq!(rows, all, "pages of {size}");
    }
    let behind = objects.execute(query.clone().page(99, 5)).await.unwrap();
    assert!(behind.rows.is_empty() && !behind.has_more);
    let titles = query.columns(Book::TITLE).page(2, 3).fetch(&objects).await.unwrap();
    assert_eq!(titles.rows, all[3..6].iter().map(|book| book.title.clone()).collect::<Vec<_>>());
}

/// rule 70
async fn pages_behind_a_row_have_the_rows_in_their_order(backend) {
    let objects = Manager::new(backend.db.clone());
    books(&objects).await;
    let select = Book::select;
    let orders = [
        select().order_by(Book::ID.desc()),
        select().order_by(Book::CODE.asc()),
        select().order_by(Book::RATING.desc()).order_by(Book::ID.asc()),
        select().order_by(Book::YEAR.asc()).order_by(Book::ID.asc()),
        select().order_by(Book::YEAR.desc()).order_by(Book::ID.desc()),
        select().order_by(Book::YEAR.asc().nulls_first()).order_by(Book::TITLE.desc()).order_by(Book::ID.asc()),
        select().order_by(Book::YEAR.asc().nulls_last()).order_by(Book::ID.asc()),
        select().order_by(Book::YEAR.desc().nulls_first()).order_by(Book::ID.desc()),
        select().order_by(Book::TITLE.asc()).order_by(Book::YEAR.desc().nulls_last()).order_by(Book::CODE.desc()),
        select().filter(Book::RATING.eq(1)).order_by(Book::TITLE.asc()).order_by(Book::ID.desc()),
    ];
    for query in orders {
        let all = query.clone().all(&objects).await.unwrap();
        for size in [1, 4, 50] {
            assert_eq!(walked(&objects, &query, size).await, all, "pages of {size} of {query:?}");
        }
    }
}

/// rule 70
async fn a_position_from_outside_goes_on_from_there(backend) {
    let objects = Manager::new(backend.db.clone());
    books(&objects).await;
    let query = Book::select().order_by(Book::YEAR.asc()).order_by(Book::ID.asc());
    let all = query.clone().all(&objects).await.unwrap();
    for (at, book) in all.iter().enumerate() {
        let rest = query.clone().after_values((book.year, book.id)).all(&objects).await.unwrap();
        assert_eq!(rest, all[at + 1..]);
    }
    // The row itself may be gone.
    objects.delete(&all[3]).await.unwrap();
    let rest = query.clone().after_values((all[3].year, all[3].id)).limit(2).all(&objects).await.unwrap();
    assert_eq!(rest, all[4..6]);
    let joined = Book::select().join(Book::SHELF).order_by(Shelf::LABEL.asc()).order_by(Book::ID.asc());
    let rest = joined.after_values(("top", 20)).columns(Book::ID).all(&objects).await.unwrap();
    assert_eq!(rest, [21, 22, 23]);
}

/// rule 70
async fn an_order_that_leaves_rows_out_is_refused(backend) {
    let objects = Manager::new(backend.db.clone());
    books(&objects).await;
    let book = objects.get(Book::by_key(1)).await.unwrap();
    let refused = [
        (Book::select().after(&book), "add the columns of the primary key"),
        (Book::select().order_by(Book::YEAR.asc()).after(&book), "add the columns of the primary key"),
        (Book::select().order_by(Book::YEAR.max().asc()).after(&book), "needs an order of columns of its model"),
        (Book::select().order_by(Book::ID.asc()).after_values((1, 2)), "needs a value for each column"),
    ];
    for (query, text) in refused {
        let error = query.all(&objects).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parameter);
        assert!(error.to_string().contains(text), "{error}");
    }
    for (number, size) in [(0, 5), (1, 0)] {
        let error = Book::select().page(number, size).run_on(&objects).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parameter);
    }
}

/// rule 73
async fn tuples_are_parameters(backend) {
    let row = backend.db.query_one("select id from (select 1 as id) x where id = $1 and 'a' = $2", (1, "a")).await.unwrap();
    assert_eq!(row.get::<i64>(0).unwrap(), 1);
    assert!(backend.db.query_opt("select id from (select 1 as id) x where id = $1", (2,)).await.unwrap().is_none());
}

}
