//! Joins of a [`Select`]: along foreign keys, or on a condition.

use super::{
    relation::Relation,
    select::Select,
    select_ast::{FromItem, Join, JoinKind, SelectAst},
};
use crate::model::{
    expr::{Condition, Expr, Node, Qualifier, Reference, equal},
    table::{ColumnDef, Model, Table},
};

/// The condition that a foreign key refers to a key.
fn refers(from: &Qualifier, column: &'static ColumnDef, to: &Qualifier, table: &'static Table) -> Expr<bool> {
    let key = &table.columns[table.primary_key[0]];
    Expr::new(equal(Node::Column(from.clone(), column), Node::Column(to.clone(), key)))
}

impl SelectAst {
    /// The qualifier of a table that is part of the select.
    fn qualifier_of(&self, table: &Table) -> Option<&Qualifier> {
        let joined = self.joins.iter().map(|join| &join.from_item);
        let is = |from_item: &&FromItem| from_item.table.name == table.name && from_item.table.schema == table.schema;
        std::iter::once(&self.from_item).chain(joined).find(is).map(|from_item| &from_item.qualifier)
    }

    /// Joins along a foreign key: the model that it refers to, or its own model if that is not part of the select yet.
    fn join_along<F: Reference>(&mut self, kind: JoinKind, reference: F) {
        let column = reference.column();
        let (from, to) = (F::From::TABLE, F::To::TABLE);
        let (from_item, on) = match (self.qualifier_of(from), self.qualifier_of(to)) {
            (None, Some(there)) => {
                let from_item = FromItem::of(from);
                let on = refers(&from_item.qualifier, column, there, to);
                (from_item, on)
            }
            (here, _) => {
                let from_item = FromItem::of(to);
                let on = refers(here.unwrap_or(&Qualifier::of(from)), column, &from_item.qualifier, to);
                (from_item, on)
            }
        };
        self.joins.push(Join { kind, from_item, on });
    }

    fn join_as<F: Reference>(&mut self, kind: JoinKind, reference: F, to: &Relation<F::To>) {
        let from = self.qualifier_of(F::From::TABLE).cloned().unwrap_or_else(|| Qualifier::of(F::From::TABLE));
        let on = refers(&from, reference.column(), &to.from_item.qualifier, F::To::TABLE);
        self.joins.push(Join { kind, from_item: to.from_item.clone(), on });
    }
}

impl<M: Model, R> Select<M, R> {
    /// Joins along a foreign key, in either direction: `Movie::select().join(Movie::DIRECTOR)` adds the director of
    /// each film, `Director::select().join(Movie::DIRECTOR)` the films of each director. It is an INNER JOIN.
    ///
    /// What is selected stays the same; the columns of the joined model can be used, and selected by
    /// [`columns`](Self::columns), one by one or as a whole by [`Model::relation`]. A model that is part of the query
    /// already, as in a self-reference, is joined by [`join_as`](Self::join_as).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, ForeignKey, Model, Query};
    /// # #[derive(Debug, PartialEq, Model)] struct Director { id: i64, name: String }
    /// # #[derive(Debug, PartialEq, Model)] struct Movie { id: i64, title: String, director: ForeignKey<Director> }
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # db.batch("create table director (id integer primary key, name text)").await?;
    /// # db.batch("create table movie (id integer primary key, title text, director_id integer)").await?;
    /// let ozu = Director::insert([Director::NAME.set("Ozu")]).returning().run_on(&db).await?;
    /// Movie::insert([Movie::TITLE.set("Late Spring"), Movie::DIRECTOR.set(&ozu)]).run_on(&db).await?;
    /// let films = Movie::select().join(Movie::DIRECTOR).filter(Director::NAME.eq("Ozu"));
    /// let pairs = films.columns((Movie::relation(), Director::relation())).all(&db).await?;
    /// assert_eq!((&*pairs[0].0.title, &pairs[0].1), ("Late Spring", &ozu));
    /// # Ok(()) }
    /// ```
    pub fn join<F: Reference>(mut self, reference: F) -> Self {
        self.ast.join_along(JoinKind::Inner, reference);
        self
    }

    /// As [`join`](Self::join), but a LEFT JOIN: rows without a match are kept, with NULL in the columns of the other model.
    ///
    /// So the joined model is selected by [`Relation::optional`], its columns by `nullable()`.
    pub fn left_join<F: Reference>(mut self, reference: F) -> Self {
        self.ast.join_along(JoinKind::Left, reference);
        self
    }

    /// Joins the model that a foreign key refers to, under another name.
    pub fn join_as<F: Reference>(mut self, reference: F, to: &Relation<F::To>) -> Self {
        self.ast.join_as(JoinKind::Inner, reference, to);
        self
    }

    /// As [`join_as`](Self::join_as), but a LEFT JOIN.
    pub fn left_join_as<F: Reference>(mut self, reference: F, to: &Relation<F::To>) -> Self {
        self.ast.join_as(JoinKind::Left, reference, to);
        self
    }

    /// Joins a relation on a condition.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Dialect, Model, Query};
    /// # #[derive(Model)] struct Movie { id: i64, year: i32 }
    /// let later = Movie::alias("later");
    /// let pairs = Movie::select().join_on(&later, later.col(Movie::YEAR).gt(Movie::YEAR));
    /// assert!(pairs.sql(Dialect::Sqlite)?.0.ends_with(r#"ON "later"."year" > "movie"."year""#));
    /// # Ok::<_, nestling::Error>(())
    /// ```
    pub fn join_on<J: Model>(self, relation: &Relation<J>, on: impl Condition) -> Self {
        self.join_by(JoinKind::Inner, relation, on.into())
    }

    /// As [`join_on`](Self::join_on), but a LEFT JOIN.
    pub fn left_join_on<J: Model>(self, relation: &Relation<J>, on: impl Condition) -> Self {
        self.join_by(JoinKind::Left, relation, on.into())
    }

    /// As [`join_on`](Self::join_on), but a FULL OUTER JOIN, which MySQL and MariaDB do not have.
    pub fn full_join_on<J: Model>(self, relation: &Relation<J>, on: impl Condition) -> Self {
        self.join_by(JoinKind::Full, relation, on.into())
    }

    fn join_by<J>(mut self, kind: JoinKind, relation: &Relation<J>, on: Expr<bool>) -> Self {
        self.ast.joins.push(Join { kind, from_item: relation.from_item.clone(), on });
        self
    }
}
