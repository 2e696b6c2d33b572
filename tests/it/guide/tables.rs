//! What the tables of the guides name beside the calls of other libraries: each call is made here. The last test of
//! [`super`] looks at that.

use nestling::{
    Context, Database, Error, ErrorKind, ForeignKey, FromRow, Isolation, Manager, Model, create_tables,
    model::TextEnum,
    params,
    query::{
        OnConflict, functions,
        sea_query::{Alias, Query},
    },
    raw,
    types::Json,
};

#[derive(Debug, Clone, Copy, PartialEq, TextEnum)]
enum Kind {
    Private,
    Firm,
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Account {
    id: i64,
    #[model(unique, max_length = 100)]
    name: String,
    #[model(check = "balance >= 0", default = 0)]
    balance: i64,
    #[model(default = Kind::Private)]
    kind: Kind,
    #[model(default = Json(Vec::new()))]
    tags: Json<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Payment {
    id: i64,
    account: ForeignKey<Account>,
    amount: i64,
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Note {
    id: i64,
    payment: ForeignKey<Payment>,
    text: String,
}

#[derive(Debug, PartialEq, FromRow)]
struct Line {
    name: String,
    balance: i64,
}

/// Three accounts with 10, 20 and 30; a payment of the first, and a note on it.
async fn bank(db: &Database) -> Result<Manager, Error> {
    create_tables(db, &[Account::TABLE, Payment::TABLE, Note::TABLE]).await?;
    let objects = Manager::new(db.clone());
    let rows = [("ada", 10), ("bob", 20), ("firm", 30)];
    let rows = rows.map(|(name, balance)| [Account::NAME.set(name), Account::BALANCE.set(balance)]);
    objects.execute(Account::insert_many(rows)).await?;
    let ada: Account = objects.get(Account::NAME.eq("ada")).await?;
    let payment: Payment = objects.create([Payment::ACCOUNT.set(&ada), Payment::AMOUNT.set(5)]).await?;
    objects.create::<Note>([Note::PAYMENT.set(&payment), Note::TEXT.set("rent")]).await?;
    Ok(objects)
}

test_on! {
    every_backend;

    async fn what_stands_beside_sqlx_does_what_it_says(backend) {
        let db = &backend.db;
        let objects = bank(db).await.unwrap();
        drop((Database::builder(backend.url()).build().unwrap(), Database::open(backend.url()).unwrap()));
        let sql = "select name, balance from account where balance > $1 order by name";
        let read = db.build_transaction().isolation(Isolation::Serializable).atomic(|| async {
            assert_eq!(db.execute("update account set balance = balance + $1 where name = $2", params![1, "ada"]).await?, 1);
            db.set_rollback_only()
        });
        read.await.unwrap();
        assert_eq!(db.query(sql, params![10]).await.unwrap().len(), 2);
        assert_eq!(db.query_one(sql, params![25]).await.unwrap().get::<String>(0).unwrap(), "firm");
        assert!(db.query_opt(sql, params![99]).await.unwrap().is_none());
        assert!(db.stream(sql, params![0]).await.unwrap().next().await.unwrap().is_ok());
        let bob = Line { name: "bob".into(), balance: 20 };
        assert_eq!(raw::<Line>(sql, params![0]).all(db).await.unwrap()[1], bob);
        assert_eq!(raw::<Line>(sql, params![10]).one(db).await.unwrap(), bob);
        assert_eq!(raw::<Line>(sql, params![10]).first(db).await.unwrap(), Some(bob));
        assert!(raw::<(String, i64)>(sql, params![0]).stream(db).await.unwrap().next().await.unwrap().is_ok());
        db.batch("update account set balance = 0; update account set balance = 1").await.unwrap();
        let statement = Query::select().column(Alias::new("balance")).from(Alias::new("account")).take();
        assert_eq!(db.run(&statement).await.unwrap().rows[0].get::<i64>(0).unwrap(), 1);
        let error = db.execute("update account set balance = -1", params![]).await.unwrap_err();
        assert!(error.is_check_violation() && !error.is_unique_violation());
        let firm = Account::update([Account::KIND.set(Kind::Firm), Account::TAGS.set(Json(vec!["big".to_owned()]))]);
        objects.execute(firm.filter(Account::NAME.eq("firm"))).await.unwrap();
        let firm: Account = objects.get(Account::KIND.eq(Kind::Firm)).await.unwrap();
        assert_eq!((&*firm.name, &*firm.tags.0), ("firm", &["big".to_owned()][..]));
        let native = db.with_postgres(|client| async move {
            client.simple_query("select 1").await.expect("the client works");
            Ok::<_, Error>(())
        });
        assert_eq!(native.await.is_ok(), backend.is_postgres());
        assert_eq!(db.listen(["news"]).await.is_ok(), backend.is_postgres());
        let options = backend.builder().before_acquire(|_connection, _info| async { Ok::<_, Error>(true) });
        let options = options.after_connect(|connection| async move { connection.batch("select 1").await });
        let other = options.reset_on_return(true).build().unwrap();
        let scoped = nestling::scope(other.query("select 1", params![])).set_local("app.tenant", "7");
        assert_eq!(scoped.await.is_ok(), backend.is_postgres());
    }

    async fn what_stands_beside_sea_orm_and_diesel_does_what_it_says(backend) {
        let db = &backend.db;
        let objects = bank(db).await.unwrap();
        let row: Account = objects.get_or_none::<Account>(Account::ID.eq(1)).await.unwrap().unwrap();
        let all = || Account::select().order_by(Account::NAME.asc());
        let read = db.build_transaction().isolation(Isolation::Serializable).read_only();
        assert_eq!(read.atomic(|| all().filter(Account::BALANCE.gt(10)).all(db)).await.unwrap().len(), 2);
        assert_eq!(all().into::<Line>().all(db).await.unwrap()[0], Line { name: "ada".into(), balance: 10 });
        assert_eq!(objects.iterate(all()).await.unwrap().next().await.unwrap().unwrap(), row);
        let more = Account { balance: 11, ..row.clone() };
        assert_eq!(objects.update(&more).await.unwrap() + objects.update_only(&row, Account::NAME).await.unwrap(), 2);
        assert_eq!(objects.execute(Account::update([Account::BALANCE.set(Account::BALANCE + 5)])).await.unwrap(), 3);
        let in_list = all().filter(Account::BALANCE.in_([16, 25])).columns((Account::NAME, Account::BALANCE));
        assert_eq!(objects.execute(in_list).await.unwrap(), [("ada".into(), 16), ("bob".into(), 25)]);
        assert_eq!(objects.count(all().limit(2).offset(2)).await.unwrap(), 1);
        let page = objects.execute(all().page(1, 1)).await.unwrap();
        assert_eq!(objects.execute(all().after(&page.rows[0])).await.unwrap().len(), 2);
        assert_eq!(Account::raw("select * from account where id = $1", params![1]).one(db).await.unwrap().balance, 16);

        let joined = Payment::select().join(Payment::ACCOUNT).columns((Payment::relation(), Account::relation()));
        let (payment, account) = &objects.execute(joined).await.unwrap()[0];
        assert_eq!((payment.amount, &*account.name), (5, "ada"));
        let left = Account::select().left_join(Payment::ACCOUNT).columns(Payment::AMOUNT.nullable());
        assert_eq!(objects.execute(left).await.unwrap().iter().flatten().count(), 1);
        let notes = Note::PAYMENT.children(Note::select());
        let tree = objects.prefetch(all(), Payment::ACCOUNT.children(Payment::select()).with(notes)).await.unwrap();
        assert_eq!(tree[0].children[0].children[0].text, "rent");

        assert_eq!(db.sandbox(|| objects.execute(Note::delete())).await.unwrap(), 1);
        assert_eq!(objects.count(Note::select()).await.unwrap(), 1, "it was undone");

        let ada = || [Account::NAME.set("ada"), Account::BALANCE.set(1)];
        let error = objects.create(ada()).await.unwrap_err();
        assert!(error.is_unique_violation() && error.violates(Account::NAME));
        assert_eq!(objects.execute(Account::insert(ada()).on_conflict_ignore()).await.unwrap(), None);
        let update = OnConflict::columns(Account::NAME).update_columns(Account::BALANCE);
        objects.execute(Account::insert(ada()).on_conflict(update)).await.unwrap();
        let add = OnConflict::columns(Account::NAME).update([Account::BALANCE.set(Account::BALANCE + 1)]);
        objects.execute(Account::insert(ada()).on_conflict(add)).await.unwrap();
        let back = Account::update([Account::BALANCE.set(3)]).filter(Account::ID.eq(1)).returning();
        assert_eq!(objects.execute(back).await.unwrap()[0].balance, 3);
        let cy = Account::insert([Account::NAME.set("cy")]).returning();
        assert_eq!(objects.execute(cy).await.unwrap().balance, 0);
        let dee = Account { id: 0, name: "dee".into(), ..row };
        assert_eq!(objects.bulk_create(&[dee]).await.unwrap().len(), 1);
        let shout = functions::function::<String>("upper", [Account::NAME.expr()]);
        assert_eq!(objects.scalar(all().columns(shout)).await.unwrap(), Some("ADA".into()));
        assert_eq!(objects.execute(Account::delete().filter(Account::NAME.eq("dee"))).await.unwrap(), 1);
        assert_eq!(objects.get::<Account>(Account::ID.eq(99)).await.unwrap_err().kind(), ErrorKind::NoRow);
        let gone: Account = objects.get(Account::ID.eq(1)).await.unwrap();
        assert_eq!(objects.delete(&gone).recursive().delete_nullable().await.unwrap(), 1);
        let outside = Context::current().enter(async { db.in_transaction() });
        assert!(!outside.await);
    }
}

test_on! {
    postgres_and_sqlite;

    async fn upserts_have_conditions(backend) {
        let db = &backend.db;
        let objects = bank(db).await.unwrap();
        db.batch("create unique index rich on account (balance) where balance > 25").await.unwrap();
        let row = || [Account::NAME.set("other"), Account::BALANCE.set(30)];
        let rich = || functions::sql("balance > 25");
        let rename = || OnConflict::columns(Account::BALANCE).filter(rich()).update_columns(Account::NAME);
        let never = Account::insert(row()).on_conflict_if(rename(), Account::NAME.eq("nobody"));
        assert_eq!(objects.execute(never).await.unwrap(), None);
        assert_eq!(objects.execute(Account::insert(row()).on_conflict(rename())).await.unwrap(), 3);
    }
}
