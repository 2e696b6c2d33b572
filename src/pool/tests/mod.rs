//! How connections are found, against a driver whose connections fail where they are told to. No server takes part.

pub(crate) mod fake;
mod leasing;
