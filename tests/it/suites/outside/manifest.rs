//! What the tasks know of the blocks that they have opened, and its comparison with the table.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use nestling::Dialect;

/// The number of a root, and that of a block in it. The root itself is block 0.
pub(super) type Key = (i64, i64);

/// How a block has ended, as far as its task was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Open,
    Committed,
    RolledBack,
    /// The connection broke during COMMIT, or the server did not answer.
    Unknown,
}

/// What is known of one block.
#[derive(Debug)]
struct BlockRecord {
    parent: Option<i64>,
    /// The rows that its statements have written.
    parts: BTreeSet<i64>,
    /// One of its own statements has failed, and the block went on.
    has_failed: bool,
    outcome: Outcome,
}

/// How many roots were committed, and what the attack has done to others.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) committed: AtomicU64,
    pub(super) hit: AtomicU64,
    /// How many roots were given up, as the server did not answer.
    pub(super) silent: AtomicU64,
}

/// What is known of all blocks of a storm.
#[derive(Debug)]
pub(super) struct Manifest {
    dialect: Dialect,
    blocks: Mutex<BTreeMap<Key, BlockRecord>>,
    pub(super) counts: Counts,
}

impl Manifest {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, blocks: Mutex::default(), counts: Counts::default() }
    }

    fn blocks(&self) -> MutexGuard<'_, BTreeMap<Key, BlockRecord>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn opened(&self, key: Key, parent: Option<i64>) {
        let known = BlockRecord { parent, parts: BTreeSet::new(), has_failed: false, outcome: Outcome::Open };
        assert!(self.blocks().insert(key, known).is_none(), "each block has a number of its own");
    }

    pub(super) fn change(&self, key: Key, parts: &[i64]) {
        self.blocks().get_mut(&key).expect("an open block").parts.extend(parts);
    }

    pub(super) fn has_failed(&self, key: Key) {
        self.blocks().get_mut(&key).expect("an open block").has_failed = true;
    }

    pub(super) fn ended(&self, key: Key, outcome: Outcome) {
        self.blocks().get_mut(&key).expect("an open block").outcome = outcome;
    }

    /// Compares the rows of the table with what is known.
    pub(super) fn agrees(&self, rows: impl Iterator<Item = (i64, i64, i64)>) -> Result<(), String> {
        let mut found: BTreeMap<Key, BTreeSet<i64>> = BTreeMap::new();
        for (root, block, part) in rows {
            found.entry((root, block)).or_default().insert(part);
        }
        let blocks = self.blocks();
        if let Some(key) = found.keys().find(|key| !blocks.contains_key(key)) {
            return Err(format!("nobody has opened block {key:?}"));
        }
        for (key, known) in &*blocks {
            let is_given_up = blocks[&(key.0, 0)].outcome == Outcome::Unknown;
            if known.outcome == Outcome::Open && !is_given_up {
                return Err(format!("block {key:?} has not ended"));
            }
            if self.dialect == Dialect::Postgres && known.has_failed && known.outcome == Outcome::Committed {
                return Err(format!("block {key:?} was aborted by the server, and said that it committed"));
            }
        }
        let roots: BTreeSet<i64> = blocks.keys().map(|(root, _)| *root).collect();
        roots.into_iter().try_for_each(|root| root_agrees(root, &blocks, &found))
    }
}

/// Compares one root and all blocks in it.
fn root_agrees(
    root: i64,
    blocks: &BTreeMap<Key, BlockRecord>,
    found: &BTreeMap<Key, BTreeSet<i64>>,
) -> Result<(), String> {
    let of_root = || blocks.range((root, 0)..(root + 1, 0));
    let is_there: BTreeMap<i64, &BTreeSet<i64>> =
        found.range((root, 0)..(root + 1, 0)).map(|((_, block), parts)| (*block, parts)).collect();
    let say = |reason: &str| {
        let known: Vec<_> = of_root().collect();
        Err(format!("root {root}: {reason}: {is_there:?} are there\nthe manifest: {known:#?}"))
    };
    let has_marker = is_there.get(&0).is_some_and(|parts| parts.contains(&0));
    if !is_there.is_empty() && !has_marker {
        return say("rows are there without that of the root's first statement");
    }
    let lasting: BTreeMap<i64, &BTreeSet<i64>> = of_root()
        .filter(|((_, block), known)| !known.parts.is_empty() && is_kept(root, *block, blocks))
        .map(|((_, block), known)| (*block, &known.parts))
        .collect();
    let agrees = match blocks[&(root, 0)].outcome {
        Outcome::Committed => is_there == lasting,
        // With a block that was open it had not come to its COMMIT.
        Outcome::Unknown => {
            let is_whole = of_root().all(|(_, known)| known.outcome != Outcome::Open);
            is_there.is_empty() || (is_whole && is_there == lasting)
        }
        Outcome::RolledBack | Outcome::Open => is_there.is_empty(),
    };
    if agrees { Ok(()) } else { say("the table does not agree with the manifest") }
}

/// Whether a block and all blocks around it were kept, if the root was.
fn is_kept(root: i64, block: i64, blocks: &BTreeMap<Key, BlockRecord>) -> bool {
    let known = &blocks[&(root, block)];
    match known.parent {
        None => true,
        Some(parent) => known.outcome == Outcome::Committed && is_kept(root, parent, blocks),
    }
}
