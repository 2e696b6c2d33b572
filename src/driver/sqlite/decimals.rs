//! The collation `decimal`: decimals are stored as text, which loses no digit, and the collation compares them as
//! numbers. Used for the columns that `create_tables` declares so.

use std::cmp::Ordering;

use rusqlite::Connection;

use crate::data::crates::{Decimal, RUST_DECIMAL};

/// Without rust_decimal there is none, which SQLite tells: indexes would be read and written in another order.
///
/// The name is that of the same collation in SQLite's own extension for decimals, which its shell has built in.
pub(super) fn install(db: &Connection) -> rusqlite::Result<()> {
    if RUST_DECIMAL.is_ok() { db.create_collation("decimal", compare) } else { Ok(()) }
}

/// Numbers by their value, ahead of all other text, which is compared byte by byte.
fn compare(one: &str, other: &str) -> Ordering {
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(other),
    }
}

/// SQLite writes numbers that it has computed itself with an exponent if they are large.
fn number(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_compared_as_numbers_and_all_else_as_text() {
        for (one, other) in [("9", "10"), ("-10", "-9"), ("1.49", "1.5"), ("5", "1.0e+20"), ("10", "a"), ("a", "b")] {
            assert_eq!(compare(one, other), Ordering::Less, "{one} {other}");
            assert_eq!(compare(other, one), Ordering::Greater, "{other} {one}");
        }
        assert_eq!(compare("1.5", "1.500"), Ordering::Equal);
        assert_eq!(compare("79228162514264337593543950334", "79228162514264337593543950335"), Ordering::Less);
    }

    proptest! {
        /// An index in any other order would be broken.
        #[test]
        fn the_order_is_total(mut texts in prop::collection::vec("-?[0-9]{0,3}(\\.[0-9]{0,2})?(e[0-9])?|[a-z]?", 3)) {
            texts.sort_by(|one, other| compare(one, other));
            for pair in texts.windows(2) {
                prop_assert!(compare(&pair[0], &pair[1]).is_le() && compare(&pair[1], &pair[0]).is_ge());
            }
            prop_assert!(compare(&texts[0], &texts[2]).is_le());
        }
    }
}
