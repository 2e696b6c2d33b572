//! How connections are found for statements, and replaced under them, against a driver whose connections fail where they are
//! told to. No server takes part.

mod fake;
mod leasing;
mod replacing;
