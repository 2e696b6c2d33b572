//! [`Update`] and [`Delete`]: the typed statements that change rows, and [`Returning`], which gives the rows back.

use std::{fmt, marker::PhantomData};

use super::{
    assignment::Assignment,
    expr::Expr,
    insert_plan::{write_returning, write_set},
    key::Key as _,
    node::{Node, Source},
    query::Query,
    read_back::{KEYS, KeyValues, by_keys, write_select},
    row_value::key_in,
    selection::{Selected, Selection},
    statements::{Form, Kind, Sql, key_value},
    traits::Model,
};
use crate::{
    db::{Database, Writer},
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    params::Params,
    row::Row,
    value::Value,
};

/// An update of rows of the model `M`. It tells how many rows it found, changed by it or not.
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
    set: Vec<(usize, Node)>,
    filter: Option<Expr<bool>>,
    marker: PhantomData<fn() -> M>,
}

/// A delete of rows of the model `M`. It tells how many there were.
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
    filter: Option<Expr<bool>>,
    marker: PhantomData<fn() -> M>,
}

/// An update or a delete `Q` that gives back an `R` for each row.
#[must_use = "a query does nothing before it is run"]
pub struct Returning<Q, R> {
    query: Q,
    selected: Vec<Selected>,
    read: fn(&Row, usize) -> Result<R>,
}

/// `Clone` and `Debug`, whatever the model; `filter` and `returning`.
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
            pub fn filter(mut self, condition: impl Into<Expr<bool>>) -> Self {
                self.filter = Some(Expr::both(self.filter, condition.into()));
                self
            }

            /// Gives back the rows in place of their number.
            ///
            /// On MySQL and MariaDB the rows are locked and read by statements of their own, in the same transaction.
            pub fn returning(self) -> Returning<Self, M> {
                Returning { query: self, selected: M::TABLE.all_selected(), read: M::read }
            }

            /// Gives back these columns and expressions of each row in place of the number of rows.
            pub fn returning_columns<S: Selection>(self, selection: S) -> Returning<Self, S::Output> {
                let mut selected = Vec::with_capacity(S::WIDTH);
                selection.nodes(&mut selected);
                Returning { query: self, selected, read: S::read }
            }
        }
    )+};
}

writes! {
    Update { set, filter } "updated";
    Delete { filter } "deleted";
}

impl<Q: fmt::Debug, R> fmt::Debug for Returning<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { query, selected, read: _ } = self;
        f.debug_struct("Returning").field("query", query).field("selected", selected).finish_non_exhaustive()
    }
}

impl<Q, R> Returning<Q, R>
where
    Self: Query<Output = Vec<R>>,
{
    /// Runs it, and gives back the first row, which must be there.
    ///
    /// # Errors
    /// `NoRow` if no row was changed; else as [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, ErrorKind, Model, create_tables};
    /// # #[derive(Debug, Model)] struct Account { id: i64, owner: String, balance: i64 }
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # create_tables(&db, &[Account::TABLE]).await?;
    /// let more = Account::update([Account::BALANCE.set(Account::BALANCE + 5)]);
    /// let error = more.filter(Account::OWNER.eq("nobody")).returning().one(&db).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NoRow);
    /// # Ok(()) }
    /// ```
    pub async fn one(self, db: &Database) -> Result<R> {
        let sql = self.sql(db.dialect())?.0;
        let first = self.run_on(db).await?.into_iter().next();
        first.ok_or_else(|| Error::new(ErrorKind::NoRow, "no row was changed").with_statement(&sql))
    }
}

/// The condition, if there is one.
fn write_filter(filter: Option<&Expr<bool>>, to: &mut Writer) -> Result<()> {
    if let Some(filter) = filter {
        to.text(" WHERE ");
        filter.node.write(to)?;
    }
    Ok(())
}

impl<M: Model> Update<M> {
    pub(super) fn new(assignments: impl IntoIterator<Item = Assignment<M>>) -> Self {
        let set = assignments.into_iter().map(|Assignment { column, node, .. }| (column, node));
        Self { set: set.collect(), filter: None, marker: PhantomData }
    }

    /// The text and the parameters. That of a row by its key is kept.
    fn kept(&self, dialect: Dialect) -> Result<(Sql, Params)> {
        let build = || self.text(dialect, self.filter.as_ref(), &[]);
        let value = |(_, node): &(usize, Node)| match node {
            Node::Value(value) if !matches!(value, Value::Invalid(_)) => Some(value.clone()),
            _ => None,
        };
        if !self.set.is_empty()
            && let Some(key) = key_of::<M>(self.filter.as_ref())
            && let Some(form) = Form::new(dialect, Kind::Update, self.set.iter().map(|(column, _)| *column))
            && let Some(params) = self.set.iter().map(value).chain([Some(key.clone())]).collect()
        {
            return Ok((M::statements().text(form, build)?, params));
        }
        let (sql, params) = build()?;
        Ok((Sql::Built(sql), params))
    }

    fn text(&self, dialect: Dialect, filter: Option<&Expr<bool>>, returning: &[Selected]) -> Result<(String, Params)> {
        if self.set.is_empty() {
            return Err(Error::new(ErrorKind::Config, format!("an update of a {} that sets nothing", M::TABLE.model)));
        }
        let mut to = Writer::new(dialect);
        to.text("UPDATE ");
        M::TABLE.write(&mut to);
        to.text(" SET ");
        write_set(M::TABLE, &self.set, &mut to)?;
        write_filter(filter, &mut to)?;
        write_returning(returning, &mut to)?;
        Ok(to.finish())
    }
}

impl<M: Model> Delete<M> {
    pub(super) fn new() -> Self {
        Self { filter: None, marker: PhantomData }
    }

    /// The text and the parameters. That of a row by its key is kept.
    fn kept(&self, dialect: Dialect) -> Result<(Sql, Params)> {
        let build = || delete_text::<M>(dialect, self.filter.as_ref(), &[]);
        if let Some(key) = key_of::<M>(self.filter.as_ref())
            && let Some(form) = Form::new(dialect, Kind::Delete, [])
        {
            return Ok((M::statements().text(form, build)?, Params::from(vec![key.clone()])));
        }
        let (sql, params) = build()?;
        Ok((Sql::Built(sql), params))
    }
}

/// The value of the key, if the condition is no more than that.
fn key_of<M: Model>(filter: Option<&Expr<bool>>) -> Option<&Value> {
    key_value(M::TABLE, &Source::of(M::TABLE), &filter?.node)
}

fn delete_text<M: Model>(
    dialect: Dialect,
    filter: Option<&Expr<bool>>,
    returning: &[Selected],
) -> Result<(String, Params)> {
    let mut to = Writer::new(dialect);
    to.text("DELETE FROM ");
    M::TABLE.write(&mut to);
    write_filter(filter, &mut to)?;
    write_returning(returning, &mut to)?;
    Ok(to.finish())
}

impl<M: Model> Query for Update<M> {
    type Output = u64;

    /// Without assignments it sends nothing and changes no row.
    async fn run_on(self, db: &Database) -> Result<u64> {
        if self.set.is_empty() {
            return Ok(0);
        }
        let (sql, params) = self.kept(db.dialect())?;
        Ok(db.send(&sql, &params).await?.affected)
    }

    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        let (sql, params) = self.kept(dialect)?;
        Ok((sql.into(), params))
    }
}

impl<M: Model> Query for Delete<M> {
    type Output = u64;

    async fn run_on(self, db: &Database) -> Result<u64> {
        let (sql, params) = self.kept(db.dialect())?;
        Ok(db.send(&sql, &params).await?.affected)
    }

    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        let (sql, params) = self.kept(dialect)?;
        Ok((sql.into(), params))
    }
}

/// The rows that the condition holds for, locked: their keys, and what else is selected.
async fn locked<M: Model>(db: &Database, filter: Option<&Expr<bool>>, selected: &[Selected]) -> Result<Vec<Row>> {
    let mut to = Writer::new(db.dialect());
    write_select(M::TABLE, selected, &mut to)?;
    write_filter(filter, &mut to)?;
    to.text(" FOR UPDATE");
    let (sql, params) = to.finish();
    Ok(db.send(&sql, &params).await?.rows)
}

fn keys_of<M: Model>(rows: &[Row]) -> Result<Vec<KeyValues>> {
    rows.iter().map(|row| Ok(M::Key::read(row, 0)?.values().into_vec())).collect()
}

fn with_keys<M: Model>(keys: &[KeyValues]) -> Expr<bool> {
    Expr::new(key_in(M::TABLE, &Source::of(M::TABLE), keys.iter().cloned()))
}

impl<M: Model, R> Returning<Update<M>, R> {
    /// For servers that return nothing: the rows are locked, updated and read anew by their keys.
    async fn read_back(&self, db: &Database) -> Result<Vec<Row>> {
        let Update { set, filter, .. } = &self.query;
        if set.iter().any(|(column, _)| M::TABLE.is_key(*column)) {
            let text = format!("MySQL cannot give back a {} whose key is updated", M::TABLE.model);
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        db.atomic(|| async {
            let keys = keys_of::<M>(&locked::<M>(db, filter.as_ref(), &[]).await?)?;
            for some in keys.chunks(KEYS) {
                let (sql, params) = self.query.text(db.dialect(), Some(&with_keys::<M>(some)), &[])?;
                db.send(&sql, &params).await?;
            }
            by_keys::<M>(db, keys, &self.selected).await
        })
        .await
    }
}

impl<M: Model, R: Send> Query for Returning<Update<M>, R> {
    type Output = Vec<R>;

    async fn run_on(self, db: &Database) -> Result<Vec<R>> {
        if self.query.set.is_empty() {
            return Ok(Vec::new());
        }
        let (rows, first) = if db.dialect() == Dialect::Mysql {
            (self.read_back(db).await?, M::Key::WIDTH)
        } else {
            let (sql, params) = self.sql(db.dialect())?;
            (db.send(&sql, &params).await?.rows, 0)
        };
        rows.iter().map(|row| (self.read)(row, first)).collect()
    }

    /// On MySQL and MariaDB, where several statements are sent, the text of the update alone.
    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        let selected = if dialect == Dialect::Mysql { &[] } else { &*self.selected };
        self.query.text(dialect, self.query.filter.as_ref(), selected)
    }
}

impl<M: Model, R> Returning<Delete<M>, R> {
    /// For servers that return nothing: the rows are locked and read, then deleted by their keys.
    async fn read_ahead(&self, db: &Database) -> Result<Vec<Row>> {
        db.atomic(|| async {
            let rows = locked::<M>(db, self.query.filter.as_ref(), &self.selected).await?;
            for some in keys_of::<M>(&rows)?.chunks(KEYS) {
                let (sql, params) = delete_text::<M>(db.dialect(), Some(&with_keys::<M>(some)), &[])?;
                db.send(&sql, &params).await?;
            }
            Ok::<_, Error>(rows)
        })
        .await
    }
}

impl<M: Model, R: Send> Query for Returning<Delete<M>, R> {
    type Output = Vec<R>;

    async fn run_on(self, db: &Database) -> Result<Vec<R>> {
        let (rows, first) = if db.dialect() == Dialect::Mysql {
            (self.read_ahead(db).await?, M::Key::WIDTH)
        } else {
            let (sql, params) = self.sql(db.dialect())?;
            (db.send(&sql, &params).await?.rows, 0)
        };
        rows.iter().map(|row| (self.read)(row, first)).collect()
    }

    /// On MySQL and MariaDB, where several statements are sent, the text of the delete alone.
    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        let selected = if dialect == Dialect::Mysql { &[] } else { &*self.selected };
        delete_text::<M>(dialect, self.query.filter.as_ref(), selected)
    }
}
