//! The derive macros of `nestling` will live here, used through the feature `derive` of the crate `nestling`.
//! It holds none yet: models are not part of `nestling` 0.1.
