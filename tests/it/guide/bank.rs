//! A small bank on models, for those who come from sea-orm and diesel-async.

use nestling::{Error, Manager, Model};

#[derive(Debug, Clone, PartialEq, Model)]
struct Account {
    id: i64,
    #[model(unique, max_length = 100)]
    name: String,
    #[model(check = "balance >= 0")]
    balance: i64,
}

async fn deposit(objects: &Manager, name: &str, amount: i64) -> Result<(), Error> {
    let account: Account = objects.get(Account::NAME.eq(name)).await?; // `NoRow` if there is none
    let update = Account::update([Account::BALANCE.set(Account::BALANCE + amount)]);
    objects.execute(update.filter(Account::ID.eq(account.id))).await?;
    Ok(())
}

async fn transfer(objects: &Manager, from: &str, to: &str, amount: i64) -> Result<(), Error> {
    objects
        .atomic(|| async {
            deposit(objects, from, -amount).await?;
            deposit(objects, to, amount).await
        })
        .await
}

/// Pays everybody, as far as the money goes. Who got nothing is returned.
async fn payday(objects: &Manager, wages: &[(&str, i64)]) -> Result<Vec<String>, Error> {
    objects
        .atomic(|| async {
            let mut unpaid = Vec::new();
            for &(name, amount) in wages {
                match transfer(objects, "firm", name, amount).await {
                    Ok(()) => {}
                    Err(error) if error.is_check_violation() => unpaid.push(name.to_owned()),
                    Err(error) => return Err(error),
                }
            }
            Ok(unpaid)
        })
        .await
}

async fn accounts(objects: &Manager) -> Result<Vec<Account>, Error> {
    objects.execute(Account::select().order_by(Account::NAME.asc())).await
}

/// What a test does: everything happens, and nothing is kept.
async fn test_payday(objects: &Manager) -> Result<(), Error> {
    objects
        .atomic(|| async {
            let unpaid = payday(objects, &[("ada", 60), ("grace", 60), ("linus", 30)]).await?;
            assert_eq!(unpaid, ["grace"]);
            let balances: Vec<i64> = accounts(objects).await?.iter().map(|account| account.balance).collect();
            assert_eq!(balances, [60, 10, 0, 30]); // ada, firm, grace, linus
            objects.database().set_rollback_only()
        })
        .await
}

test_on! {
    every_backend;

    async fn a_payday_is_tested_and_nothing_is_kept(backend) {
        let objects = Manager::new(backend.db.clone());
        nestling::create_tables(objects.database(), &[Account::TABLE]).await.unwrap();
        let rows = [("firm", 100), ("ada", 0), ("grace", 0), ("linus", 0)];
        let rows = rows.map(|(name, balance)| Account { id: 0, name: name.to_owned(), balance });
        objects.bulk_create(&rows).await.unwrap();

        let before = accounts(&objects).await.unwrap();
        assert_eq!(before.iter().map(|account| account.balance).collect::<Vec<_>>(), [0, 100, 0, 0]);
        test_payday(&objects).await.unwrap();
        assert_eq!(accounts(&objects).await.unwrap(), before);
        assert_eq!(payday(&objects, &[("ada", 100), ("grace", 1)]).await.unwrap(), ["grace"]);
        assert_eq!(accounts(&objects).await.unwrap()[0].balance, 100, "what is not rolled back is kept");
        let nobody = transfer(&objects, "ada", "nobody", 1).await.unwrap_err();
        assert_eq!(nobody.kind(), nestling::ErrorKind::NoRow);
        assert_eq!(accounts(&objects).await.unwrap()[0].balance, 100, "the first half of the transfer is rolled back");
    }
}
