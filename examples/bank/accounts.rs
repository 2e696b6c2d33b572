//! What a bank does. Each function takes part in the transaction that its caller has open, whoever that is.

use chrono::Utc;
use nestling::{Manager, Model as _};

use super::{
    answer::Refusal,
    jobs::Queue,
    schema::{Account, Entry},
};

/// Opens an account.
///
/// # Errors
/// `Invalid` for a name or an amount that cannot be; else those of the database.
pub(crate) async fn open(objects: &Manager, tenant: &str, owner: &str, balance: i64) -> Result<Account, Refusal> {
    if owner.is_empty() || owner.chars().count() > 255 {
        return Err(Refusal::Invalid("an owner has a name of up to 255 characters"));
    }
    if balance < 0 {
        return Err(Refusal::Invalid("a balance is not below zero"));
    }
    let values = [Account::TENANT.set(tenant), Account::OWNER.set(owner), Account::BALANCE.set(balance)];
    Ok(objects.create(values).await?)
}

/// The account of this number.
///
/// # Errors
/// `NotFound` if the tenant has none.
pub(crate) async fn get(objects: &Manager, tenant: &str, id: i64) -> Result<Account, Refusal> {
    let account = Account::select().filter(Account::ID.eq(id) & Account::TENANT.eq(tenant));
    objects.get_or_none(account).await?.ok_or(Refusal::NotFound)
}

/// Transfers money from one account to another, and queues a letter to its owner, which is written once all this is committed.
///
/// # Errors
/// `NotFound`, `NotCovered`, `Invalid`; else those of the database.
pub(crate) async fn transfer(
    objects: &Manager,
    queue: &Queue,
    tenant: &str,
    (from, to, amount): (i64, i64, i64),
) -> Result<(), Refusal> {
    if amount <= 0 || from == to {
        return Err(Refusal::Invalid("an amount above zero goes from one account to another"));
    }
    // In the order of their numbers: two transfers in opposite directions do not wait for each other.
    let ids = [from.min(to), from.max(to)];
    let both = Account::select().filter(Account::ID.in_(ids) & Account::TENANT.eq(tenant));
    let locked: Vec<Account> = objects.execute(both.order_by(Account::ID.asc()).for_update()).await?;
    let [payer, payee] = [from, to].map(|id| locked.iter().find(|account| account.id == id).cloned());
    let (Some(payer), Some(payee)) = (payer, payee) else { return Err(Refusal::NotFound) };
    if payer.balance < amount {
        return Err(Refusal::NotCovered);
    }
    for (account, other, amount) in [(&payer, to, -amount), (&payee, from, amount)] {
        let values = [
            Entry::TENANT.set(tenant),
            Entry::ACCOUNT.set(account.id),
            Entry::OTHER.set(other),
            Entry::AMOUNT.set(amount),
            Entry::AT.set(Utc::now()),
        ];
        objects.create::<Entry>(values).await?;
        let update = Account::update([Account::BALANCE.set(Account::BALANCE + amount)]);
        objects.execute(update.filter(Account::ID.eq(account.id))).await?;
    }
    let (queue, tenant) = (queue.clone(), tenant.to_owned());
    let letter = format!("{} has sent you {amount}, {}", payer.owner, payee.owner);
    Ok(objects.on_commit(move || async move { queue.add(&tenant, &letter).await }).await?)
}

/// A page of an account's entries, the newest first: those below a number, or from the newest on.
///
/// # Errors
/// `NotFound`; else those of the database.
pub(crate) async fn entries(
    objects: &Manager,
    tenant: &str,
    id: i64,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<Entry>, Refusal> {
    get(objects, tenant, id).await?;
    let mut page = Entry::select().filter(Entry::ACCOUNT.eq(id) & Entry::TENANT.eq(tenant));
    if let Some(before) = before {
        page = page.filter(Entry::ID.lt(before));
    }
    Ok(objects.execute(page.order_by(Entry::ID.desc()).limit(limit.clamp(1, 100))).await?)
}
