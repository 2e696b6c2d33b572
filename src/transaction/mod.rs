//! A transaction as data: its steps and settings, the ledger of the steps that are owed, and what an error means for it. No SQL
//! and no driver in here.

pub(crate) mod control;
pub(crate) mod impact;
pub(crate) mod limits;
pub(crate) mod name;
pub(crate) mod outcome;
pub(crate) mod owed;
pub(crate) mod settings;
