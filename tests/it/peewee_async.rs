//! The tests of peewee-async, ported under their names, so that each can be found on the other side: what it promised holds
//! here, on every back end. What a name stands for there and what it means here stands above each that is not plain.

#![allow(non_snake_case, reason = "the names are those of the tests that were ported")]

mod connections;
mod manager;
mod models;
mod prefetching;
mod queries;
mod results;
mod sync;
mod transactions;
