//! The pages of the repository's folder `docs` that a user reads, as modules: for docs.rs, and for the examples in them.
//!
//! The pages link to each other by labels that each defines at its end, as files. A definition that comes first has its way: the one list
//! here leads to modules instead, and to the packaged files of the pages that are none. `tests/floors/links.rs` checks that it is
//! complete. Pages whose code other tests hold (`tests/it/guide.rs`) are left out where examples are run.

/// Where the labels of the pages lead to.
macro_rules! links {
    () => {
        "[axum]: crate::guide::axum
[cancellation]: crate::guide::cancellation
[deployment]: crate::guide::deployment
[from-diesel-async]: crate::guide::from_diesel_async
[from-sea-orm]: crate::guide::from_sea_orm
[from-sqlx]: crate::guide::from_sqlx
[futures that are kept]: crate::guide::cancellation#futures-that-are-kept
[limits]: crate::guide::limits
[migrations]: crate::guide::migrations
[observability]: crate::guide::observability
[peewee-async]: crate::guide::from_peewee_async
[rule 5]: crate::guide::semantics#5-a-spawned-task-is-outside
[rule 34]: crate::guide::semantics#34-close-waits-for-open-transactions
[rule 36]: crate::guide::semantics#36-a-connection-goes-back-idle-or-it-is-thrown-away
[rule 52]: crate::guide::semantics#52-retry-is-opt-in
[rule 54]: crate::guide::semantics#54-times-are-apart
[rule 74]: crate::guide::semantics#74-a-sandbox-undoes-all-that-a-test-did
[semantics]: crate::guide::semantics
[testing]: crate::guide::testing
[values of sqlx]: crate::guide::from_sqlx#values-that-are-there-already
[after-a-cancel-request]: https://docs.rs/crate/nestling/latest/source/docs/decisions/after-a-cancel-request.md
[backend]: https://docs.rs/crate/nestling/latest/source/docs/adding-a-backend.md
[benchmarks]: https://docs.rs/crate/nestling/latest/source/docs/benchmarks.md
[commit-truth]: https://docs.rs/crate/nestling/latest/source/docs/decisions/commit-truth.md
[dropped-statement-aborts]: https://docs.rs/crate/nestling/latest/source/docs/decisions/dropped-statement-aborts.md
[failing-release]: https://docs.rs/crate/nestling/latest/source/docs/decisions/failing-release.md
[join-sets]: https://docs.rs/crate/nestling/latest/source/docs/decisions/join-sets.md
[kept-futures]: https://docs.rs/crate/nestling/latest/source/docs/decisions/kept-futures.md
[poolers-decision]: https://docs.rs/crate/nestling/latest/source/docs/decisions/poolers.md
[portals]: https://docs.rs/crate/nestling/latest/source/docs/decisions/portals.md
[resending]: https://docs.rs/crate/nestling/latest/source/docs/decisions/resending.md
[retry-errors]: https://docs.rs/crate/nestling/latest/source/docs/decisions/retry-errors.md
"
    };
}

/// A module for each page; after `run` those whose examples are run where they stand.
macro_rules! pages {
    ($($name:ident = $file:literal)+; run $($run:ident = $run_file:literal)+) => {
        $(
            #[cfg_attr(not(doctest), doc = links!())]
            #[cfg_attr(not(doctest), doc = include_str!($file))]
            pub mod $name {}
        )+
        $(
            #[doc = links!()]
            #[doc = include_str!($run_file)]
            pub mod $run {}
        )+
    };
}

pages! {
    axum = "../docs/axum.md"
    cancellation = "../docs/cancellation.md"
    compare = "../docs/compare.md"
    deployment = "../docs/deployment.md"
    from_diesel_async = "../docs/from-diesel-async.md"
    from_peewee_async = "../docs/peewee-async.md"
    from_sea_orm = "../docs/from-sea-orm.md"
    from_sqlx = "../docs/from-sqlx.md"
    limits = "../docs/limits.md"
    semantics = "../docs/semantics.md";
    run
    migrations = "../docs/migrations.md"
    observability = "../docs/observability.md"
    testing = "../docs/testing.md"
}
