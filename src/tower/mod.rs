//! A layer for `tower`: each request of a service runs in a [`scope`](crate::scope) of its own.

mod layer;
mod service;

pub use self::{layer::ScopeLayer, service::ScopeService};
pub use crate::session::ScopeFuture;
