//! Selects as [`SubQuery`]s: in FROM, behind `IN` and behind EXISTS.

use super::{select::Select, select_ast::SelectAst};
use crate::{
    data::crates::{Decimal, Uuid},
    db::Writer,
    error::Result,
    model::{
        expr::{InOperand, Node, Operator, ROWS, SubQuery, WriteQuery, write_rows_of},
        table::{ForeignKey, Model},
    },
};

/// A select in which no two columns have one name, as MySQL demands of a derived table.
struct WithNames(SelectAst);

/// A select behind `IN`.
struct Within(SelectAst);

impl WriteQuery for SelectAst {
    fn write(&self, to: &mut Writer) -> Result<()> {
        Self::write(self, to)
    }
}

impl WriteQuery for WithNames {
    fn write(&self, to: &mut Writer) -> Result<()> {
        self.0.write_with_names(to)
    }
}

impl WriteQuery for Within {
    fn write(&self, to: &mut Writer) -> Result<()> {
        // MySQL takes a LIMIT only inside a derived table there.
        if !to.can().limit_within_in && self.0.is_limited() {
            return write_rows_of(ROWS, to, |to| self.0.write_with_names(to));
        }
        self.0.write(to)
    }
}

impl SubQuery {
    fn of_select<Q: WriteQuery + 'static>(ast: SelectAst, query: fn(SelectAst) -> Q) -> Self {
        let mut tables = Vec::new();
        ast.tables(&mut tables);
        let form = ast.form();
        Self::new(query(ast), tables, form)
    }

    /// A select.
    pub(crate) fn of(ast: SelectAst) -> Self {
        Self::of_select(ast, |ast| ast)
    }

    /// A select in which no two columns have one name.
    pub(crate) fn with_names(ast: SelectAst) -> Self {
        Self::of_select(ast, WithNames)
    }
}

/// The condition that `node` is in the one column of a query.
fn is_in<M, R>(node: Node, query: Select<M, R>) -> Node {
    let query = Node::Query(SubQuery::of_select(query.ast, Within)).in_form_of(&node);
    Node::binary(Operator::In, [node, query])
}

/// `InOperand` for queries of one column of this type.
macro_rules! in_query {
    ($([$($generics:tt)*] $type:ty => $of:ty;)+) => {$(
        #[diagnostic::do_not_recommend]
        impl<Q, $($generics)*> InOperand<$of> for Select<Q, $type> {
            #[expect(private_interfaces, reason = "as in the trait")]
            fn contains(self, node: Node) -> Node {
                is_in(node, self)
            }
        }
    )+};
}

in_query! {
    [T] T => T;
    [T] T => Option<T>;
    [T] Option<T> => T;
}

/// Keys and foreign keys have one SQL type: a query of one fits a column of the other.
macro_rules! keys {
    ($($type:ty),+ $(,)?) => {$(
        in_query! {
            [M: Model<Key = $type>] $type => ForeignKey<M>;
            [M: Model<Key = $type>] $type => Option<ForeignKey<M>>;
            [M: Model<Key = $type>] ForeignKey<M> => $type;
            [M: Model<Key = $type>] Option<ForeignKey<M>> => $type;
        }
    )+};
}

keys!(i16, i32, i64, u32, u64, Uuid, String, Decimal);
