//! Blocking calls: section I of the specification.
