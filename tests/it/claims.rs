//! What the documents say and no other test holds: each test names the page or the item whose sentence it is about. A test
//! of a limit fails when the limit is gone, so that its sentence goes too.

mod calls;
mod models;
mod mysql;
mod options;
mod postgres;
mod sessions;
mod sqlite;
mod streams;
