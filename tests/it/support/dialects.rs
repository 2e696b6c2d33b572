//! Queries that every back end has its own words for. Used by the tests of streams, and of what is dropped half-way.

use nestling::Dialect;

/// A query that returns the numbers from 1 to `$1`, one by one, as they are found.
pub(crate) fn numbers(dialect: Dialect) -> &'static str {
    match dialect {
        // A recursive query is bounded there, and found whole before its first row is sent.
        Dialect::Mysql => {
            "with d(d) as (select 1 union all select 2 union all select 3 union all select 4 union all select 5
                           union all select 6 union all select 7 union all select 8 union all select 9 union all select 10)
             select cast(@n := @n + 1 as signed) as x
             from (select @n := 0) zero, d a, d b, d c, d d, d e, d f, d g, d h, d i, d j limit $1"
        }
        _ => "with recursive n(x) as (select 1 union all select x + 1 from n where x < $1) select x from n",
    }
}

/// A query that the server takes so many seconds for. Not on SQLite.
pub(crate) fn sleeps(dialect: Dialect, seconds: f64) -> String {
    match dialect {
        Dialect::Mysql => format!("select sleep({seconds})"),
        _ => format!("select pg_sleep({seconds})::text"),
    }
}

/// A query that returns a value in so many seconds, and another one, or an error, if it is cut short. Not on SQLite.
pub(crate) fn late(dialect: Dialect, value: &str, seconds: f64) -> String {
    match dialect {
        Dialect::Mysql => format!("select {value} + sleep({seconds})"),
        _ => format!("select {value} from pg_sleep({seconds})"),
    }
}

/// A query that takes far longer than any test waits, whose server is busy all the time. It returns one row.
pub(crate) fn endless(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Mysql => {
            "with d(d) as (select 1 union all select 2 union all select 3 union all select 4 union all select 5
                           union all select 6 union all select 7 union all select 8 union all select 9 union all select 10)
             select max(a.d + b.d * c.d + d.d * e.d + f.d * g.d + h.d * i.d + j.d * k.d + l.d * rand())
             from d a, d b, d c, d d, d e, d f, d g, d h, d i, d j, d k, d l"
        }
        _ => "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n",
    }
}
