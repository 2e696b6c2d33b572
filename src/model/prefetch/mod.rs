//! Prefetch: rows with those that refer to them, any levels deep, by one query for each model.
//!
//! [`Prefetch`] is what `Manager::prefetch` makes; [`Children`] says what is fetched along, as a typed tree. A level is
//! queried by `level.rs`, and its rows are grouped by parent in `children.rs`.

mod children;
mod level;
mod prefetch;

pub use self::{
    children::{Children, ChildrenOf, ChildrenWith, Prefetched},
    level::PrefetchType,
    prefetch::Prefetch,
};
