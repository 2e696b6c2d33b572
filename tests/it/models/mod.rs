//! Models: tables, queries, the manager, prefetch.

mod create_tables;
mod derives;
mod from_rows;
mod long_lists;
mod manager;
mod newtypes;
mod one_handle;
mod pages;
mod prefetch;
mod queries;
mod queries_of_the_own_table;
mod read_only_columns;
mod reference_indexes;
mod upserts;
