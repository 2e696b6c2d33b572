//! What a task of the storm does next, and how that ends: random, by the task's dice.

use std::time::Duration;

use super::{super::seed::Dice, ACCOUNTS};

/// One round of a task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) work: Work,
    pub(super) end: End,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    Transfer(Transfer),
    /// A statement that the server takes a while for, outside any block or in one.
    Long {
        in_block: bool,
    },
    /// The sum of all accounts.
    Sum,
    /// A number that must come back.
    Echo(i64),
    /// A stream of so many rows, of which so many are read.
    Stream {
        count: i64,
        read: i64,
    },
}

/// A root with blocks in it that moves money.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transfer {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) amount: i64,
    /// By `transaction`, in a task of its own, instead of `atomic`.
    pub(super) spawned: bool,
    /// One of its blocks fails.
    pub(super) undoes: bool,
    /// One of its blocks is dropped after so long, while a statement is under way.
    pub(super) drops: Option<Duration>,
    /// How long it waits with its locks in hand.
    pub(super) pause: Duration,
}

/// How the work ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    /// By itself.
    Whole,
    /// It is dropped after so long,
    Timeout(Duration),
    /// or after so many polls,
    Polls(usize),
    /// or it is a task that is aborted after so long.
    Abort(Duration),
}

impl Work {
    /// Whether a block is dropped in the middle of one that goes on.
    pub(super) fn drops(self) -> bool {
        matches!(self, Self::Transfer(Transfer { drops: Some(_), .. }))
    }
}

impl Plan {
    pub(super) fn roll(dice: &mut Dice) -> Self {
        let work = match dice.below(10) {
            0..5 => Work::Transfer(Transfer::roll(dice)),
            5 | 6 => Work::Long { in_block: dice.once_in(2) },
            7 => Work::Sum,
            8 => Work::Echo(dice.below(1 << 30) as i64),
            _ => {
                let count = 1 + dice.below(3_000) as i64;
                Work::Stream { count, read: dice.below(count as u64 + 1) as i64 }
            }
        };
        let soon = Duration::from_micros(dice.below(25_000));
        let end = match dice.below(8) {
            0..4 => End::Whole,
            4 | 5 => End::Timeout(soon),
            6 => End::Polls(1 + dice.below(12) as usize),
            _ => End::Abort(soon),
        };
        Self { work, end }
    }
}

impl Transfer {
    fn roll(dice: &mut Dice) -> Self {
        let from = dice.below(ACCOUNTS as u64) as i64;
        Self {
            from,
            to: (from + 1 + dice.below(ACCOUNTS as u64 - 1) as i64) % ACCOUNTS,
            amount: 1 + dice.below(50) as i64,
            spawned: dice.once_in(3),
            undoes: dice.once_in(3),
            drops: dice.once_in(3).then(|| Duration::from_micros(dice.below(15_000))),
            pause: Duration::from_millis(dice.below(4)),
        }
    }
}
