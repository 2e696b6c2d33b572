//! [`PageOf`]: one page of a select, by its number or behind a row; [`Page`]: its rows, and whether there are more.

use std::fmt;

use super::{query::Query, select::Select};
use crate::{
    data::{params::Params, value::Value},
    db::Database,
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::{
        expr::{Expr, Node, columns_of, rows_behind},
        table::{ColumnDef, Model},
    },
};

/// The rows of one page, and whether there are more behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<R> {
    /// The rows, no more than the size of a page.
    pub rows: Vec<R>,
    /// Whether the query has rows behind them.
    pub has_more: bool,
}

impl<R> IntoIterator for Page<R> {
    type Item = R;
    type IntoIter = std::vec::IntoIter<R>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

/// One page of a query. Made by [`Select::page`].
#[must_use = "a query does nothing before it is run"]
pub struct PageOf<M, R = M> {
    query: Select<M, R>,
    number: u64,
    size: u64,
}

impl<M, R> Clone for PageOf<M, R> {
    fn clone(&self) -> Self {
        let Self { query, number, size } = self;
        Self { query: query.clone(), number: *number, size: *size }
    }
}

impl<M, R> fmt::Debug for PageOf<M, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { query, number, size } = self;
        f.debug_struct("PageOf").field("query", query).field("number", number).field("size", size).finish()
    }
}

impl<M: Model, R> Select<M, R> {
    /// One page of the rows: `number`, counted from 1, of pages of `size` rows. It takes the place of limit and offset.
    ///
    /// One row more than the page is fetched: so it is known whether there are more, without a query that counts. The query
    /// needs an order that tells rows apart, else pages may overlap. A page far behind makes the server walk over all rows ahead of
    /// it; [`after`](Self::after) does not.
    ///
    /// # Errors
    /// `Parameter`, once it is run, if `number` or `size` is 0.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model, Query};
    /// # #[derive(Debug, Model)] struct Movie { id: i64, title: String, year: i32 }
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.batch("create table movie (id integer primary key, title text, year integer)").await?;
    /// # let films = [("M", 1931), ("Ran", 1985), ("Kagemusha", 1980), ("Heat", 1995), ("Seven", 1995)];
    /// # let films = films.map(|(title, year)| [Movie::TITLE.set(title), Movie::YEAR.set(year)]);
    /// # objects.execute(Movie::insert_many(films)).await?;
    /// let newest = Movie::select().order_by(Movie::YEAR.desc()).order_by(Movie::ID.asc());
    /// let page = newest.clone().page(1, 2).fetch(&objects).await?;
    /// assert_eq!((&*page.rows[0].title, &*page.rows[1].title, page.has_more), ("Heat", "Seven", true));
    ///
    /// let third = objects.execute(newest.page(3, 2)).await?;
    /// assert_eq!((third.rows.len(), &*third.rows[0].title, third.has_more), (1, "M", false));
    /// # Ok(()) }
    /// ```
    pub fn page(self, number: u64, size: u64) -> PageOf<M, R> {
        PageOf { query: self, number, size }
    }

    /// Only rows that come behind `row` in the order of the query, which is given before: keyset pagination. Together with
    /// [`page`](Self::page) or [`limit`](Self::limit) it gives the next page, however far behind that is, by way of an
    /// index, and rows that others insert meanwhile shift nothing.
    ///
    /// The order has columns of `M` alone, in any direction, and among them those of the primary key or of a unique constraint
    /// without NULLs. NULLs in the other columns are where the order has them. Where a join repeats rows of `M`, the key of the
    /// joined table belongs into the order too, and [`after_values`](Self::after_values) takes the place of this call.
    ///
    /// # Errors
    /// `Parameter`, once it is run, if the order is another.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model, Query};
    /// # #[derive(Debug, Model)] struct Movie { id: i64, title: String, year: i32 }
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.batch("create table movie (id integer primary key, title text, year integer)").await?;
    /// # let films = [("M", 1931), ("Ran", 1985), ("Kagemusha", 1980), ("Heat", 1995), ("Seven", 1995)];
    /// # let films = films.map(|(title, year)| [Movie::TITLE.set(title), Movie::YEAR.set(year)]);
    /// # objects.execute(Movie::insert_many(films)).await?;
    /// let newest = Movie::select().order_by(Movie::YEAR.desc()).order_by(Movie::ID.asc());
    /// let first = newest.clone().page(1, 3).fetch(&objects).await?;
    /// let next = newest.after(&first.rows[2]).page(1, 3).fetch(&objects).await?;
    /// assert_eq!((&*next.rows[0].title, &*next.rows[1].title, next.has_more), ("Kagemusha", "M", false));
    /// # Ok(()) }
    /// ```
    pub fn after(self, row: &M) -> Self {
        let own = |node: &Node| matches!(node, Node::Column(of, _) if *of == self.ast.from_item.qualifier);
        let value = |(node, column): &(&Node, &ColumnDef)| {
            let at = M::TABLE.columns.iter().position(|own| own.name == column.name).filter(|_| own(node))?;
            Some(M::value(row, at))
        };
        let values = columns_of(&self.ast.order).and_then(|columns| columns.iter().map(value).collect());
        self.behind(values.ok_or("`after` needs an order of columns of its model; `after_values` takes others"))
    }

    /// As [`after`](Self::after), by the values that the row has in the order of the query: for a position that a client sends
    /// back. There are as many of them as columns in the order, which may be those of joined tables too.
    ///
    /// # Errors
    /// As [`after`](Self::after), and if their number is another.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Dialect, Model, Query};
    /// # #[derive(Debug, Model)] struct Movie { id: i64, year: i32 }
    /// let newest = Movie::select().order_by(Movie::YEAR.desc()).order_by(Movie::ID.asc());
    /// let sql = newest.after_values((1995, 4)).limit(20).sql(Dialect::Sqlite)?.0;
    /// let condition = r#""movie"."year" <= ? AND ("movie"."year" < ? OR ("movie"."year" = ? AND "movie"."id" > ?))"#;
    /// assert!(sql.contains(condition), "{sql}");
    /// # Ok::<_, nestling::Error>(())
    /// ```
    pub fn after_values(self, values: impl Into<Params>) -> Self {
        let values: Vec<Value> = values.into().into_iter().collect();
        let fits = values.len() == self.ast.order.len();
        self.behind(if fits { Ok(values) } else { Err("`after_values` needs a value for each column of the order") })
    }

    fn behind(mut self, values: Result<Vec<Value>, &'static str>) -> Self {
        let condition = values.and_then(|values| {
            let columns = columns_of(&self.ast.order).ok_or("`after_values` needs an order of columns alone")?;
            if !self.tells_apart(&columns) {
                return Err("`after` needs an order that tells rows apart: add the columns of the primary key to it");
            }
            let columns: Vec<_> = columns.into_iter().map(|(_, column)| column).collect();
            rows_behind(&self.ast.order, &columns, values).ok_or("`after` needs an order")
        });
        // An error is told where the query is written.
        let condition = condition.unwrap_or_else(|why| Node::Value(Value::Invalid(why)));
        self.ast.filter = Some(Expr::both(self.ast.filter, Expr::new(condition)));
        self
    }

    /// Whether no two rows of the model are equal in these columns.
    fn tells_apart(&self, columns: &[(&Node, &'static ColumnDef)]) -> bool {
        let table = M::TABLE;
        let own = &self.ast.from_item.qualifier;
        let has = |at: &usize| {
            let name = table.columns[*at].name;
            columns.iter().any(|(node, def)| def.name == name && matches!(node, Node::Column(of, _) if of == own))
        };
        let unique = table.indexes.iter().filter(|index| index.unique).map(|index| index.columns);
        let unique = unique.filter(|columns| columns.iter().all(|at| !table.columns[*at].null));
        unique.chain([table.primary_key]).any(|columns| columns.iter().all(has))
    }
}

impl<M: Model, R: Send + 'static> PageOf<M, R> {
    /// The query with the limit and the offset of the page, and one row more.
    fn select(&self) -> Result<Select<M, R>> {
        let Self { query, number, size } = self;
        let refused = |text: &str| Error::new(ErrorKind::Parameter, text);
        let ahead = number.checked_sub(1).ok_or_else(|| refused("pages are counted from 1"))?;
        if *size == 0 {
            return Err(refused("a page has at least one row"));
        }
        let query = query.clone().limit(size.saturating_add(1));
        Ok(if ahead == 0 { query } else { query.offset(ahead.saturating_mul(*size)) })
    }

    /// Fetches the page.
    ///
    /// # Errors
    /// As [`Query::run_on`]; `Parameter` if the number or the size is 0.
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    pub async fn fetch(self, db: &Database) -> Result<Page<R>> {
        let mut rows = self.select()?.all(db).await?;
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let has_more = rows.len() > size;
        rows.truncate(size);
        Ok(Page { rows, has_more })
    }
}

impl<M: Model, R: Send + 'static> Query for PageOf<M, R> {
    type Output = Page<R>;

    async fn run_on(self, db: &Database) -> Result<Page<R>> {
        self.fetch(db).await
    }

    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        self.select()?.sql(dialect)
    }
}
