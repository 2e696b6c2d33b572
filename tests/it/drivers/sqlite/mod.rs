//! What SQLite alone has: one writer at a time, files that others open too, and texts that only it reads.

mod files;
mod other_processes;
mod texts;
mod writers;
mod writers_queue;
