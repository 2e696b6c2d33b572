//! [`RequestSettings`]: how a scope comes to its settings: not at all, or by a function of its request.

use crate::session::ScopeSettings;

/// The settings of the scope of a request. It is implemented for [`NoSettings`], and for functions from a request to its
/// [`ScopeSettings`]; the trait itself is sealed.
pub trait RequestSettings<Request>: sealed::Sealed<Request> {
    /// The settings for one request.
    #[doc(hidden)]
    fn of(&self, request: &Request) -> ScopeSettings;
}

/// A scope without settings, as [`ScopeLayer::new`](super::ScopeLayer::new) has it.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct NoSettings;

impl<Request> RequestSettings<Request> for NoSettings {
    #[inline]
    fn of(&self, _request: &Request) -> ScopeSettings {
        ScopeSettings::new()
    }
}

impl<Request, F: Fn(&Request) -> ScopeSettings> RequestSettings<Request> for F {
    #[inline]
    fn of(&self, request: &Request) -> ScopeSettings {
        self(request)
    }
}

mod sealed {
    use super::{NoSettings, ScopeSettings};

    pub trait Sealed<Request> {}

    impl<Request> Sealed<Request> for NoSettings {}
    impl<Request, F: Fn(&Request) -> ScopeSettings> Sealed<Request> for F {}
}
