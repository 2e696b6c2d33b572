//! Sandboxes: what a test does inside one is as it is outside, and undone in the end. Section L.

mod blocks;
mod ends;
mod tasks;
