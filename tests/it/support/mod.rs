//! What the tests share: back ends, servers, the proxy, models, and what looks at them from outside. It tests nothing.

#[macro_use]
pub(crate) mod waits;
pub(crate) mod dialects;
pub(crate) mod drops;
pub(crate) mod films;
#[macro_use]
pub(crate) mod harness;
pub(crate) mod proxy;
pub(crate) mod recorder;
pub(crate) mod runtime;
#[macro_use]
pub(crate) mod test_servers;
pub(crate) mod view;
pub(crate) mod wire;
