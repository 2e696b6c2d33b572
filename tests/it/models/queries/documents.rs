//! JSON inside of queries, and rows as values.

use nestling::{
    ErrorKind, Model, Query,
    query::{Expr, functions::row},
    types::Json,
};
use serde_json::json;

use super::models::{Movie, Seat, films, tables};
use crate::harness::Backend;

async fn found(backend: &Backend, condition: Expr<bool>) -> nestling::Result<Vec<i64>> {
    Movie::select().filter(condition).order_by(Movie::ID.asc()).columns(Movie::ID).all(&backend.db).await
}

test_on! {
    every_backend;

    async fn parts_of_documents_are_selected(backend) {
        tables(&backend).await;
        films(&backend.db).await;
        let of = |id: i64| Movie::select().filter(Movie::ID.eq(id));
        let db = &backend.db;
        assert_eq!(of(1).columns(Movie::EXTRA.at("tags")).one(db).await.unwrap(), Some(json!(["sword", "dust"])));
        assert_eq!(of(1).columns(Movie::EXTRA.at(("tags", 1))).one(db).await.unwrap(), Some(json!("dust")));
        assert_eq!(of(1).columns(Movie::EXTRA.at("tags").at(0)).one(db).await.unwrap(), Some(json!("sword")));
        assert_eq!(of(1).columns(Movie::EXTRA.at(["cast", "none"])).one(db).await.unwrap(), None);
        let lead = |id| of(id).columns(Movie::EXTRA.text_at(["cast", "lead"])).one(db);
        assert_eq!(lead(1).await.unwrap().as_deref(), Some("Mifune"));
        assert_eq!(lead(2).await.unwrap(), None);
        assert_eq!(of(1).columns(Movie::EXTRA.at("tags").text_at(1)).one(db).await.unwrap().as_deref(), Some("dust"));
        assert_eq!(of(2).columns(Movie::EXTRA.text_at("color")).one(db).await.unwrap().as_deref(), Some("false"));
        assert_eq!(of(3).columns(Movie::EXTRA.text_at("minutes")).one(db).await.unwrap().as_deref(), Some("90"));
        assert_eq!(of(4).columns(Movie::EXTRA.at("x")).one(db).await.unwrap(), None);
        assert_eq!(found(&backend, Movie::EXTRA.text_at("minutes").cast::<i64>().gt(80)).await.unwrap(), [3]);
        assert_eq!(found(&backend, Movie::EXTRA.text_at(["cast", "lead"]).eq("Mifune")).await.unwrap(), [1]);
        let odd = json!({"it's \\ \"ü\"": {"a.b": null}});
        Movie::update([Movie::EXTRA.set(Json(odd))]).filter(Movie::ID.eq(4)).run_on(db).await.unwrap();
        assert_eq!(of(4).columns(Movie::EXTRA.at(["it's \\ \"ü\"", "a.b"])).one(db).await.unwrap(), Some(json!(null)));
        assert_eq!(of(4).columns(Movie::EXTRA.text_at(["it's \\ \"ü\"", "a.b"])).one(db).await.unwrap(), None);
    }

    async fn documents_are_searched(backend) {
        tables(&backend).await;
        films(&backend.db).await;
        assert_eq!(found(&backend, Movie::EXTRA.has_key("color")).await.unwrap(), [2]);
        assert_eq!(found(&backend, Movie::EXTRA.has_key("\"'?")).await.unwrap(), [] as [i64; 0]);
        assert_eq!(found(&backend, !Movie::EXTRA.has_key("tags")).await.unwrap(), [4]);
        let contains = found(&backend, Movie::EXTRA.contains_json(json!({"tags": ["dust"]}))).await;
        if backend.is_postgres() || backend.is_mysql() {
            assert_eq!(contains.unwrap(), [1]);
        } else {
            assert_eq!(contains.unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }

    async fn rows_are_compared_as_wholes(backend) {
        tables(&backend).await;
        let db = &backend.db;
        let seats: Vec<_> = [(1, 5), (1, 9), (2, 1), (2, 7)]
            .map(|(hall, number)| Seat { hall, number, taken: hall == 1, price: 1 })
            .into();
        Seat::insert_rows(&seats).run_on(db).await.unwrap();
        let place = || row((Seat::HALL, Seat::NUMBER));
        let keys = |condition| async move {
            let seats = Seat::select().filter(condition).order_by(Seat::HALL.asc()).order_by(Seat::NUMBER.asc());
            seats.columns((Seat::HALL, Seat::NUMBER)).all(db).await.unwrap()
        };
        assert_eq!(keys(place().eq((1, 9))).await, [(1, 9)]);
        assert_eq!(keys(place().gt((1, 9))).await, [(2, 1), (2, 7)]);
        assert_eq!(keys(place().le((2, 1)) & place().ne((1, 5))).await, [(1, 9), (2, 1)]);
        assert_eq!(keys(place().in_([(2, 7), (1, 5), (3, 3)])).await, [(1, 5), (2, 7)]);
        assert_eq!(keys(place().in_([] as [(i32, i32); 0])).await, []);
        assert_eq!(keys(!place().in_([(2, 7)])).await, [(1, 5), (1, 9), (2, 1)]);
        assert_eq!(keys(Seat::key_is(&(2, 1))).await, [(2, 1)]);
        assert_eq!(keys(Seat::key_in(&[(2, 1), (1, 5)])).await, [(1, 5), (2, 1)]);
        let free = Seat::update([Seat::TAKEN.set(true), Seat::PRICE.set(Seat::PRICE + 1)]).filter(!Seat::TAKEN);
        let free = free.returning().run_on(db).await.unwrap();
        assert_eq!(free.iter().map(|seat| (seat.taken, seat.price)).collect::<Vec<_>>(), [(true, 2), (true, 2)]);
    }
}
