//! The seven modes of propagation, with and without a transaction around: section C, rules 28 to 30.

mod restored;
mod suspended;
mod table;

use nestling::{Database, TransactionBuilder, blocks::Propagation};

const ALL: [Propagation; 7] = [
    Propagation::Required,
    Propagation::Nested,
    Propagation::RequiresNew,
    Propagation::Mandatory,
    Propagation::Never,
    Propagation::Supports,
    Propagation::NotSupported,
];

/// Options for a block of this mode.
fn with(db: &Database, propagation: Propagation) -> TransactionBuilder<'_> {
    db.build_transaction().propagation(propagation)
}
