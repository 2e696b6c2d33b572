//! [`Level`]: the parents of one level of a prefetch, and how the statement that asks for their children is made.

use sea_query::{
    Expr as Sea, ExprTrait as _, IntoIden as _, Query as Build, SelectStatement, extension::postgres::PgFunc,
};

use crate::{
    db::Database,
    driver::Dialect,
    error::Result,
    model::{
        expr::{Expr, two},
        field::{ColumnType, Field},
        node::{Node, Source, iden},
        query::Query as _,
        select::Select,
        stored::value_for,
        sub_query::SubQuery,
        traits::Model,
    },
    row::Row,
};

/// What the keys of parents are called in a statement for their children: nothing of a user's is called so.
const PARENTS: &str = "nestling_parents";
const KEY: &str = "nestling_key";

/// How the children of many parents are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PrefetchType {
    /// By the keys of the parents that were found, as an array or a list. What is fetched are the children of exactly these
    /// parents, whatever others write meanwhile. The default.
    ///
    /// Where a list of so many keys is too long for one statement (32,766 on SQLite, 65,535 on MySQL) there is one for each
    /// part of it.
    #[default]
    Keys,
    /// By a condition that has the query for the parents in it: `WHERE parent_id IN (SELECT ...)`. It sends no keys, and
    /// runs the query for the parents anew.
    Where,
    /// By a join with the query for the parents. It sends no keys, and runs the query for the parents anew.
    Join,
}

/// The parents of a level.
pub(crate) struct Level<'a, P: Model> {
    /// Their keys, in their order; a parent that was found twice stands here twice.
    pub(super) keys: &'a [P::Key],
    /// The query that finds them.
    pub(super) query: SubQuery,
    pub(super) by: PrefetchType,
}

impl<P: Model> Clone for Level<'_, P> {
    fn clone(&self) -> Self {
        Self { query: self.query.clone(), ..*self }
    }
}

/// The children of a level that are asked for: which ones, and the number of the column by which they refer to their parent.
pub(super) struct Wanted<M> {
    pub(super) select: Select<M>,
    pub(super) column: usize,
}

impl<M> Clone for Wanted<M> {
    fn clone(&self) -> Self {
        Self { select: self.select.clone(), column: self.column }
    }
}

impl<M: Model> Wanted<M> {
    fn reference(&self) -> Node {
        Node::Column(Source::of(M::TABLE), &M::TABLE.columns[self.column])
    }

    /// Fetches the children, and tells the query that finds them without a list of keys.
    pub(super) async fn rows<P>(self, db: &Database, parents: &Level<'_, P>) -> Result<(Vec<Row>, SubQuery)>
    where
        P: Model<Key: Field>,
    {
        let by_query = self.by_query::<P>(parents);
        if parents.keys.is_empty() {
            return Ok((Vec::new(), by_query));
        }
        let size =
            if parents.by == PrefetchType::Keys { self.size_of_parts::<P>(db.dialect(), parents)? } else { None };
        let Some(size) = size else {
            let rows = db.run(&by_query.write(db.dialect())?).await?.rows;
            return Ok((rows, by_query));
        };
        let mut rows = Vec::new();
        for keys in parents.keys.chunks(size) {
            let found = db.run(&self.by_keys::<P>(db.dialect(), keys)?).await?.rows;
            if rows.is_empty() {
                rows = found;
            } else {
                rows.extend(found);
            }
        }
        Ok((rows, by_query))
    }

    /// How many keys go into one statement. `None` if they cannot be given: a limit counts over all parents, so it cannot be
    /// told for each part of them.
    fn size_of_parts<P: Model<Key: Field>>(&self, dialect: Dialect, parents: &Level<'_, P>) -> Result<Option<usize>> {
        let most: usize = match dialect {
            Dialect::Postgres if !is_array::<P>() => return Ok(Some(parents.keys.len())),
            Dialect::Sqlite => 32_766,
            Dialect::Postgres | Dialect::Mysql => 65_535,
        };
        let (_, own) = self.select.sql(dialect)?;
        let size = most.saturating_sub(own.as_slice().len()).max(1);
        Ok((parents.keys.len() <= size || !self.select.is_limited()).then_some(size))
    }

    fn by_keys<P: Model<Key: Field>>(&self, dialect: Dialect, keys: &[P::Key]) -> Result<SelectStatement> {
        let def = &M::TABLE.columns[self.column];
        let values = keys.iter().map(|key| value_for(def, key.to_value()));
        let condition = if dialect == Dialect::Postgres && !is_array::<P>() {
            let keys = Node::Value(crate::value::Value::Array(values.collect()));
            Node::apply(|_, args| two(args, |column, keys| column.eq(PgFunc::any(keys))), [self.reference(), keys])
        } else {
            let list = |_, mut args: Vec<Sea>| {
                let column = args.remove(0);
                column.is_in(args)
            };
            Node::apply(list, std::iter::once(self.reference()).chain(values.map(Node::Value)))
        };
        self.select.clone().filter(Expr::new(condition)).statement(dialect)
    }

    /// The statement that has the query for the parents in it.
    fn by_query<P: Model>(&self, parents: &Level<'_, P>) -> SubQuery {
        let (this, query, by) = (self.clone(), parents.query.clone(), parents.by);
        let key = P::TABLE.columns[P::TABLE.primary_key[0]].name;
        SubQuery::new(move |dialect| match by {
            PrefetchType::Join => {
                let mut keys = keys_of(query.write(dialect)?, key);
                // Parents that were found twice have their children once.
                keys.distinct();
                let on = this.reference().render(dialect)?.eq(Sea::col((PARENTS.into_iden(), KEY.into_iden())));
                let mut statement = this.select.statement(dialect)?;
                statement.join_subquery(sea_query::JoinType::InnerJoin, keys, PARENTS.into_iden(), on);
                Ok(statement)
            }
            PrefetchType::Where | PrefetchType::Keys => {
                let query = query.clone();
                let keys = Node::Query(SubQuery::new(move |dialect| Ok(keys_of(query.write(dialect)?, key))));
                let within = |_, args| two(args, |column, keys| column.binary(sea_query::BinOper::In, keys));
                let condition = Expr::new(Node::apply(within, [this.reference(), keys]));
                this.select.clone().filter(condition).statement(dialect)
            }
        })
    }
}

/// Arrays of arrays are of another kind than arrays of keys.
fn is_array<P: Model<Key: Field>>() -> bool {
    matches!(<P::Key as Field>::TYPE, ColumnType::Array(_))
}

/// The keys that a query finds, as a query. It stands in FROM, where MySQL takes a LIMIT too, and where neither DISTINCT nor
/// the order that it has stand in the way of selecting one column.
fn keys_of(query: SelectStatement, key: &'static str) -> SelectStatement {
    let mut keys = Build::select();
    keys.expr_as(Sea::col((PARENTS.into_iden(), iden(key))), KEY.into_iden()).from_subquery(query, PARENTS.into_iden());
    keys
}
