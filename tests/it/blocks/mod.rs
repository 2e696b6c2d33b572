//! Blocks of all kinds: how they nest, begin, end and fail, and what of that goes over the wire.

#[cfg(feature = "full")]
mod aborted;
#[cfg(feature = "full")]
mod atomic_layer;
#[cfg(feature = "full")]
mod closed_frames;
#[cfg(feature = "full")]
mod commit_tag;
mod connection_binding;
mod deadlines;
#[cfg(feature = "full")]
mod deadlines_on_the_wire;
#[cfg(feature = "full")]
mod defaults;
mod entering;
#[cfg(feature = "full")]
mod failed_begin;
mod idle_transactions;
#[cfg(feature = "full")]
mod join_set;
mod joining;
mod lazy_begin;
#[cfg(feature = "full")]
mod leaving;
#[cfg(feature = "full")]
mod nested_settings;
mod nesting;
#[cfg(feature = "full")]
mod no_runtime;
mod options;
mod orphans;
#[cfg(feature = "full")]
mod panics;
mod pinned_connection;
mod programs;
#[cfg(feature = "full")]
mod propagation;
#[cfg(feature = "full")]
mod retry;
mod rollback_only;
mod rolled_back_by_the_server;
mod round_trips;
mod savepoint_names;
mod savepoints;
#[cfg(feature = "full")]
mod scope_settings;
mod scopes;
mod set_local;
mod stopped_statements;
mod tasks;
mod time_limits;
#[cfg(feature = "full")]
mod tower_layer;
mod turns;
