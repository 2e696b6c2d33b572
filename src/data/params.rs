//! [`Params`]: the parameters of one statement, in order, and the macro [`params!`](crate::params) that makes them.
//!
//! Used by callers and handed to the drivers as a slice of [`Value`]s. It knows no SQL.

use crate::data::value::Value;

/// The parameters of a statement.
///
/// Where a statement takes parameters, an array of one type, a tuple of up to twelve types (`(1,)` for one value), `()` for
/// none, or [`params!`](crate::params) for any number will do. The `Debug` form tells the types and never the values.
///
/// # Examples
///
/// ```
/// use nestling::{Params, params};
///
/// assert_eq!(Params::from([1, 2]), params![1, 2]);
/// assert_eq!(Params::from((1, "x", None::<f64>)), params![1, "x", None::<f64>]);
/// assert_eq!(Params::from(()), params![]);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Params(Vec<Value>);

impl Params {
    pub(crate) fn as_slice(&self) -> &[Value] {
        &self.0
    }
}

impl From<()> for Params {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Params {
    fn from(values: [T; N]) -> Self {
        values.into_iter().map(Into::into).collect()
    }
}

/// `From` for the tuple of the given types, and for all shorter ones.
macro_rules! tuples {
    () => {};
    ($first:ident $($rest:ident)*) => {
        tuples!($($rest)*);
        // A list of all tuples would bury the message for a type that is no parameter.
        #[diagnostic::do_not_recommend]
        impl<$first: Into<Value>, $($rest: Into<Value>),*> From<($first, $($rest,)*)> for Params {
            fn from(values: ($first, $($rest,)*)) -> Self {
                #[allow(non_snake_case, reason = "the types are all the names that the macro has")]
                let ($first, $($rest,)*) = values;
                Self(vec![$first.into(), $($rest.into()),*])
            }
        }
    };
}

tuples!(A B C D E F G H I J K L);

impl From<Vec<Value>> for Params {
    fn from(values: Vec<Value>) -> Self {
        Self(values)
    }
}

impl FromIterator<Value> for Params {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl IntoIterator for Params {
    type Item = Value;
    type IntoIter = std::vec::IntoIter<Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Makes [`Params`](crate::Params) of values of any types that convert into a [`Value`](crate::Value).
///
/// # Examples
///
/// ```
/// use nestling::params;
///
/// let title = String::from("Heat");
/// let params = params![1995, &title, None::<f64>];
/// assert_eq!(params.into_iter().count(), 3);
/// ```
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        $crate::Params::from(::std::vec![$($crate::__private::parameter($value)),*] as ::std::vec::Vec<$crate::Value>)
    };
}

/// What [`params!`](crate::params) takes: all that converts into a [`Value`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a statement",
    label = "no value of SQL",
    note = "a type of serde is given as `Json(value)`; a newtype has `#[derive(Field)]` and an enum `#[derive(TextEnum)]` or \
            `#[derive(IntEnum)]`, all of `nestling::model`; any other type has an `impl From<{Self}> for Value`",
    note = "a duration is given as a number, `duration.as_secs_f64()`, or on PostgreSQL as a `nestling::types::Interval`"
)]
pub trait Parameter: Into<Value> {}

// The message of the trait says what to do; the bound of this implementation would bury it.
#[diagnostic::do_not_recommend]
impl<T: Into<Value>> Parameter for T {}

/// A parameter as a value. `Into` rather than `From`, as generic code often has that as its bound.
#[inline]
pub fn parameter(value: impl Parameter) -> Value {
    value.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_macro_takes_any_types_and_none_at_all() {
        let params = params![1, "x", None::<i32>,];
        assert_eq!(params.as_slice(), [Value::I64(1), Value::Text("x".into()), Value::Null]);
        assert!(params![].as_slice().is_empty());
    }

    #[test]
    fn debug_never_tells_a_value() {
        assert_eq!(format!("{:?}", params!["secret"]), "Params([Value(str)])");
    }
}
