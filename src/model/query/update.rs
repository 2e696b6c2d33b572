//! [`Update`] and [`Delete`]: the typed statements that change rows.

use std::{fmt, marker::PhantomData};

use super::{
    insert_plan::{write_returning, write_set},
    query::Query,
    selection::SelectItem,
};
use crate::{
    data::params::Params,
    db::{Database, Writer},
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::{
        expr::{Assignment, Condition, Expr, Node},
        table::{Model, Table},
    },
};

/// An update of rows of the model `M`. Its output is the number of rows found, whether they changed or not.
///
/// # Examples
/// ```
/// # use nestling::{Database, Model, Query};
/// # #[derive(Model)] struct Account { id: i64, balance: i64 }
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// # let db = Database::open("sqlite::memory:")?;
/// # db.batch("create table account (id integer primary key, balance integer)").await?;
/// Account::insert_many([10, 20].map(|balance| [Account::BALANCE.set(balance)])).run_on(&db).await?;
/// let update = Account::update([Account::BALANCE.set(Account::BALANCE + 5)]).filter(Account::BALANCE.lt(15));
/// assert_eq!(update.clone().run_on(&db).await?, 1);
/// assert!(update.returning().run_on(&db).await?.is_empty(), "none has less than 15 now");
/// # Ok(()) }
/// ```
#[must_use = "a query does nothing before it is run"]
pub struct Update<M> {
    pub(crate) set: Vec<(usize, Node)>,
    pub(crate) filter: Option<Expr<bool>>,
    marker: PhantomData<fn() -> M>,
}

/// A delete of rows of the model `M`. Its output is their number.
///
/// # Examples
/// ```
/// # use nestling::{Database, Model, Query};
/// # #[derive(Model)] struct Account { id: i64, balance: i64 }
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// # let db = Database::open("sqlite::memory:")?;
/// # db.batch("create table account (id integer primary key, balance integer)").await?;
/// Account::insert_many([10, 20].map(|balance| [Account::BALANCE.set(balance)])).run_on(&db).await?;
/// let gone = Account::delete().filter(Account::BALANCE.gt(15)).returning_columns(Account::BALANCE);
/// assert_eq!(gone.run_on(&db).await?, [20]);
/// # Ok(()) }
/// ```
#[must_use = "a query does nothing before it is run"]
pub struct Delete<M> {
    pub(crate) filter: Option<Expr<bool>>,
    marker: PhantomData<fn() -> M>,
}

/// `Clone` and `Debug`, whatever the model; and `filter`.
macro_rules! writes {
    ($($name:ident { $($field:ident),* } $what:literal;)+) => {$(
        impl<M> Clone for $name<M> {
            fn clone(&self) -> Self {
                Self { $($field: self.$field.clone(),)* marker: PhantomData }
            }
        }

        impl<M> fmt::Debug for $name<M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($field), &self.$field))*.finish()
            }
        }

        impl<M: Model> $name<M> {
            #[doc = concat!("Only rows for which the condition holds are ", $what, ". Called again, both must hold.")]
            pub fn filter(mut self, condition: impl Condition) -> Self {
                self.filter = Some(Expr::both(self.filter, condition.into()));
                self
            }
        }
    )+};
}

writes! {
    Update { set, filter } "updated";
    Delete { filter } "deleted";
}

/// The condition, if there is one.
pub(crate) fn write_filter(filter: Option<&Expr<bool>>, to: &mut Writer) -> Result<()> {
    if let Some(filter) = filter {
        to.text(" WHERE ");
        filter.node.write(to)?;
    }
    Ok(())
}

impl<M: Model> Update<M> {
    pub(crate) fn new(assignments: impl IntoIterator<Item = Assignment<M>>) -> Self {
        let set = assignments.into_iter().map(|Assignment { column, node, .. }| (column, node));
        Self { set: set.collect(), filter: None, marker: PhantomData }
    }

    /// The text and the parameters.
    pub(crate) fn text(
        &self,
        dialect: Dialect,
        filter: Option<&Expr<bool>>,
        returning: &[SelectItem],
    ) -> Result<(String, Params)> {
        if self.set.is_empty() {
            return Err(Error::new(ErrorKind::Config, format!("an update of a {} that sets nothing", M::TABLE.model)));
        }
        let mut to = Writer::new(dialect);
        to.text("UPDATE ");
        M::TABLE.write(&mut to);
        if !to.can().reads_what_it_writes && self.reads_itself(filter) {
            let set = write_chosen(M::TABLE, filter, &self.set, &mut to)?;
            to.text(" SET ");
            write_set(M::TABLE, &set, &mut to)?;
            return Ok(to.finish());
        }
        to.text(" SET ");
        write_set(M::TABLE, &self.set, &mut to)?;
        write_filter(filter, &mut to)?;
        write_returning(returning, &mut to)?;
        Ok(to.finish())
    }
}

impl<M: Model> Update<M> {
    /// Whether a sub-query reads the table that is written.
    fn reads_itself(&self, filter: Option<&Expr<bool>>) -> bool {
        reads(M::TABLE, filter) || self.set.iter().any(|(_, node)| node.reads(M::TABLE))
    }
}

/// Whether a sub-query of the condition reads the table.
fn reads(table: &Table, filter: Option<&Expr<bool>>) -> bool {
    filter.is_some_and(|filter| filter.node.reads(table))
}

/// MySQL cannot read the table that it writes: the statement is joined with a derived table of the chosen rows and of the
/// values from sub-queries, which is materialized before the first row is written. (The limit keeps MySQL from merging
/// the two.) Returns the assignments.
fn write_chosen(
    table: &'static Table,
    filter: Option<&Expr<bool>>,
    set: &[(usize, Node)],
    to: &mut Writer,
) -> Result<Vec<(usize, Node)>> {
    let key = |at: usize| format!("nestling_key_{at}");
    to.text(" INNER JOIN (SELECT ");
    for (at, SelectItem { node, .. }) in table.key_selected().iter().enumerate() {
        to.text(if at == 0 { "" } else { ", " });
        node.write(to)?;
        to.text(" AS ");
        to.name(&key(at));
    }
    let mut outside = Vec::with_capacity(set.len());
    for (column, node) in set {
        if !node.reads(table) {
            outside.push((*column, node.clone()));
            continue;
        }
        let name = format!("nestling_value_{column}");
        to.text(", ");
        node.write(to)?;
        to.text(" AS ");
        to.name(&name);
        outside.push((*column, Node::Sql(format!("`nestling_rows`.`{name}`").into())));
    }
    to.text(" FROM ");
    table.write(to);
    write_filter(filter, to)?;
    to.text(" LIMIT 9223372036854775807) AS `nestling_rows` ON ");
    for (at, SelectItem { node, .. }) in table.key_selected().iter().enumerate() {
        to.text(if at == 0 { "" } else { " AND " });
        node.write(to)?;
        to.text(" = `nestling_rows`.");
        to.name(&key(at));
    }
    Ok(outside)
}

impl<M: Model> Delete<M> {
    pub(crate) fn new() -> Self {
        Self { filter: None, marker: PhantomData }
    }
}

pub(crate) fn delete_text<M: Model>(
    dialect: Dialect,
    filter: Option<&Expr<bool>>,
    returning: &[SelectItem],
) -> Result<(String, Params)> {
    let mut to = Writer::new(dialect);
    to.text("DELETE ");
    if !to.can().reads_what_it_writes && reads(M::TABLE, filter) {
        M::TABLE.write(&mut to);
        to.text(" FROM ");
        M::TABLE.write(&mut to);
        write_chosen(M::TABLE, filter, &[], &mut to)?;
        return Ok(to.finish());
    }
    to.text("FROM ");
    M::TABLE.write(&mut to);
    write_filter(filter, &mut to)?;
    write_returning(returning, &mut to)?;
    Ok(to.finish())
}

impl<M: Model> Query for Update<M> {
    type Output = u64;

    /// An update without assignments sends nothing.
    async fn run_on(self, db: &Database) -> Result<u64> {
        if self.set.is_empty() {
            return Ok(0);
        }
        let (sql, params) = self.sql(db.dialect())?;
        Ok(db.send(&sql, &params).await?.affected)
    }

    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        self.text(dialect, self.filter.as_ref(), &[])
    }
}

impl<M: Model> Query for Delete<M> {
    type Output = u64;

    async fn run_on(self, db: &Database) -> Result<u64> {
        let (sql, params) = self.sql(db.dialect())?;
        Ok(db.send(&sql, &params).await?.affected)
    }

    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        delete_text::<M>(dialect, self.filter.as_ref(), &[])
    }
}
