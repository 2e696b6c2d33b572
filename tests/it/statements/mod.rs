//! Single statements: calls, parameters, rows, streams, errors, and what a connection remembers of texts.

#[cfg(feature = "full")]
mod calls;
mod counted;
mod empty_texts;
mod errors;
#[cfg(feature = "full")]
mod migrations;
#[cfg(feature = "full")]
mod own_schema_changes;
mod parameters;
#[cfg(feature = "full")]
mod protocol_limits;
mod reading_rows;
mod secret_values;
mod secrets_in_messages;
#[cfg(feature = "full")]
mod sent;
mod server_errors;
#[cfg(feature = "full")]
mod stale_statements;
mod statement_memory;
mod stream_memory;
mod streams;
#[cfg(feature = "full")]
mod test_databases;
mod texts_of_errors;
#[cfg(feature = "full")]
mod unexpected_answers;
mod violated_columns;
