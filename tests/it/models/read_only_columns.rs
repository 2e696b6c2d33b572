//! Columns that only the database writes: left out of inserts and updates, and read back.

use nestling::{Dialect, ErrorKind, Manager, Model, Query, create_tables, model::create_statements, query::OnConflict};

#[derive(Debug, Clone, PartialEq, Model)]
struct Order {
    id: i64,
    price: i64,
    amount: i64,
    #[model(generated = "price * amount")]
    total: i64,
    #[model(read_only, default_sql = "7")]
    state: i64,
}

fn order(price: i64, amount: i64) -> Order {
    Order { id: 0, price, amount, total: -1, state: -1 }
}

test_on! {
    every_backend;

    // fault 5.4
    async fn what_the_database_writes_is_left_out_and_read_back(backend) {
        let db = &backend.db;
        let objects = Manager::new(db.clone());
        create_tables(db, &[Order::TABLE]).await.expect("the table");
        let made = objects.create([Order::PRICE.set(3), Order::AMOUNT.set(4)]).await.expect("created");
        assert_eq!((made.total, made.state), (12, 7));
        let keys = Order::insert_rows(&[order(5, 6), order(7, 8)]).run_on(db).await.expect("inserted");
        let second = objects.get(Order::by_key(keys[0])).await.expect("there");
        assert_eq!((second.total, second.state), (30, 7));
        assert_eq!(objects.update(&Order { price: 10, total: 5, state: 5, ..second }).await.expect("updated"), 1);
        let second = objects.get(Order::by_key(keys[0])).await.expect("there");
        assert_eq!((second.price, second.total, second.state), (10, 60, 7));
        let many: Vec<Order> = (0..60).map(|n| order(n, 2)).collect();
        let keys = objects.bulk_create(&many).await.expect("many");
        assert_eq!(objects.get(Order::by_key(keys[59])).await.expect("there").total, 118);
        let found = Order::select().filter(Order::TOTAL.eq(118)).all(db).await.expect("found by it");
        assert_eq!(found.len(), 1);
        let back = Order::update([Order::AMOUNT.set(9)]).filter(Order::ID.eq(made.id)).returning();
        assert_eq!(back.one(db).await.expect("updated").total, 27);
        let again = OnConflict::columns(Order::ID).update_columns(Order::PRICE);
        let row = Order::insert_rows([&Order { price: 1, ..made }]).on_conflict(again).returning().run_on(db).await;
        assert_eq!(row.expect("upserted")[0].total, 9);
    }

    // fault 5.4
    async fn what_is_set_all_the_same_is_refused_before_it_is_sent(backend) {
        let db = &backend.db;
        let objects = Manager::new(db.clone());
        create_tables(db, &[Order::TABLE]).await.expect("the table");
        let made = objects.create([Order::PRICE.set(3), Order::AMOUNT.set(4)]).await.expect("created");
        let insert = Order::insert([Order::PRICE.set(1), Order::AMOUNT.set(1), Order::TOTAL.set(5)]).run_on(db).await;
        let update = Order::update([Order::STATE.set(5)]).run_on(db).await;
        let only = objects.update_only(&made, Order::STATE).await;
        let upsert = OnConflict::columns(Order::ID).update_columns((Order::PRICE, Order::TOTAL));
        let upsert = Order::insert([Order::PRICE.set(1), Order::AMOUNT.set(1)]).on_conflict(upsert).run_on(db).await;
        let errors = [insert.expect_err("refused"), update.expect_err("refused"), only.expect_err("refused"), upsert.expect_err("refused")];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.to_string().contains("is read-only"), "{error}");
        }
        assert_eq!(Order::select().all(db).await.expect("one"), [made]);
    }
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Ticket {
    #[model(generated)]
    id: i64,
    title: String,
    #[model(generated)]
    size: Option<i64>,
}

test_on! {
    every_backend;

    // fault 5.4: a table of a migration, whose expressions the model does not tell
    async fn a_table_that_was_made_otherwise_has_generated_columns_and_keys(backend) {
        let sql = backend.choose(
            "create table ticket (id bigint generated always as identity primary key, title text not null,
             size bigint generated always as (length(title)) stored)",
            "create table ticket (id bigint auto_increment primary key, title varchar(50) not null,
             size bigint generated always as (char_length(title)) stored)",
            "create table ticket (id integer primary key, title text not null,
             size integer generated always as (length(title)) virtual)",
        );
        backend.observer().batch(sql).await.expect("the table");
        let db = &backend.db;
        let objects = Manager::new(db.clone());
        let made: Ticket = objects.create([Ticket::TITLE.set("abc")]).await.expect("created");
        assert_eq!(made, Ticket { id: 1, title: "abc".into(), size: Some(3) });
        let rows: Vec<Ticket> = (0..60).map(|n| Ticket { id: n + 500, title: "x".repeat(5), size: None }).collect();
        assert_eq!(objects.bulk_create(&rows).await.expect("many")[59], 61, "keys are the database's");
        assert_eq!(objects.update(&Ticket { title: "abcd".into(), ..made }).await.expect("updated"), 1);
        assert_eq!(objects.get(Ticket::by_key(1)).await.expect("there").size, Some(4));
    }
}

#[test]
fn a_generated_column_is_made_with_its_expression_or_not_at_all() {
    let sql = create_statements(Dialect::Postgres, &[Order::TABLE]).expect("statements").remove(0);
    assert!(sql.contains("\"total\" bigint GENERATED ALWAYS AS (price * amount) STORED NOT NULL"), "{sql}");
    let error = create_statements(Dialect::Sqlite, &[Ticket::TABLE]).expect_err("its expression is not told");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.to_string(), "the field size of Ticket is generated, and its model does not say by what");
}
