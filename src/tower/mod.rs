//! A layer for `tower`: each request of a service runs in a [`scope`](crate::scope) of its own.

mod layer;
mod service;
mod settings;

pub use self::{
    layer::ScopeLayer,
    service::ScopeService,
    settings::{NoSettings, RequestSettings},
};
pub use crate::session::ScopeFuture;
