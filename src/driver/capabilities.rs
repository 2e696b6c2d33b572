//! [`Capabilities`]: what each database can do, as one table. Used where SQL is written and blocks are opened. A
//! difference in wording is a `match` on the dialect where the words are written.

use super::Dialect;

/// What a database can do.
#[derive(Debug)]
pub(crate) struct Capabilities {
    /// The name of the database.
    pub(crate) name: &'static str,
    /// The quotation mark of names.
    pub(crate) quote: char,
    /// The longest name that the server keeps unchanged, in its own unit.
    pub(super) longest_name: usize,
    /// Whether the server counts names in characters, rather than bytes.
    pub(super) measures_characters: bool,
    /// Whether the name of a savepoint may have any character, rather than those of Unicode's basic plane.
    pub(super) all_of_unicode: bool,
    /// Whether a savepoint hides an outer one of the same name, rather than replacing it.
    pub(super) nests_names: bool,
    /// Whether several statements may be in flight on one connection.
    pub(super) pipelines: bool,
    /// Whether settings can be local to a transaction.
    pub(super) local_settings: bool,
    /// Whether a rollback to a savepoint undoes later changes of settings.
    pub(super) undoes_settings: bool,
    /// Whether a transaction reads from the snapshot of its first read by default.
    pub(crate) keeps_first_snapshot: bool,

    /// The number of parameters that a statement may have.
    pub(crate) parameters: usize,
    /// The number of values of one list that are sent as parameters, which leaves room for others. On PostgreSQL a list
    /// of rows becomes a tree, one level for each row.
    pub(crate) listed: usize,
    /// Whether placeholders are numbered.
    pub(crate) numbers_parameters: bool,
    /// Whether a parameter can be an array.
    pub(crate) arrays: bool,
    /// Whether it has a type for decimals, rather than text that a collation orders.
    pub(crate) decimals: bool,
    /// Whether it has ILIKE.
    pub(crate) ilike: bool,
    /// Whether the database has hstore.
    pub(crate) hstore: bool,
    /// Whether the forms in which columns store values are types of their own, which the server does not confuse.
    pub(crate) types_forms: bool,
    /// Whether the backslash escapes the special characters of LIKE patterns by default.
    pub(crate) escapes_patterns: bool,

    /// Whether statements that write can return rows.
    pub(crate) returning: bool,
    /// Whether an insert can name the conflict that it handles, with conditions.
    pub(crate) on_conflict: bool,
    /// Whether it can name a constraint.
    pub(crate) on_constraint: bool,
    /// Whether DEFAULT can be one of the values of a row.
    pub(crate) default_in_rows: bool,
    /// Whether a statement may read the table that it writes.
    pub(crate) reads_what_it_writes: bool,

    /// Whether rows can be locked.
    pub(crate) row_locks: bool,
    /// Whether a shared lock on rows can be requested without waiting.
    pub(crate) shared_without_waiting: bool,
    pub(crate) full_join: bool,
    pub(crate) distinct_on: bool,
    /// Whether ORDER BY can place NULLs.
    pub(crate) orders_nulls: bool,
    /// Whether OFFSET is allowed without LIMIT.
    pub(crate) offset_alone: bool,
    /// Whether a query behind IN may have a LIMIT.
    pub(crate) limit_within_in: bool,
    /// Whether IN takes a list of rows, rather than a query of them.
    pub(crate) rows_in_lists: bool,
    /// Whether the members of a union may be in brackets.
    pub(crate) brackets_in_unions: bool,

    /// Whether tables can be created and dropped within a transaction, rather than committing it.
    pub(crate) transactional_ddl: bool,
    /// Whether foreign keys can be added to tables and dropped from them.
    pub(crate) alters_references: bool,
    /// Whether foreign keys refer to tables of other schemas.
    pub(crate) refers_across_schemas: bool,
    /// Whether indexes are created with their table; the server then creates those of foreign keys itself.
    pub(crate) indexes_with_tables: bool,
}

const POSTGRES: Capabilities = Capabilities {
    name: "PostgreSQL",
    quote: '"',
    longest_name: 63,
    measures_characters: false,
    all_of_unicode: true,
    nests_names: true,
    pipelines: true,
    local_settings: true,
    undoes_settings: true,
    keeps_first_snapshot: false,
    parameters: 65_535,
    listed: 1_000,
    numbers_parameters: true,
    arrays: true,
    decimals: true,
    ilike: true,
    hstore: true,
    types_forms: true,
    escapes_patterns: true,
    returning: true,
    on_conflict: true,
    on_constraint: true,
    default_in_rows: true,
    reads_what_it_writes: true,
    row_locks: true,
    shared_without_waiting: true,
    full_join: true,
    distinct_on: true,
    orders_nulls: true,
    offset_alone: true,
    limit_within_in: true,
    rows_in_lists: true,
    brackets_in_unions: true,
    transactional_ddl: true,
    alters_references: true,
    refers_across_schemas: true,
    indexes_with_tables: false,
};

const MYSQL: Capabilities = Capabilities {
    name: "MySQL",
    quote: '`',
    longest_name: 64,
    measures_characters: true,
    all_of_unicode: false,
    nests_names: false,
    pipelines: false,
    local_settings: true,
    undoes_settings: false,
    keeps_first_snapshot: true,
    parameters: 65_535,
    listed: 10_000,
    numbers_parameters: false,
    arrays: false,
    decimals: true,
    ilike: false,
    hstore: false,
    types_forms: false,
    escapes_patterns: true,
    returning: false,
    on_conflict: false,
    on_constraint: false,
    default_in_rows: true,
    reads_what_it_writes: false,
    row_locks: true,
    shared_without_waiting: false,
    full_join: false,
    distinct_on: false,
    orders_nulls: false,
    offset_alone: false,
    limit_within_in: false,
    rows_in_lists: true,
    brackets_in_unions: true,
    transactional_ddl: false,
    alters_references: true,
    refers_across_schemas: true,
    indexes_with_tables: true,
};

const SQLITE: Capabilities = Capabilities {
    name: "SQLite",
    quote: '"',
    longest_name: usize::MAX,
    measures_characters: false,
    all_of_unicode: true,
    nests_names: true,
    pipelines: false,
    local_settings: false,
    undoes_settings: false,
    keeps_first_snapshot: false,
    parameters: 32_766,
    listed: 5_000,
    numbers_parameters: false,
    arrays: false,
    decimals: false,
    ilike: false,
    hstore: false,
    types_forms: false,
    escapes_patterns: false,
    returning: true,
    on_conflict: true,
    on_constraint: false,
    default_in_rows: false,
    reads_what_it_writes: true,
    row_locks: false,
    shared_without_waiting: false,
    full_join: true,
    distinct_on: false,
    orders_nulls: true,
    offset_alone: false,
    limit_within_in: true,
    rows_in_lists: false,
    brackets_in_unions: false,
    transactional_ddl: true,
    alters_references: false,
    refers_across_schemas: false,
    indexes_with_tables: false,
};

impl Dialect {
    /// The capabilities of the database.
    pub(crate) fn capabilities(self) -> &'static Capabilities {
        match self {
            Self::Postgres => &POSTGRES,
            Self::Mysql => &MYSQL,
            Self::Sqlite => &SQLITE,
        }
    }
}
