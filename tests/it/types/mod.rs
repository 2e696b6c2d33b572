//! Values of every type, there and back.

mod decimals_and_documents;
mod hstore;
mod model_fields;
#[cfg(feature = "full")]
mod postgres;
mod spans_and_networks;
mod stored_forms;
mod values;
