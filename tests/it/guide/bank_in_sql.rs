//! A small bank in SQL, for those who come from sqlx.

use nestling::{Database, Error, FromRow, params, raw};

#[derive(Debug, PartialEq, FromRow)]
struct Account {
    name: String,
    balance: i64,
}

/// The new balance.
async fn deposit(db: &Database, name: &str, amount: i64) -> Result<i64, Error> {
    let sql = "update account set balance = balance + $1 where name = $2 returning balance";
    db.query_one(sql, params![amount, name]).await?.get(0)
}

async fn transfer(db: &Database, from: &str, to: &str, amount: i64) -> Result<(), Error> {
    db.atomic(|| async {
        deposit(db, from, -amount).await?;
        deposit(db, to, amount).await?;
        Ok(())
    })
    .await
}

/// Pays everybody, as far as the money goes. Who got nothing is returned.
async fn payday(db: &Database, wages: &[(&str, i64)]) -> Result<Vec<String>, Error> {
    db.atomic(|| async {
        let mut unpaid = Vec::new();
        for &(name, amount) in wages {
            match transfer(db, "firm", name, amount).await {
                Ok(()) => {}
                Err(error) if error.is_check_violation() => unpaid.push(name.to_owned()),
                Err(error) => return Err(error),
            }
        }
        Ok(unpaid)
    })
    .await
}

async fn accounts(db: &Database) -> Result<Vec<Account>, Error> {
    raw("select name, balance from account order by name", params![]).all(db).await
}

/// What a test does: everything happens, and nothing is kept.
async fn test_payday(db: &Database) -> Result<(), Error> {
    db.atomic(|| async {
        let unpaid = payday(db, &[("ada", 60), ("grace", 60), ("linus", 30)]).await?;
        assert_eq!(unpaid, ["grace"]);
        let balances: Vec<i64> = accounts(db).await?.iter().map(|account| account.balance).collect();
        assert_eq!(balances, [60, 10, 0, 30]); // ada, firm, grace, linus
        db.set_rollback_only()
    })
    .await
}

test_on! {
    postgres_and_sqlite;

    async fn a_payday_is_tested_and_nothing_is_kept(backend) {
        let db = &backend.db;
        let table = "create table account (name text primary key, balance bigint not null check (balance >= 0))";
        db.batch(table).await.unwrap();
        db.batch("insert into account values ('firm', 100), ('ada', 0), ('grace', 0), ('linus', 0)").await.unwrap();

        let before = accounts(db).await.unwrap();
        assert_eq!((&*before[1].name, before[1].balance), ("firm", 100));
        test_payday(db).await.unwrap();
        assert_eq!(accounts(db).await.unwrap(), before);
        assert_eq!(payday(db, &[("ada", 100), ("grace", 1)]).await.unwrap(), ["grace"]);
        assert_eq!(accounts(db).await.unwrap()[0].balance, 100, "what is not rolled back is kept");
        let nobody = transfer(db, "ada", "nobody", 1).await.unwrap_err();
        assert_eq!(nobody.kind(), nestling::ErrorKind::NoRow);
        assert_eq!(accounts(db).await.unwrap()[0].balance, 100, "the first half of the transfer is rolled back");
    }
}
