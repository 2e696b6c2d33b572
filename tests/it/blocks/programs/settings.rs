//! Settings of a session, as plain SQL changes and reads them.
//!
//! Used by the machine, and to look at what the next user of a connection finds.

use nestling::{Database, Dialect, Error, params};

/// How many settings there are.
pub(super) const COUNT: usize = 3;

/// What the settings are: a digit for each, 1 if it was changed.
pub(super) type Settings = [bool; COUNT];

/// Changes a setting.
pub(super) fn change(dialect: Dialect, setting: usize) -> &'static str {
    let texts: [&str; COUNT] = match dialect {
        Dialect::Postgres => [
            "set time zone 'Asia/Tokyo'",
            "select set_config('lock_timeout', '54321', false)",
            "set session statement_timeout = 7654321",
        ],
        Dialect::Mysql => ["set time_zone = '+05:00'", "set @mine = 7", "set session group_concat_max_len = 77"],
        _ => ["pragma recursive_triggers = on", "pragma cache_size = 77", "pragma ignore_check_constraints(1)"],
    };
    texts[setting]
}

fn probe(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "select concat((current_setting('TimeZone') = 'Asia/Tokyo')::int,
                (current_setting('lock_timeout') = '54321ms')::int, (current_setting('statement_timeout') = '7654321ms')::int)"
        }
        Dialect::Mysql => {
            "select convert(concat(@@time_zone = '+05:00', @mine is not null, @@group_concat_max_len = 77) using utf8mb4)"
        }
        _ => {
            "select (select recursive_triggers from pragma_recursive_triggers) || (select cache_size = 77 from
                pragma_cache_size) || (select ignore_check_constraints from pragma_ignore_check_constraints)"
        }
    }
}

/// The settings of the session that a statement runs in.
pub(super) async fn look(db: &Database) -> Result<Settings, Error> {
    let digits: String = db.query_one(probe(db.dialect()), params![]).await?.get(0)?;
    let mut digits = digits.chars().map(|digit| digit == '1');
    Ok(std::array::from_fn(|_| digits.next().expect("a digit for each setting")))
}
