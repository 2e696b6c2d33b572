//! Decimals and documents in queries of models: the same on every back end, and exact.

use nestling::{Manager, Model, Query, create_tables, types::Json};
use rust_decimal::Decimal;
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "account")]
struct Account {
    id: i64,
    amount: Decimal,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "page")]
struct Page {
    id: i64,
    body: Json<serde_json::Value>,
}

fn d(text: &str) -> Decimal {
    text.parse().expect("a decimal number")
}

test_on! {
    every_backend;

    /// fault 4.1: MariaDB computed with decimals as with floats
    async fn decimals_are_exact_in_queries(backend) {
        let db = &backend.db;
        create_tables(db, &[Account::TABLE]).await.expect("the table");
        let (near, exact) = (d("12345678901.12345678901234567"), d("12345678901.12345678901234568"));
        let rows = [(1, d("0.1")), (2, exact), (3, d("7"))].map(|(id, amount)| Account { id, amount });
        Account::insert_rows(&rows).run_on(db).await.expect("rows");
        let ids = |condition| async move {
            Account::select().filter(condition).order_by(Account::ID.asc()).columns(Account::ID).all(db).await.expect("rows")
        };
        assert_eq!(ids(Account::AMOUNT.eq(near)).await, [] as [i64; 0]);
        assert_eq!(ids(Account::AMOUNT.eq(exact)).await, [2]);
        assert_eq!(ids(Account::AMOUNT.in_([near, d("0.10")])).await, [1]);
        assert_eq!(ids(Account::AMOUNT.gt(near)).await, [2]);
        assert_eq!(ids(Account::AMOUNT.between(exact, exact)).await, [2]);
        if !backend.choose(false, false, true) {
            // SQLite computes with floats: see the limits.
            for _ in 0..2 {
                let update = Account::update([Account::AMOUNT.set(Account::AMOUNT + d("0.2"))]);
                update.filter(Account::ID.eq(1)).run_on(db).await.expect("an update");
            }
            let one = Account::select().filter(Account::ID.eq(1)).columns(Account::AMOUNT);
            assert_eq!(one.one(db).await.expect("a row"), d("0.5"));
        }
        // What was computed can be read, however many digits it has.
        let third = Account::select().filter(Account::ID.eq(3)).columns(Account::AMOUNT / d("3"));
        let third: Decimal = third.one(db).await.expect("it can be read");
        assert!((third - d("2.3333333333333333")).abs() < d("0.000000000000001"), "{third}");
    }

    /// fault 4.2: no document was equal to another on MySQL, so that each call made one more
    async fn documents_are_found_by_what_they_are(backend) {
        let db = &backend.db;
        create_tables(db, &[Page::TABLE]).await.expect("the table");
        let objects = Manager::new(db.clone());
        let body = || Json(json!([1, 2]));
        for round in 0..3 {
            let got = objects.get_or_create([Page::BODY.set(body())], []).await;
            let (page, created) = got.expect("a page");
            assert_eq!((page.body, created), (body(), round == 0));
        }
        let other = Json(json!({"b": {"x": null}, "a": [1.5, "\u{fc}"]}));
        Page::insert_rows(&[Page { id: 0, body: other.clone() }]).run_on(db).await.expect("a row");
        let found = Page::select().filter(Page::BODY.in_([other.clone(), Json(json!(3))])).all(db).await.expect("rows");
        assert_eq!(found.into_iter().map(|page| page.body).collect::<Vec<_>>(), [other]);
        assert_eq!(Page::select().filter(Page::BODY.ne(body())).all(db).await.expect("rows").len(), 1);
    }
}
