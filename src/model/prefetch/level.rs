//! [`Level`]: the parents of one level of a prefetch; [`ChildQuery`]: the select of their children.

/// The alias and the column of the parents' keys in a select of children. Only the name of the column is used.
use crate::{
    data::{row::Row, value::Value},
    db::{Database, Writer},
    driver::Dialect,
    error::Result,
    model::{
        expr::{Expr, Node, Operation, Operator, Qualifier, SubQuery, WriteQuery, write_from},
        query::{FromItem, Join, JoinKind, Query as _, Select, render},
        table::{ColumnDef, ColumnType, ColumnWrite, Field, Model, Stored},
    },
};

const PARENTS: &str = "nestling_parents";
static KEY: ColumnDef = ColumnDef {
    name: "nestling_key",
    field: "nestling_key",
    ty: ColumnType::I64,
    null: false,
    auto: false,
    max_length: None,
    default_sql: None,
    check: None,
    references: None,
    stored: Stored::Native,
    write: ColumnWrite::Database,
};

/// How the children of many parents are queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PrefetchType {
    /// By the keys of the parents, as an array or a list: exactly the children of the parents that were read, even if other
    /// transactions write meanwhile. The default.
    ///
    /// Where a list of so many keys is too long for one statement (32,766 on SQLite, 65,535 on MySQL) there is one for each
    /// part of it.
    #[default]
    Keys,
    /// By a condition that has the query for the parents in it: `WHERE parent_id IN (SELECT ...)`. It sends no keys, and
    /// runs the query for the parents again.
    Where,
    /// By a join with the query for the parents. It sends no keys, and runs the query for the parents again.
    Join,
}

/// The parents of a level.
pub(crate) struct Level<'a, P: Model> {
    /// Their keys, in their order; duplicates are kept.
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

/// The select of children, and the number of the column that refers to the parent.
pub(super) struct ChildQuery<M> {
    pub(super) select: Select<M>,
    pub(super) column: usize,
}

impl<M> Clone for ChildQuery<M> {
    fn clone(&self) -> Self {
        Self { select: self.select.clone(), column: self.column }
    }
}

impl<M: Model> ChildQuery<M> {
    fn reference(&self) -> Node {
        Node::Column(Qualifier::of(M::TABLE), &M::TABLE.columns[self.column])
    }

    /// Fetches the children; also returns the query that finds them without a list of keys.
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
            let (sql, params) = render(db.dialect(), |to| by_query.write(to))?;
            let rows = db.send(&sql, &params).await?.rows;
            return Ok((rows, by_query));
        };
        let mut rows = Vec::new();
        for keys in parents.keys.chunks(size) {
            let select = self.by_keys::<P>(db.dialect(), keys);
            let (sql, params) = render(db.dialect(), |to| select.ast.write(to))?;
            let found = db.send(&sql, &params).await?.rows;
            if rows.is_empty() {
                rows = found;
            } else {
                rows.extend(found);
            }
        }
        Ok((rows, by_query))
    }

    /// The number of keys in one statement. `None` if the keys cannot be split: a limit counts over all parents.
    fn size_of_parts<P: Model<Key: Field>>(&self, dialect: Dialect, parents: &Level<'_, P>) -> Result<Option<usize>> {
        if dialect.capabilities().arrays && !is_array::<P>() {
            return Ok(Some(parents.keys.len()));
        }
        let (_, own) = self.select.sql(dialect)?;
        let size = dialect.capabilities().parameters.saturating_sub(own.as_slice().len()).max(1);
        Ok((parents.keys.len() <= size || !self.select.is_limited()).then_some(size))
    }

    fn by_keys<P: Model<Key: Field>>(&self, dialect: Dialect, keys: &[P::Key]) -> Select<M> {
        let def = &M::TABLE.columns[self.column];
        let values = keys.iter().map(|key| def.stored_value(key.to_value()));
        let condition = if dialect.capabilities().arrays && !is_array::<P>() {
            let keys = Node::Value(Value::Array(values.collect()));
            Node::binary(Operator::Equal, [self.reference(), Node::call("ANY", [keys])])
        } else {
            Node::apply(Operation::List(1), std::iter::once(self.reference()).chain(values.map(Node::Value)))
        };
        self.select.clone().filter(Expr::new(condition))
    }

    /// The select of children with the query for the parents inside.
    fn by_query<P: Model>(&self, parents: &Level<'_, P>) -> SubQuery {
        let table = P::TABLE;
        let key = &table.columns[table.primary_key[0]];
        let keys = |distinct| {
            let of = parents.query.clone();
            SubQuery::new(Keys { of, column: key.name, distinct }, Vec::new(), None)
        };
        let mut select = self.select.clone();
        match parents.by {
            PrefetchType::Join => {
                let qualifier = Qualifier::Table(PARENTS);
                let on = Node::binary(Operator::Equal, [self.reference(), Node::Column(qualifier.clone(), &KEY)]);
                // A parent that occurs twice has its children once.
                let from_item = FromItem { table, qualifier, query: Some(keys(true)) };
                select.ast.joins.push(Join { kind: JoinKind::Inner, from_item, on: Expr::new(on) });
            }
            PrefetchType::Where | PrefetchType::Keys => {
                let within = Node::binary(Operator::In, [self.reference(), Node::Query(keys(false))]);
                select = select.filter(Expr::new(within));
            }
        }
        SubQuery::of(select.ast)
    }
}

/// There are no arrays of arrays.
fn is_array<P: Model<Key: Field>>() -> bool {
    matches!(<P::Key as Field>::TYPE, ColumnType::Array(_))
}

/// The keys of the parents: one column of the query that found them. It stands in FROM, where MySQL takes a LIMIT too, and
/// where neither DISTINCT nor the order of the query is in the way of selecting one column.
struct Keys {
    of: SubQuery,
    column: &'static str,
    distinct: bool,
}

impl WriteQuery for Keys {
    fn write(&self, to: &mut Writer) -> Result<()> {
        let Self { of, column, distinct } = self;
        to.text(if *distinct { "SELECT DISTINCT " } else { "SELECT " });
        Qualifier::Table(PARENTS).write(column, to);
        to.text(" AS ");
        to.name(KEY.name);
        write_from(PARENTS, to, |to| of.write(to))
    }
}
