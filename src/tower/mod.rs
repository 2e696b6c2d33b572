//! A layer for `tower`: each request in a scope of its own. It knows of the crate only how a scope is made.

mod layer;
mod service;

pub use self::{layer::ScopeLayer, service::ScopeService};
