# What is done often; `just` lists it.

_default:
    @just --list --unsorted

# All tests, on private servers of their own
test *args:
    tests/run.sh {{ args }}

# The suites of random programs, cuts, storms and kills, so many seconds for each test; tests/it/suites.rs tells more
suites seconds="300" *args:
    NESTLING_SUITE_SECONDS={{ seconds }} tests/run.sh --test it -- random_programs suites:: {{ args }}

# Everything that must hold before a change is taken
ci:
    .ci/run

# The main job on private servers of each kind, with optimisations
main-job:
    .ci/movies

# Each lock file fits its manifests
locks:
    .ci/locks

# Format and lints, as ci wants them
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# Clippy with every feature by itself and every pair; --few leaves the pairs out
features *args:
    .ci/features {{ args }}

# Models of what several threads share, in all interleavings, by loom
loom *args:
    .ci/loom {{ args }}

# Builds with the lowest Rust that Cargo.toml names
msrv:
    .ci/msrv

# Licences, bans, sources and advisories of the dependencies, by cargo-deny (cargo install --locked cargo-deny)
deny:
    cargo deny --locked check

# What would be published, and how large it is
package *args:
    cargo package --workspace --no-verify --locked {{ args }}

# The documentation, with warnings as errors
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

# The documentation as docs.rs makes it, where each item tells its feature; takes a nightly Rust
docs-rs:
    RUSTDOCFLAGS="--cfg docsrs -D warnings" cargo +nightly doc --workspace --no-deps --all-features --target-dir target/docs-rs

# The main job; e.g. just movies --database-url postgres://…
movies *args:
    cargo run --release --all-features --example movies -- {{ args }}

# Private PostgreSQL, MariaDB and MySQL until Ctrl-C; prints the exports that the tests need
servers:
    tests/run.sh servers

# The benchmarks
bench *args:
    cargo bench {{ args }}

# nestling beside its peers, on private servers; writes docs/benchmarks.md. --quick is a check of three minutes
bench-peers *args:
    benches/peers/run.sh {{ args }}

# Instructions of one operation, counted with callgrind beside the bare drivers'; writes that table of docs/benchmarks.md. --backend NAME for a part
instructions *args:
    benches/peers/run.sh --instructions {{ args }}
