//! Names of constraints and indexes: stable, unique, and no longer than the server allows.

use crate::driver::Dialect;

/// The name of a constraint or index on some columns of a table, such as `user__first__last_key`.
pub(crate) fn name(dialect: Dialect, table: &str, columns: &[&str], what: &str) -> String {
    // One underscore would be ambiguous: the column `c` of a table `a_b`, and the column `b_c` of a table `a`.
    let is_plain = |part: &&str| !part.contains("__") && !part.starts_with('_') && !part.ends_with('_');
    let mut whole = table.to_owned();
    for column in columns {
        whole.push_str("__");
        whole.push_str(column);
    }
    let name = format!("{whole}_{what}");
    if dialect.keeps_whole(&name) && columns.iter().chain([&table]).all(is_plain) {
        return name;
    }
    let end = format!("_{:08x}_{what}", hash(table, columns));
    while !dialect.keeps_whole(&format!("{whole}{end}")) && whole.pop().is_some() {}
    whole + &end
}

/// FNV-1a: a hash that stays the same with every version of Rust.
fn hash(table: &str, columns: &[&str]) -> u32 {
    let parts = columns.iter().flat_map(|column| std::iter::once(0).chain(column.bytes()));
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    table.bytes().chain(parts).fold(0x811c_9dc5, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_where_that_is_unambiguous_and_never_the_same_for_two() {
        assert_eq!(name(Dialect::Postgres, "user", &["name"], "key"), "user__name_key");
        assert_eq!(name(Dialect::Postgres, "user", &["first", "last"], "idx"), "user__first__last_idx");
        assert_eq!(name(Dialect::Postgres, "a_b", &["c"], "idx"), "a_b__c_idx");
        assert_eq!(name(Dialect::Postgres, "a", &["b_c"], "idx"), "a__b_c_idx");
        let one = name(Dialect::Postgres, "a__b", &["c"], "idx");
        let other = name(Dialect::Postgres, "a", &["b__c"], "idx");
        assert_ne!(one, other);
        assert_eq!(one, "a__b__c_fcc668d9_idx", "stable");
    }

    #[test]
    fn long_names_are_cut_in_the_measure_of_the_server() {
        let table = "ü".repeat(60);
        for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite] {
            let one = name(dialect, &table, &["name"], "key");
            assert!(dialect.keeps_whole(&one), "{one}");
            assert_ne!(one, name(dialect, &table, &["names"], "key"));
        }
    }
}
