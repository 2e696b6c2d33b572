//! [`Insert`]: a typed INSERT of one row or many.

use std::{fmt, marker::PhantomData};

use super::{
    cardinality::{Cardinality, One},
    insert_plan::{Conflict, InsertPlan, Upsert},
    on_conflict::OnConflict,
    query::Query,
    read_back,
    selection::{SelectItem, Selection},
};
use crate::{
    data::{params::Params, row::Row},
    db::Database,
    driver::Dialect,
    error::{Error, Result},
    model::{
        expr::Condition,
        table::{Key, Model},
    },
};

/// Reads a row from its columns from a given one on.
type Read<R> = fn(&Row, usize) -> Result<R>;

/// An insert of rows of the model `M`, which returns an `R` for each: by default its key.
///
/// Keys where the server has no RETURNING (MySQL, MariaDB): a numbered key is computed from the last number that the server
/// reports, any other is the given one; a key that only the server knows, such as a default
/// of `uuid()`, is an error of kind `Unsupported` before anything is sent.
///
/// # Examples
/// ```
/// # use nestling::{Database, Model, Query, query::OnConflict};
/// # #[derive(Debug, Model)] struct Word { id: i64, #[model(unique)] text: String, #[model(default = 1)] uses: i64 }
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// # let db = Database::open("sqlite::memory:")?;
/// # db.batch("create table word (id integer primary key, text text unique, uses integer)").await?;
/// let one: i64 = Word::insert([Word::TEXT.set("one")]).run_on(&db).await?;
/// let two: Word = Word::insert([Word::TEXT.set("two")]).returning().run_on(&db).await?;
/// assert_eq!((one, two.id, two.uses), (1, 2, 1));
/// let more = ["two", "three"].map(|text| [Word::TEXT.set(text)]);
/// let new: Vec<i64> = Word::insert_many(more).on_conflict_ignore().run_on(&db).await?;
/// assert_eq!(new.len(), 1);
/// let again = OnConflict::columns(Word::TEXT).update([Word::USES.set(Word::USES + 1)]);
/// let word = Word::insert([Word::TEXT.set("one")]).on_conflict(again).returning().run_on(&db).await?;
/// assert_eq!((word.id, word.uses), (one, 2));
/// # Ok(()) }
/// ```
///
/// `W` is how many: [`One`], [`Maybe`](crate::query::Maybe) or [`Many`](crate::query::Many).
#[must_use = "a query does nothing before it is run"]
pub struct Insert<M: Model, W = One, R = <M as Model>::Key> {
    plan: InsertPlan,
    /// The columns that are returned; `None` for the key.
    returning: Option<Vec<SelectItem>>,
    read: Read<R>,
    marker: PhantomData<fn() -> (M, W)>,
}

impl<M: Model, W, R> Clone for Insert<M, W, R> {
    fn clone(&self) -> Self {
        let Self { plan, returning, read, marker } = self;
        Self { plan: plan.clone(), returning: returning.clone(), read: *read, marker: *marker }
    }
}

impl<M: Model, W, R> fmt::Debug for Insert<M, W, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Insert").field("plan", &self.plan).field("returning", &self.returning).finish_non_exhaustive()
    }
}

impl<M: Model, W> Insert<M, W> {
    pub(crate) fn new(plan: InsertPlan) -> Self {
        Self { plan, returning: None, read: M::Key::read, marker: PhantomData }
    }

    /// Returns the rows as the database has them, instead of their keys.
    ///
    /// On MySQL and MariaDB the rows are selected in the same transaction.
    pub fn returning(self) -> Insert<M, W, M> {
        self.giving(M::TABLE.all_selected(), M::read)
    }

    /// Returns these columns and expressions of each row, instead of its key.
    pub fn returning_columns<S: Selection>(self, selection: S) -> Insert<M, W, S::Output> {
        let mut selected = Vec::with_capacity(S::WIDTH);
        selection.nodes(&mut selected);
        self.giving(selected, S::read)
    }

    fn giving<R>(self, selected: Vec<SelectItem>, read: Read<R>) -> Insert<M, W, R> {
        Insert { plan: self.plan, returning: Some(selected), read, marker: PhantomData }
    }
}

impl<M: Model, W: Cardinality, R> Insert<M, W, R> {
    /// Leaves out rows that violate a unique constraint. Only the others are returned.
    ///
    /// On MySQL and MariaDB the violation of a unique key is caught; many rows are then halved until those that violate
    /// it are found. Their INSERT IGNORE is not used, as it passes over other errors too.
    pub fn on_conflict_ignore(self) -> Insert<M, W::Ignoring, R> {
        let plan = InsertPlan { conflict: Conflict::Ignore, ..self.plan };
        Insert { plan, returning: self.returning, read: self.read, marker: PhantomData }
    }

    /// Updates existing rows in place of inserting (an upsert).
    ///
    /// PostgreSQL refuses a statement that would update one row twice.
    ///
    /// MySQL and MariaDB do not return the rows: they are found by the unique keys of the table, in the same transaction.
    /// Where that is not possible (values that only the server knows, text that a collation takes for
    /// equal, rows that conflict by two keys), each row is inserted by a statement of its own.
    pub fn on_conflict(mut self, update: OnConflict<M>) -> Self {
        let OnConflict { target, set, .. } = update;
        self.plan.conflict = Conflict::Update(Box::new(Upsert { target, set, filter: None }));
        self
    }

    /// Updates existing rows for which the condition holds. Other existing rows stay unchanged, and are not returned.
    /// PostgreSQL and SQLite.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Model, Query, create_tables, query::OnConflict};
    /// # #[derive(Debug, Model)] struct Page { id: i64, #[model(unique)] path: String, version: i64 }
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # create_tables(&db, &[Page::TABLE]).await?;
    /// let put = |version: i64| {
    ///     let newer = OnConflict::columns(Page::PATH).update_columns(Page::VERSION);
    ///     Page::insert([Page::PATH.set("/"), Page::VERSION.set(version)])
    ///         .on_conflict_if(newer, Page::VERSION.lt(Page::VERSION.excluded()))
    /// };
    /// assert_eq!(put(2).run_on(&db).await?, Some(1));
    /// assert_eq!(put(3).run_on(&db).await?, Some(1));
    /// assert_eq!(put(1).run_on(&db).await?, None, "what is there is newer");
    /// # Ok(()) }
    /// ```
    pub fn on_conflict_if(self, update: OnConflict<M>, condition: impl Condition) -> Insert<M, W::Ignoring, R> {
        let OnConflict { target, set, .. } = update;
        let filter = Some(condition.into().node);
        let plan = InsertPlan { conflict: Conflict::Update(Box::new(Upsert { target, set, filter })), ..self.plan };
        Insert { plan, returning: self.returning, read: self.read, marker: PhantomData }
    }

    fn selected(&self) -> Vec<SelectItem> {
        self.returning.clone().unwrap_or_else(|| self.plan.table.key_selected())
    }

    async fn rows(&self, db: &Database) -> Result<(Vec<Row>, usize)> {
        let dialect = db.dialect();
        if self.plan.rows.is_empty() {
            return Ok((Vec::new(), 0));
        }
        if !dialect.capabilities().returning {
            return read_back::inserted::<M>(db, &self.plan, self.returning.as_deref()).await;
        }
        let chunk = self.plan.chunk(dialect);
        if self.plan.rows.len() <= chunk {
            let (sql, params) = self.plan.text(dialect, &self.plan.rows, &self.selected())?;
            return Ok((db.send(&sql, &params).await?.rows, 0));
        }
        let selected = self.selected();
        let rows = db.atomic(|| async {
            let mut all = Vec::with_capacity(self.plan.rows.len());
            for rows in self.plan.rows.chunks(chunk) {
                let (sql, params) = self.plan.text(dialect, rows, &selected)?;
                all.append(&mut db.send(&sql, &params).await?.rows);
            }
            Ok::<_, Error>(all)
        });
        Ok((rows.await?, 0))
    }
}

impl<M: Model, W: Cardinality, R: Send> Query for Insert<M, W, R> {
    type Output = W::Output<R>;

    async fn run_on(self, db: &Database) -> Result<W::Output<R>> {
        let (rows, first) = self.rows(db).await?;
        W::collect(rows.iter().map(|row| (self.read)(row, first)))
    }

    /// Many rows may take several statements; this is the text for all of them in one.
    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        self.plan.text(dialect, &self.plan.rows, &self.selected())
    }
}
