//! [`Returning`]: an update or a delete that returns rows.

use std::fmt;

use super::{
    by_keys::{KEYS_PER_QUERY, KeyValues, by_keys, write_select},
    query::Query,
    selection::{SelectItem, Selection},
    update::{Delete, Update, delete_text, write_filter},
};
use crate::{
    data::{params::Params, row::Row},
    db::{Database, Writer},
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::{
        expr::{Expr, Qualifier, key_in},
        table::{Key as _, Model},
    },
};

/// An update or a delete `Q` that returns an `R` for each row.
#[must_use = "a query does nothing before it is run"]
pub struct Returning<Q, R> {
    pub(crate) query: Q,
    pub(crate) selected: Vec<SelectItem>,
    pub(crate) read: fn(&Row, usize) -> Result<R>,
}

impl<Q: fmt::Debug, R> fmt::Debug for Returning<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { query, selected, read: _ } = self;
        f.debug_struct("Returning").field("query", query).field("selected", selected).finish_non_exhaustive()
    }
}

/// `returning` of a statement that changes rows.
macro_rules! returning {
    ($($type:ident),+) => {$(
        impl<M: Model> $type<M> {
            /// Returns the rows instead of their number.
            ///
            /// On MySQL and MariaDB the rows are locked and read by statements of their own, in the same transaction.
            pub fn returning(self) -> Returning<Self, M> {
                Returning { query: self, selected: M::TABLE.all_selected(), read: M::read }
            }

            /// Returns these columns and expressions of each row instead of the number of rows.
            pub fn returning_columns<S: Selection>(self, selection: S) -> Returning<Self, S::Output> {
                let mut selected = Vec::with_capacity(S::WIDTH);
                selection.nodes(&mut selected);
                Returning { query: self, selected, read: S::read }
            }
        }
    )+};
}

returning!(Update, Delete);

impl<Q, R> Returning<Q, R>
where
    Self: Query<Output = Vec<R>>,
{
    /// Runs the statement, and returns the first row, which must exist.
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

/// Locks the rows that the condition holds for, and returns their keys and the selected columns.
async fn locked<M: Model>(db: &Database, filter: Option<&Expr<bool>>, selected: &[SelectItem]) -> Result<Vec<Row>> {
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
    Expr::new(key_in(M::TABLE, &Qualifier::of(M::TABLE), keys.iter().cloned()))
}

impl<M: Model, R> Returning<Update<M>, R> {
    /// For servers without RETURNING: the rows are locked, updated and read again by their keys.
    async fn read_back(&self, db: &Database) -> Result<Vec<Row>> {
        let Update { set, filter, .. } = &self.query;
        if set.iter().any(|(column, _)| M::TABLE.is_key(*column)) {
            let text = format!("MySQL cannot give back a {} whose key is updated", M::TABLE.model);
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        db.atomic(|| async {
            let keys = keys_of::<M>(&locked::<M>(db, filter.as_ref(), &[]).await?)?;
            for some in keys.chunks(KEYS_PER_QUERY) {
                let (sql, params) = self.query.text(db.dialect(), Some(&with_keys::<M>(some)), &[])?;
                db.send(&sql, &params).await?;
            }
            by_keys::<M>(db, keys, &self.selected, false).await
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
        let (rows, first) = if !db.dialect().capabilities().returning {
            (self.read_back(db).await?, M::Key::WIDTH)
        } else {
            let (sql, params) = self.sql(db.dialect())?;
            (db.send(&sql, &params).await?.rows, 0)
        };
        rows.iter().map(|row| (self.read)(row, first)).collect()
    }

    /// On MySQL and MariaDB, where several statements are sent, the text of the update alone.
    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        let selected = if dialect.capabilities().returning { &*self.selected } else { &[] };
        self.query.text(dialect, self.query.filter.as_ref(), selected)
    }
}

impl<M: Model, R> Returning<Delete<M>, R> {
    /// For servers without RETURNING: the rows are locked and read, then deleted by their keys.
    async fn read_ahead(&self, db: &Database) -> Result<Vec<Row>> {
        db.atomic(|| async {
            let rows = locked::<M>(db, self.query.filter.as_ref(), &self.selected).await?;
            for some in keys_of::<M>(&rows)?.chunks(KEYS_PER_QUERY) {
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
        let (rows, first) = if !db.dialect().capabilities().returning {
            (self.read_ahead(db).await?, M::Key::WIDTH)
        } else {
            let (sql, params) = self.sql(db.dialect())?;
            (db.send(&sql, &params).await?.rows, 0)
        };
        rows.iter().map(|row| (self.read)(row, first)).collect()
    }

    /// On MySQL and MariaDB, where several statements are sent, the text of the delete alone.
    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        let selected = if dialect.capabilities().returning { &*self.selected } else { &[] };
        delete_text::<M>(dialect, self.query.filter.as_ref(), selected)
    }
}
