//! Layers for `tower`: each request of a service runs in a [`scope`](crate::scope) of its own, or in a transaction of its own.

mod atomic_layer;
mod atomic_service;
mod layer;
mod request_transaction;
mod service;
mod settings;

pub use self::{
    atomic_layer::AtomicLayer,
    atomic_service::{AtomicFuture, AtomicService},
    layer::ScopeLayer,
    request_transaction::{Commits, RespondsToFailure, ServerErrorStatus, StatusBelow400},
    service::ScopeService,
    settings::{NoSettings, RequestSettings},
};
pub use crate::session::ScopeFuture;
