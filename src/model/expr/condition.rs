//! [`Condition`]: what WHERE and HAVING take. It is there for its message: without it, the compiler tells of `From<bool>`.

use super::expr::Expr;

/// What a query is narrowed down by: an expression of truth values, or a column of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no condition of SQL",
    label = "expected an expression of truth values, such as `User::AGE.gt(18)`",
    note = "conditions are joined by `&` and `|` and negated by `!`, as in `User::AGE.gt(18) & !User::NAME.eq(\"ada\")`: Rust keeps `&&`, \
            `||` and `==` to values of its own"
)]
pub trait Condition: Into<Expr<bool>> {}

// The message of the trait says what to do; the bound of this implementation would bury it.
#[diagnostic::do_not_recommend]
impl<T: Into<Expr<bool>>> Condition for T {}
